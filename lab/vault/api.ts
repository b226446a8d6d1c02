import { RECOVERABLE_DAYS, VaultRefusal, type SecretBody, type SecretVersion, type StoredSecret, type VaultStore } from './store.ts';

/** A request that has passed the door: method, path and query of the URL, the JSON body if any. */
export type ApiRequest = { readonly method: string; readonly url: URL; readonly body: unknown };

/** What is answered: a status and a JSON body, or none. */
export type ApiAnswer = { readonly status: number; readonly body?: unknown };

/** Versions of the API that are known (Azure/azure-rest-api-specs: specification/keyvault/data-plane/Secrets); answers are the same in all. */
const API_VERSIONS = ['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'];

/** The longest page of a list (Azure Key Vault REST API, Get Secrets: maxresults). */
const PAGE = 25;

/**
 * Answers one call of the Key Vault's REST API for secrets: set, get, update, list, versions, delete, and of the deleted ones get,
 * list, recover and purge. Throws VaultRefusal for everything that the vault refuses.
 */
export function answerApi(store: VaultStore, base: string, request: ApiRequest): ApiAnswer {
  const version = request.url.searchParams.get('api-version');
  if (version === null) throw new VaultRefusal(400, 'BadParameter', 'api-version must be specified');
  if (!API_VERSIONS.includes(version)) throw new VaultRefusal(400, 'BadParameter', `The specified version (${version}) is not recognized. Consider using the latest supported version (${API_VERSIONS.at(-1)}).`);
  const [area = '', name = '', which = ''] = request.url.pathname.split('/').slice(1).filter((part) => part !== '').map(decodeURIComponent);
  const shape = shapes(base);
  const list = (items: readonly unknown[], path: string): ApiAnswer => ({ status: 200, body: page(items, base, path, request.url) });
  const route = `${request.method} ${area}${name === '' ? '' : '/:name'}${which === '' ? '' : ['versions', 'recover'].includes(which) ? `/${which}` : '/:version'}`;
  switch (route) {
    case 'GET secrets': return list(store.live().map((secret) => shape.item(secret.name, secret.versions.at(-1)!)), '/secrets');
    case 'PUT secrets/:name': return ok(shape.bundle(store.set(name, bodyOf(request))));
    case 'GET secrets/:name': return ok(shape.bundle(store.get(name)));
    case 'GET secrets/:name/:version': return ok(shape.bundle(store.get(name, which)));
    case 'PATCH secrets/:name/:version': return ok(shape.item(name, store.update(name, which, bodyOf(request)).version, true));
    case 'GET secrets/:name/versions': return list(store.find(name).versions.map((each) => shape.item(name, each, true)), `/secrets/${name}/versions`);
    case 'DELETE secrets/:name': return ok(shape.deleted(store.remove(name)));
    case 'GET deletedsecrets': return list(store.deleted().map((secret) => shape.deleted(secret)), '/deletedsecrets');
    case 'GET deletedsecrets/:name': return ok(shape.deleted(store.findDeleted(name)));
    case 'POST deletedsecrets/:name/recover': return ok(shape.item(name, store.recover(name).versions.at(-1)!, true));
    case 'DELETE deletedsecrets/:name': return store.purge(name), { status: 204 };
    default: throw new VaultRefusal(404, 'NotFound', `There is nothing at ${request.url.pathname}`);
  }
}

function ok(body: unknown): ApiAnswer {
  return { status: 200, body };
}

function bodyOf(request: ApiRequest): SecretBody {
  if (typeof request.body === 'object' && request.body !== null && !Array.isArray(request.body)) return request.body;
  throw new VaultRefusal(400, 'BadParameter', 'The request body is not a JSON object.');
}

function shapes(base: string) {
  const attributes = ({ enabled, created, updated, exp, nbf }: SecretVersion) => ({
    enabled, created, updated, ...(exp === undefined ? {} : { exp }), ...(nbf === undefined ? {} : { nbf }), recoveryLevel: 'Recoverable+Purgeable', recoverableDays: RECOVERABLE_DAYS,
  });
  const item = (name: string, version: SecretVersion, withVersion = false) => ({
    id: `${base}/secrets/${name}${withVersion ? `/${version.version}` : ''}`, attributes: attributes(version),
    ...(version.contentType === undefined ? {} : { contentType: version.contentType }), ...(version.tags === undefined ? {} : { tags: version.tags }),
  });
  return {
    item,
    bundle: ({ name, version }: { readonly name: string; readonly version: SecretVersion }) => ({ value: version.value, ...item(name, version, true) }),
    deleted: (secret: StoredSecret) => ({
      ...item(secret.name, secret.versions.at(-1)!, true), recoveryId: `${base}/deletedsecrets/${secret.name}`,
      deletedDate: secret.deleted?.at, scheduledPurgeDate: secret.deleted?.purgeAt,
    }),
  };
}

function page(items: readonly unknown[], base: string, path: string, url: URL): object {
  const size = Number(url.searchParams.get('maxresults') ?? PAGE);
  if (!Number.isInteger(size) || size < 1 || size > PAGE) throw new VaultRefusal(400, 'BadParameter', `maxresults must be from 1 to ${PAGE}.`);
  const from = Number(Buffer.from(url.searchParams.get('$skiptoken') ?? '', 'base64url').toString() || 0);
  const rest = from + size < items.length;
  const token = Buffer.from(String(from + size)).toString('base64url');
  return { value: items.slice(from, from + size), nextLink: rest ? `${base}${path}?api-version=${url.searchParams.get('api-version')}&$skiptoken=${token}&maxresults=${size}` : null };
}
