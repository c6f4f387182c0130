// What the pretrained representation contributes: the same fine-tuning on the same architecture whose frozen weights are random.
import { folderHash } from '../files.js';
import { baseOf, baseTokenizer, modelIdentity, startDecider, trainedFor } from './language-model.js';
import { EVERYWHERE, type Method, type MethodUse } from './method.js';

export const randomBase: Method = {
  name: 'random-base', label: 'Fine-tuned random base', group: 'language', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing',
  options: {
    type: 'object',
    properties: { seed: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Seed of the random weights.' } },
    additionalProperties: false,
  },
  summary: 'The same QLoRA on the same data over a base whose frozen weights are draws with the spread of the pretrained ones.',
  source: 'Lu, Grover, Abbeel, Mordatch, “Pretrained Transformers as Universal Computation Engines”, AAAI 2022, compare the two in this way.',
  needs: (setting) => ({ base: true, training: { vocabulary: 'base', ability: 'full-parameter', config: (own) => ({ ...own, base: own.base && { ...own.base, randomWeights: seedOf(setting.options) } }) } }),
  identity: async (use) => modelIdentity(use, { base: use.base?.sha256 ?? null, randomWeights: seedOf(use.setting.options), adapter: await folderHash(trainedFor(use), use.signal) }, 'full-parameter'),
  start: async (use) => startDecider(use, { base: { ...baseOf(use), randomWeights: seedOf(use.setting.options) }, adapter: trainedFor(use) }, baseTokenizer(use), 'full-parameter'),
};

const seedOf = (options: MethodUse['setting']['options']): number => (options.seed as number | undefined) ?? 0;
