// Stage off-policy: what policies for a family that was fitted to logs would have earned on the logs' own kept episodes. It leaves one document.
import { join } from 'node:path';
import type { Experiment, Regime } from '../experiment.js';
import { folderHash, readJson, writeJson } from '../files.js';
import { Model, solve } from '../library.js';
import { firstBeliefs } from '../logs/first.js';
import { followLanguageModel } from '../logs/follow.js';
import type { MadeLogsFamily } from '../logs/family.js';
import { Trajectories, logsSource } from '../logs/import.js';
import { followPolicy, offPolicy } from '../logs/off-policy.js';
import type { OffPolicyPolicy, OffPolicyResults } from '../results.js';
import { version } from '../version.js';
import type { How, Stage } from './stage.js';

/** Episodes that a language model is asked about at most: each of their decisions is one of the model's. */
const ASKED = 200;

export interface OffPolicyStageOptions extends How {
  /** Adapters, by the name of their method. */
  trained: Readonly<Record<string, string>>;
  /** Where their base lies. */
  base?: string | undefined;
}

export function offPolicyStage(experiment: Experiment, regime: Regime, { trained, base, threads, signal, onProgress }: OffPolicyStageOptions): Stage<OffPolicyResults> {
  const { key, folder } = experiment.logs!;
  const adapters = Object.entries(trained).filter(([name]) => name.startsWith('sft'));
  const { gap } = experiment.solver;
  const recorded = experiment.dataset.from === 'records';
  return {
    kind: 'off-policy',
    inputs: async () => ({
      version, logs: key, gap, seed: experiment.seed, trajectories: experiment.support.trajectories, ...(recorded && { recorded }),
      adapters: await Promise.all(adapters.map(async ([name, place]) => [name, await folderHash(place, signal)])),
    }),
    outputs: ['off-policy.json'],
    work: async (place) => {
      const family = (await readJson(join(folder, 'family.json'))) as MadeLogsFamily;
      const kept = Trajectories.load(join(folder, 'held-out.parquet'));
      const fitted = Trajectories.load(join(folder, 'fitted.parquet'));
      const policies: OffPolicyPolicy[] = [];
      let done = 0;
      const told = (detail: string) => onProgress?.({ done: done++, total: 2 + adapters.length, detail });
      const about = async (name: string, label: string, episodes: Trajectories, target: Float32Array, discount: number, inModel: OffPolicyPolicy['inModel']) => {
        const found = await offPolicy(episodes, target, { discount, seed: experiment.seed, threads, signal });
        policies.push({ name, label, inModel, ...found });
      };
      let discount = 1;
      for (const [name, label, file] of [['nominal', 'Oracle of the fitted model', 'model.json'], ['robust', 'Robust over the cloud', 'robust.json']] as const) {
        told(`solve ${file}`);
        const model = Model.fromFile(join(folder, file)).model;
        discount = model.discount;
        const first = family.report.kind === 'pomdp' ? firstBeliefs(family.report, kept, model) : undefined;
        const solution = await solve(model, { gap, threads, signal });
        await about(name, label, kept, followPolicy(kept, solution, first ? { first } : {}), discount, [solution.lower, solution.upper]);
      }
      const some = kept.episodes > ASKED ? kept.select(Uint32Array.from({ length: ASKED }, (_, i) => i)) : kept;
      // A prompt has no line for a decision after which nothing was seen while the episode went on.
      for (const [name, adapter] of hasHoles(some) ? [] : adapters) {
        told(`ask ${name}`);
        const target = await followLanguageModel(adapter, some, fitted, { regime, trajectories: experiment.support.trajectories, recorded, rewardGrid: family.rewardGrid, threads, base, signal });
        await about(name, 'Fine-tuned', some, target, discount, null);
      }
      const source = logsSource(kept);
      const result: OffPolicyResults = { file: source?.file ?? '', sha256: family.sha256, fitted: family.episodes.fitted, heldOut: family.episodes.heldOut, discount, policies };
      await writeJson(join(place, 'off-policy.json'), result);
      return result;
    },
  };
}

/** Whether nothing was seen at some step but the first of an episode. */
function hasHoles(trajectories: Trajectories): boolean {
  const { offsets, observations } = trajectories.columns();
  const first = new Set(offsets);
  return observations.some((seen, step) => seen === -1 && !first.has(step));
}
