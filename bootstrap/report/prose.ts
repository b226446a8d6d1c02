import type { World } from './types.ts';

/** Sentences that HTML and text share. */
export const PROSE: { readonly world: Readonly<Record<World['kind'], string>>; readonly forecast: string } = {
  world: {
    namespace: 'It ran in a user and network namespace of its own, with the real addresses, ports and names.',
    loopback: 'It ran on loopback addresses in place of the real ones.',
  },
  forecast: 'What a desk can measure was measured; what it can’t have (cards, boots, downloads, hands) is taken from where it says.',
};
