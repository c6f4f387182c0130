// The language model, fine-tuned on oracle-labelled trajectories of other tasks.
import { stat } from 'node:fs/promises';
import { TiresiasError } from '../errors.js';
import { folderHash } from '../files.js';
import { baseOf, baseTokenizer, modelIdentity, startDecider, trainedFor } from './language-model.js';
import { EVERYWHERE, type Method, type MethodUse } from './method.js';

export const sft: Method = {
  name: 'sft', label: 'Fine-tuned', group: 'language', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing',
  options: {
    type: 'object',
    properties: { adapter: { type: 'string', minLength: 1, description: 'Folder of a PEFT adapter, relative to the experiment file; the one that the run trains when left out.' } },
    additionalProperties: false,
  },
  summary: 'The language model fine-tuned with QLoRA on oracle-labelled trajectories of the training tasks reads the same prompt.',
  source: 'Zhang, Aghaei, Saghafian, “Large Language Models for Sequential Decision-Making”, arXiv 2605.09009, 2026; Dettmers et al., “QLoRA”, NeurIPS 2023.',
  needs: ({ options }) => ({ base: true, ...(options.adapter === undefined && { training: { vocabulary: 'base', config: (own) => own } }) }),
  check: async ({ setting }) => {
    const { adapter } = setting.options;
    if (typeof adapter !== 'string') return;
    const found = await stat(adapter).catch(() => undefined);
    if (!found?.isDirectory()) throw new TiresiasError('FILE_NOT_FOUND', `method ${setting.name}: there is no adapter folder ${adapter}; train one with \`tiresias train\`, or leave the option out`);
  },
  identity: async (use) => modelIdentity(use, { base: use.base?.sha256 ?? null, adapter: await folderHash(adapterOf(use), use.signal) }),
  start: async (use) => startDecider(use, { base: baseOf(use), adapter: adapterOf(use) }, baseTokenizer(use)),
};

/** The adapter of the method's options, else the run's. */
const adapterOf = (use: MethodUse): string => (use.setting.options.adapter as string | undefined) ?? trainedFor(use);
