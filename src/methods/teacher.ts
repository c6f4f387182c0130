// The policy that labelled the examples: what a model that imitates its labels perfectly would do.
import { TiresiasError } from '../errors.js';
import { EVERYWHERE, NO_OPTIONS, nothing, stepping, type Method } from './method.js';

export const teacher: Method = {
  name: 'teacher', label: 'Teacher', group: 'reference', regimes: EVERYWHERE, needsSupport: false, knows: 'task', options: NO_OPTIONS,
  summary: 'Acts by the policy that labels the examples (`dataset.labels`): where that is robust or static, the best that its imitators can hope for.',
  source: 'Docs: datasets.md, ambiguity.md. A static policy draws its plan anew for each episode.',
  needs: nothing,
  async check({ experiment: { dataset: { labels } } }) {
    if (labels === 'behaviour') throw new TiresiasError('INVALID_EXPERIMENT', 'method teacher: the labels are what was done, so that nobody taught them; leave it out');
  },
  identity: async () => ({}),
  start: async () => stepping((episodes) => episodes.teacherActions()),
};
