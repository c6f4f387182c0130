// The Decision-Pretrained Transformer, on the same offline data as the language model.
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { folderHash } from '../files.js';
import { drawTask, familyInfo } from '../library.js';
import { isOwnFamily } from '../spec.js';
import { experimentTemplates, experimentTokenizer, modelIdentity, startDecider, trainedFor } from './language-model.js';
import { EVERYWHERE, type Method } from './method.js';

/** What `dpt` may be told, with its defaults. */
interface Options {
  layers?: number;
  hidden?: number;
  heads?: number;
  decisions?: number;
  steps?: number;
  lr?: number;
}

const whole = (description: string, usual: number, maximum: number) => ({ type: 'integer', minimum: 1, maximum, default: usual, description });

export const dpt: Method = {
  name: 'dpt', label: 'Decision-Pretrained Transformer', group: 'network', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing',
  options: {
    type: 'object',
    properties: {
      layers: whole('Blocks.', 4, 64),
      hidden: whole('Width of the residual stream.', 32, 4096),
      heads: whole('Attention heads.', 4, 64),
      decisions: { type: 'integer', minimum: 1, description: 'Decisions that are learnt from in each example, drawn by its ids; all of them when left out, which a long trajectory pays for with its length squared.' },
      steps: { type: 'integer', minimum: 1, description: 'Optimiser steps; as many as the experiment’s training when left out.' },
      lr: { type: 'number', exclusiveMinimum: 0, default: 0.001, description: 'Largest learning rate; its schedule, the batch and the rest are the experiment’s training’s.' },
    },
    additionalProperties: false,
  },
  summary: 'A small GPT-2 that reads each transition as one token, without their order, and predicts the oracle’s action; trained on the same data.',
  source: 'Lee, Xie, Pacchiano, Chandak, Finn, Nachum, Brunskill, “Supervised Pretraining Can Learn In-Context Reinforcement Learning”, NeurIPS 2023.',
  needs: ({ options }) => {
    const { steps, lr = 0.001, ...size } = options as Options;
    return {
      base: false,
      training: {
        vocabulary: 'compact',
        ability: 'full-parameter',
        config: (own, experiment) => ({
          ...own, base: undefined, lora: undefined, steps: steps ?? own.steps, optimizer: { ...own.optimizer, lr },
          architecture: { kind: 'dpt', templates: experimentTemplates(experiment), ...symbols(experiment), ...size },
        }),
      },
    };
  },
  check: async ({ experiment }) => void symbols(experiment),
  identity: async (use) => modelIdentity(use, { tokenizer: experimentTokenizer(use.experiment).sha256, model: await folderHash(trainedFor(use), use.signal) }, 'full-parameter'),
  start: async (use) => startDecider(use, { model: trainedFor(use) }, experimentTokenizer(use.experiment), 'full-parameter'),
};

/** How many things its tasks show and how many actions they have. Throws INVALID_EXPERIMENT where regimes differ in that. */
function symbols({ family, seed, horizon, dataset, regimes }: Experiment): { observations: number; actions: number } {
  const of = (regime: Regime) => {
    const { model } = drawTask(family, { split: dataset.split, index: 0, seed, regime, horizon });
    const own = isOwnFamily(family) ? familyInfo(family).symbols : 0;
    return { observations: Math.max(own, model.observations || model.states), actions: model.actions };
  };
  const [first, ...others] = regimes.map(of);
  if (others.some(({ observations, actions }) => observations !== first!.observations || actions !== first!.actions)) {
    throw new TiresiasError('INVALID_EXPERIMENT', 'method dpt: the regimes of this family differ in what can be seen; run them one by one, or leave it out');
  }
  return first!;
}
