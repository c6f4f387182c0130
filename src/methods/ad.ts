// Algorithm Distillation: a network that continues the learning history of an algorithm that gets better from episode to episode.
import { TiresiasError } from '../errors.js';
import { folderHash } from '../files.js';
import type { Histories } from '../spec.js';
import { experimentTokenizer, modelIdentity, startDecider, trainedFor } from './language-model.js';
import { EVERYWHERE, type Method } from './method.js';
import { SCRATCH_OPTIONS, scratchConfig, type ScratchOptions } from './scratch.js';

/** What `ad` may be told beside what `scratch` may be, with its defaults. */
interface Options extends ScratchOptions {
  episodes?: number;
  rate?: number;
  leastEpsilon?: number;
}

const historiesOf = ({ episodes = 100, rate = 0.1, leastEpsilon = 0.05 }: Options): Histories => ({ episodes, rate, leastEpsilon });

export const ad: Method = {
  name: 'ad', label: 'Algorithm Distillation', group: 'network', regimes: EVERYWHERE, needsSupport: true, knows: 'nothing',
  options: {
    type: 'object',
    properties: {
      ...SCRATCH_OPTIONS,
      episodes: { type: 'integer', minimum: 1, maximum: 100_000, default: 100, description: 'Episodes of a learning history; more than the support’s trajectories.' },
      rate: { type: 'number', exclusiveMinimum: 0, maximum: 1, default: 0.1, description: 'Learning rate of the Q-learning that is distilled.' },
      leastEpsilon: { type: 'number', minimum: 0, maximum: 1, default: 0.05, description: 'Its random actions from the middle of a history on; they fall from 1.' },
    },
    additionalProperties: false,
  },
  summary: 'The network of scratch, trained to continue learning histories of tabular Q-learning on the training tasks: it never sees an oracle.',
  source: 'Laskin, Wang, Oh, Parisotto, Spencer, Steigerwald, Strouse, Hansen, Filos, Brooks, Gazeau, Sahni, Singh, Mnih, “In-context Reinforcement Learning with Algorithm Distillation”, ICLR 2023.',
  needs: ({ options }) => {
    const { episodes, rate, leastEpsilon, ...network } = options as Options;
    return { base: false, training: { vocabulary: 'compact', ability: 'full-parameter', histories: historiesOf({ episodes, rate, leastEpsilon } as Options), config: scratchConfig(network) } };
  },
  check: async ({ setting, experiment }) => {
    const { episodes } = historiesOf(setting.options as Options);
    if (episodes <= experiment.support.trajectories) {
      throw new TiresiasError('INVALID_EXPERIMENT', `method ${setting.name}: option episodes is ${episodes}, but a history must be longer than the support’s ${experiment.support.trajectories} trajectories; raise it`);
    }
  },
  identity: async (use) => modelIdentity(use, { tokenizer: experimentTokenizer(use.experiment).sha256, model: await folderHash(trainedFor(use), use.signal) }, 'full-parameter'),
  start: async (use) => startDecider(use, { model: trainedFor(use) }, experimentTokenizer(use.experiment), 'full-parameter'),
};
