// The pretrained model as it is, on the prompt alone.
import { baseOf, baseTokenizer, modelIdentity, startDecider } from './language-model.js';
import { EVERYWHERE, NO_OPTIONS, type Method } from './method.js';

export const icl: Method = {
  name: 'icl', label: 'In-context only', group: 'language', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing', options: NO_OPTIONS,
  summary: 'The pretrained language model reads the same prompt without having been fine-tuned.',
  source: 'Zhang, Aghaei, Saghafian, “Large Language Models for Sequential Decision-Making”, arXiv 2605.09009, 2026.',
  needs: () => ({ base: true }),
  identity: async (use) => modelIdentity(use, { base: use.base?.sha256 ?? null }),
  start: async (use) => startDecider(use, { base: baseOf(use) }, baseTokenizer(use)),
};
