// The language model's own architecture, small, every weight trained on the same offline data, in a vocabulary of a few symbols.
import { folderHash } from '../files.js';
import { experimentTokenizer, modelIdentity, startDecider, trainedFor } from './language-model.js';
import { EVERYWHERE, type Method, type Training } from './method.js';

/** What `scratch` may be told, with its defaults. */
export interface ScratchOptions {
  layers?: number;
  hidden?: number;
  heads?: number;
  kvHeads?: number;
  ffn?: number;
  steps?: number;
  lr?: number;
}

const whole = (description: string, usual: number, maximum: number) => ({ type: 'integer', minimum: 1, maximum, default: usual, description });

/** Their schema. */
export const SCRATCH_OPTIONS = {
  layers: whole('Decoder layers.', 4, 64),
  hidden: whole('Width of the residual stream.', 128, 4096),
  heads: whole('Query heads.', 4, 64),
  kvHeads: whole('Key and value heads.', 2, 64),
  ffn: whole('Width inside the feed-forward block.', 344, 16_384),
  steps: { type: 'integer', minimum: 1, description: 'Optimiser steps; as many as the experiment’s training when left out.' },
  lr: { type: 'number', exclusiveMinimum: 0, default: 0.003, description: 'Largest learning rate; its schedule, the batch and the rest are the experiment’s training’s.' },
};

/** The trainer's configuration of such a network. */
export function scratchConfig({ steps, lr = 0.003, ...architecture }: ScratchOptions): Training['config'] {
  return (own, _, vocabulary) => ({
    ...own, base: undefined, lora: undefined, steps: steps ?? own.steps, optimizer: { ...own.optimizer, lr },
    architecture: { kind: 'llama', vocabulary, ...architecture },
  });
}

export const scratch: Method = {
  name: 'scratch', label: 'From scratch', group: 'network', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing',
  options: {
    type: 'object',
    properties: SCRATCH_OPTIONS,
    additionalProperties: false,
  },
  summary: 'A small transformer of the language model’s architecture, with one token a symbol, trained from random weights on the same data.',
  source: 'Touvron et al., “LLaMA”, arXiv 2302.13971, 2023, for the architecture; the comparison is this project’s own.',
  needs: ({ options }) => ({ base: false, training: { vocabulary: 'compact', ability: 'full-parameter', config: scratchConfig(options as ScratchOptions) } }),
  identity: async (use) => modelIdentity(use, { tokenizer: experimentTokenizer(use.experiment).sha256, model: await folderHash(trainedFor(use), use.signal) }, 'full-parameter'),
  start: async (use) => startDecider(use, { model: trainedFor(use) }, experimentTokenizer(use.experiment), 'full-parameter'),
};
