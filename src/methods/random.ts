// Chance: what every gap is normalised by.
import { EVERYWHERE, NO_OPTIONS, nothing, stepping, type Method } from './method.js';

export const random: Method = {
  name: 'random', label: 'Random', group: 'reference', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing', options: NO_OPTIONS,
  summary: 'Draws every action uniformly.',
  source: 'No source.',
  needs: nothing,
  identity: async () => ({}),
  start: async () => stepping((episodes) => episodes.randomActions()),
};
