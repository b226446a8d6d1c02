import { html, type Markup } from './markup.ts';
import type { ClusterPicture, NodeState, PictureNode, PictureService } from './types.ts';
import { plain } from './words.ts';

const WIDTH = 360;
const GAP = 24;
const BOX = (WIDTH - GAP) / 2;
const SERVICE = 68;
const NODE = 88;
const ROW_GAP = 12;

const SERVICE_WORD: Readonly<Record<PictureService['kind'], string>> = { switch: 'PoE switch', nas: 'NAS', git: 'git host', vault: 'vault' };
const SERVICE_STATE: Readonly<Record<PictureService['state'], string>> = { well: 'well', damaged: 'damaged', gone: 'gone' };
const STATE: Readonly<Record<NodeState, { readonly mark: string; readonly word: string }>> = {
  ready: { mark: '✓', word: 'Ready' }, 'not ready': { mark: '!', word: 'NotReady' }, down: { mark: '✗', word: 'down' }, new: { mark: '+', word: 'new' },
};

/**
 * The cluster as a picture 360 units wide: what stands around it above, then the switch with a cable to every node. State is told by
 * outline, pattern, mark and word, never by colour alone; names too long are cut, and whole in the title.
 */
export function clusterPicture(picture: ClusterPicture, when: string): Markup {
  const around = picture.services.filter((service) => service.kind !== 'switch');
  const power = picture.services.find((service) => service.kind === 'switch');
  const busY = Math.ceil(around.length / 2) * (SERVICE + ROW_GAP) + 4;
  const nodesY = busY + 40;
  const rows = Math.ceil(picture.nodes.length / 2);
  const height = nodesY + rows * (NODE + ROW_GAP);
  const told = describe(picture);
  return html`<svg class="cluster" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${when}: ${told}"><title>${when}: ${told}</title>
<line x1="${WIDTH / 2}" x2="${WIDTH / 2}" y1="${busY}" y2="${nodesY + (rows - 1) * (NODE + ROW_GAP) + NODE / 2}" class="cable"/>
${around.map((service, index) => serviceBox(service, (index % 2) * (BOX + GAP), Math.floor(index / 2) * (SERVICE + ROW_GAP)))}
${around.length > 0 && html`<line x1="${WIDTH / 2}" x2="${WIDTH / 2}" y1="${SERVICE / 2}" y2="${busY}" class="cable"/>`}
${around.map((service, index) => stub(index, Math.floor(index / 2) * (SERVICE + ROW_GAP) + SERVICE / 2, service.state !== 'gone'))}
${switchBar(power, busY)}
${picture.nodes.map((node, index) => nodeBox(node, (index % 2) * (BOX + GAP), nodesY + Math.floor(index / 2) * (NODE + ROW_GAP)))}
${picture.nodes.map((node, index) => stub(index, nodesY + Math.floor(index / 2) * (NODE + ROW_GAP) + NODE / 2, node.state !== 'down'))}
</svg>`;
}

function stub(index: number, y: number, alive: boolean): Markup {
  const [from, to] = index % 2 === 0 ? [BOX, WIDTH / 2] : [WIDTH / 2, BOX + GAP];
  const dot = alive && html`<circle cx="${WIDTH / 2}" cy="${y}" r="3" class="plug"/>`;
  return html`<line x1="${from}" x2="${to}" y1="${y}" y2="${y}" class="cable ${!alive && 'dead'}"/>${dot}`;
}

function switchBar(power: PictureService | undefined, y: number): Markup {
  const label = power === undefined ? 'network' : `${SERVICE_WORD.switch} ${power.name}${power.state === 'well' ? '' : `: ${SERVICE_STATE[power.state]}`}`;
  return html`<rect x="0.75" y="${y}" width="${WIDTH - 1.5}" height="26" rx="4" class="box ${power?.state ?? 'well'} solid"/><text x="${WIDTH / 2}" y="${y + 17}" text-anchor="middle" class="small">${fit(label, 52)}</text>`;
}

function serviceBox(service: PictureService, x: number, y: number): Markup {
  const { state } = service;
  const parts = service.parts.join(', ');
  const told = state === 'well' ? service.note || parts : `${SERVICE_STATE[state]}${service.note === '' ? '' : `: ${service.note}`}`;
  return html`<rect x="${x + 1.5}" y="${y + 1.5}" width="${BOX - 3}" height="${SERVICE - 3}" rx="6" class="box ${state}"/>
<text x="${x + 12}" y="${y + 22}" class="name">${SERVICE_WORD[service.kind]}</text>${stateMark(x, y + 22, state === 'well' ? '✓' : state === 'gone' ? '✗' : '!')}
<text x="${x + 12}" y="${y + 38}" class="tiny">${fit(service.name, 29)}</text><text x="${x + 12}" y="${y + 55}" class="small ${state !== 'well' && 'strong'}">${fit(told, state === 'well' ? 25 : 23)}</text>`;
}

function nodeBox(node: PictureNode, x: number, y: number): Markup {
  const { mark, word } = STATE[node.state];
  const lines = [`${node.role} · ${node.address}`, node.note === '' ? word : `${word}: ${node.note}`];
  return html`<rect x="${x + 1.5}" y="${y + 1.5}" width="${BOX - 3}" height="${NODE - 3}" rx="6" class="box ${node.state.replace(' ', '-')}"/>
${node.state === 'new' && html`<rect x="${x + 4.5}" y="${y + 4.5}" width="${BOX - 9}" height="${NODE - 9}" rx="4" class="inner"/>`}
<text x="${x + 12}" y="${y + 23}" class="name">${fit(node.name, 18)}</text>${stateMark(x, y + 23, mark)}
<text x="${x + 12}" y="${y + 41}" class="tiny">${fit(lines[0]!, 29)}</text><text x="${x + 12}" y="${y + 58}" class="small strong">${fit(lines[1]!, 23)}</text>
${node.volumes.length > 0 && html`<path d="M${x + 12} ${y + 69}v7c0 3 10 3 10 0v-7c0 -3 -10 -3 -10 0c0 3 10 3 10 0" class="drum"/><text x="${x + 28}" y="${y + 77}" class="small">${fit(node.volumes.join(', '), 22)}</text>`}`;
}

function stateMark(x: number, y: number, mark: string): Markup {
  return html`<text x="${x + BOX - 12}" y="${y}" text-anchor="end" class="state">${mark}</text>`;
}

function fit(text: string, chars: number): string {
  const all = [...plain(text)];
  return all.length <= chars ? all.join('') : `${all.slice(0, chars - 1).join('')}…`;
}

/** The picture in words, for those who can't see it. */
export function describe(picture: ClusterPicture): string {
  const nodes = picture.nodes.map((node) => `${node.name} (${node.role}) ${STATE[node.state].word}${node.note === '' ? '' : `, ${node.note}`}${node.volumes.length > 0 ? `, with ${node.volumes.join(', ')}` : ''}`);
  const services = picture.services.map((service) => `${SERVICE_WORD[service.kind]} ${service.name} ${SERVICE_STATE[service.state]}${service.note === '' ? '' : `, ${service.note}`}`);
  return [...nodes, ...services].join('; ');
}
