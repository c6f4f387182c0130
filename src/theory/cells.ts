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
    // Of this no rate was measured.
    about: async () => undefined,
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

const work = ({ layers, training, trainingLength, tasks, prompts, pairs }: TheorySetting): string =>
  `${layers} layers of ${training.steps} steps of ${training.batchSize} prompts of ${trainingLength} pairs, ${tasks * prompts} prompts of ${pairs.join(', ')} pairs in ${tasks} linear MDPs`;
