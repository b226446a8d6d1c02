import { randomBytes, randomUUID } from 'node:crypto';

/** The service principal that may log in, and what it may do in the vault. */
export type Principal = { readonly tenant: string; readonly clientId: string; readonly clientSecret: string; readonly may?: 'read' | 'write' };

/** An answer of the log-in: a status and a JSON body. */
export type LoginAnswer = { readonly status: number; readonly body: unknown };

/** Milliseconds for which a token is good: Microsoft Entra's usual hour. */
const LIFE_MS = 3_599_000;

/** The tokens given out, each for one resource, and the end of each (milliseconds since 1970). */
export type Tokens = Map<string, { readonly principal: Principal; readonly resource: string; readonly until: number }>;

/**
 * Microsoft Entra's log-in as far as a client with a secret asks for it: OpenID's discovery document and the token endpoint of
 * OAuth 2.0 client credentials (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow), with the `AADSTS…`
 * errors. `undefined` for any other path.
 */
export function answerLogin(base: string, principals: readonly Principal[], tokens: Tokens, url: URL, form: URLSearchParams, secretExpired = false): LoginAnswer | undefined {
  const [tenant = '', ...rest] = url.pathname.split('/').slice(1);
  const path = rest.join('/');
  if (path === 'v2.0/.well-known/openid-configuration') return { status: 200, body: discovery(base, tenant) };
  if (path !== 'oauth2/v2.0/token') return undefined;
  const ofTenant = principals.filter((principal) => principal.tenant === tenant);
  if (ofTenant.length === 0) return refused(400, 'invalid_request', 90002, `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`);
  if (form.get('grant_type') !== 'client_credentials') return refused(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
  const id = form.get('client_id') ?? '';
  const principal = ofTenant.find((each) => each.clientId === id);
  if (!principal) return refused(400, 'unauthorized_client', 700016, `Application with identifier '${id}' was not found in the directory '${tenant}'.`);
  if (secretExpired) return refused(401, 'invalid_client', 7000222, `The provided client secret keys for app '${id}' are expired. Visit the Azure portal to create new keys for your app.`);
  if (form.get('client_secret') !== principal.clientSecret) {
    return refused(401, 'invalid_client', 7000215, `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${id}'.`);
  }
  const scope = (form.get('scope') ?? '').split(' ').find((each) => each.endsWith('/.default'));
  if (scope === undefined) return refused(400, 'invalid_scope', 70011, 'The provided request must include a \'scope\' input parameter.');
  const token = randomBytes(48).toString('base64url');
  tokens.set(token, { principal, resource: scope.slice(0, -'/.default'.length), until: Date.now() + LIFE_MS });
  return { status: 200, body: { token_type: 'Bearer', expires_in: LIFE_MS / 1000, ext_expires_in: LIFE_MS / 1000, access_token: token } };
}

function discovery(base: string, tenant: string): object {
  return {
    issuer: `${base}/${tenant}/v2.0`, authorization_endpoint: `${base}/${tenant}/oauth2/v2.0/authorize`, token_endpoint: `${base}/${tenant}/oauth2/v2.0/token`,
    jwks_uri: `${base}/${tenant}/discovery/v2.0/keys`, end_session_endpoint: `${base}/${tenant}/oauth2/v2.0/logout`, token_endpoint_auth_methods_supported: ['client_secret_post'],
    response_types_supported: ['code'], subject_types_supported: ['pairwise'], id_token_signing_alg_values_supported: ['RS256'],
  };
}

function refused(status: number, error: string, number: number, text: string): LoginAnswer {
  const [trace, correlation, time] = [randomUUID(), randomUUID(), new Date().toISOString().replace('T', ' ').replace(/\.\d+/, '')];
  return { status, body: {
    error, error_description: `AADSTS${number}: ${text} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${time}`,
    error_codes: [number], timestamp: time, trace_id: trace, correlation_id: correlation, error_uri: `https://login.microsoftonline.com/error?code=${number}`,
  } };
}
