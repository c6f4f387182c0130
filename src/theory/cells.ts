// The cells of a theory study: which settings a file comes to, what decides their numbers, and how one is run. Cells obey the rules of every study's: docs/studies.md.
import { availableParallelism, arch, cpus, platform, totalmem } from 'node:os';
import { sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import type { Job } from '../study/kind.js';
import { theoryCellsOf, type LoadedStudy } from '../study/study.js';
import { version } from '../version.js';
import { theoryCell } from './cell.js';
import type { TheorySetting } from './setting.js';

/** A cell of a theory study. */
export interface TheoryCell {
  /** `d=4,N=10`: places in the order of the axes. */
  name: string;
  /** Names of places by axis. */
  places: Record<string, string>;
  /** What it runs. */
  setting: TheorySetting;
}

/** What decides a cell's numbers. */
export const theoryMadeFrom = (setting: TheorySetting, by = version): string => sha256(canonicalJson({ version: by, theory: setting }));

/** The cells of a budget, each to be run on all threads. */
export const theoryCells = ({ study }: LoadedStudy, budget: string, seed?: number): (TheoryCell & Job)[] => theoryCellsOf(study, budget).map((cell) => {
  const setting = { ...cell.setting, ...(seed !== undefined && { seed }) };
  return {
    ...cell, setting,
    key: (by) => theoryMadeFrom(setting, by),
    configuration: { ...setting },
    work: work(setting),
    about: async (threads) => seconds(setting) / threads,
    run: async ({ threads, signal, report }) => {
      const began = performance.now();
      const theory = await theoryCell(setting, { threads, signal, onProgress: ({ phase, done, total }) => report(`${phase} ${Math.floor((100 * done) / total)} %`) });
      return {
        regimes: {}, theory, arithmetic: ['f64'], seconds: (performance.now() - began) / 1000,
        machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
      };
    },
  };
});

/** Seconds of a normal number and of a multiply-add on a core, about. */
const [NORMAL, MULTIPLY_ADD] = [33e-9, 1e-9];

/** Seconds that a cell takes on one thread, about: the operations that docs/theory.md counts. */
function seconds({ dimension: d, trainingLength, pairs, states, actions, horizon, tasks, prompts, gaussianPrompts, layers, training: { steps, batchSize } }: TheorySetting): number {
  const add = ((d + 1) * (d + 2)) / 2;
  const drawn = layers * steps * batchSize * trainingLength + gaussianPrompts * pairs.at(-1)!;
  const plans = tasks * prompts * pairs.length * horizon;
  const acting = plans * states * actions * (add + layers * 2 * (d + 1) * (2 * d + 1));
  const planning = plans * (1 + layers) * states ** 2;
  return drawn * (d * NORMAL + add * MULTIPLY_ADD) + (acting + planning) * MULTIPLY_ADD;
}

/** “1 layer”, “2 layers”. */
const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

const work = ({ layers, training, trainingLength, tasks, prompts, pairs }: TheorySetting): string =>
  `${many(layers, 'layer')} of ${many(training.steps, 'step')} of ${many(training.batchSize, 'prompt')} of ${many(trainingLength, 'pair')}, ${many(tasks * prompts, 'prompt')} of ${pairs.join(', ')} ${pairs.at(-1) === 1 ? 'pair' : 'pairs'} in ${many(tasks, 'linear MDP')}`;
