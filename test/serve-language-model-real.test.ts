// A served adapter against the evaluation's language model: a tiny random base, trained and decided by the real trainer, on the same tasks and support.
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Decider, Tokenizer, createEpisodes, loadPolicy, makeDataset, parseExperiment, train, type Regime } from '../src/index.js';
import { LanguageModel } from '../src/methods/language-model.js';
import { taskSpec } from '../src/spec.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { trainConfig } from '../src/stages/train.js';
import { writeFolderBase } from './folder-base.js';
import { scratch, setEnv } from './support.js';

const REGIMES: Regime[] = ['mdp', 'pomdp'];
const HORIZON = 4;

/** An adapter over a base of random weights, as `tiresias train` leaves it. */
async function trained() {
  setEnv('TIRESIAS_CACHE', scratch());
  const folder = scratch();
  const base = { path: writeFolderBase(join(folder, 'base'), { seed: 3 }) };
  const experiment = parseExperiment({
    schema: 'tiresias.experiment/1', name: 'x', horizon: HORIZON, regimes: REGIMES, solver: { gap: 0.1 }, support: { trajectories: 2 }, dataset: { examples: 4, shardExamples: 4 }, base,
    training: { steps: 4, batchSize: 2, lora: { r: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'up_proj'] }, optimizer: { lr: 0.05, warmupSteps: 0 } },
  });
  const data: { path: string }[] = [];
  for (const regime of REGIMES) {
    const { shards } = await makeDataset(datasetConfig(experiment, regime), join(folder, regime), { tokenizer: Tokenizer.fromBase(base.path), threads: 1 });
    data.push(...shards.map(({ path }) => ({ path: join(folder, regime, path) })));
  }
  await train(trainConfig(experiment, base, data, join(folder, 'train'), 1));
  return { experiment, base, output: join(folder, 'train') };
}

it('the same context gets the same action and log-probabilities as in an evaluation', { timeout: 240_000 }, async () => {
  const { experiment, base, output } = await trained();
  const policy = await loadPolicy(output, {});
  onTestFinished(() => policy.dispose());
  const decider = await Decider.start({ backend: 'candle', base, adapter: join(output, 'adapter'), threads: 1 });
  onTestFinished(() => decider.end());
  const plain = await Decider.start({ backend: 'candle', base, threads: 1 });
  onTestFinished(() => plain.end());
  for (const regime of REGIMES) {
    const episodes = await createEpisodes({ ...taskSpec(experiment, regime, 'test'), firstTask: 0, tasks: 3, episodesPerTask: 2, epsilon: 0.1, threads: 1 });
    // What the evaluation's method was told at each stage, row by row.
    const told: number[][][] = [];
    const listening = {
      open: async (...args: Parameters<Decider['open']>) => {
        const opened = await decider.open(...args);
        told.push(opened.logprobs);
        return opened;
      },
      extend: async (...args: Parameters<Decider['extend']>) => {
        told.push(await decider.extend(...args));
        return told.at(-1)!;
      },
      close: (sessions: number[]) => decider.close(sessions),
    } as unknown as Decider;
    const tokenizer = Tokenizer.fromBase(base.path);
    await new LanguageModel(listening, tokenizer, { decision: 'greedy', temperature: 1, seed: 'x' }).play(episodes, { firstRow: 0 });
    const { states, observations, actions, rewards } = episodes.outcome();
    const sessions = Array.from({ length: episodes.rows }, (_, row) => {
      const support = episodes.support(row);
      const steps = (i: number) => Array.from({ length: support.horizon }, (__, t) => i * support.horizon + t);
      const seen = (at: number) => (support.observations[at]! < 0 ? null : support.observations[at]!);
      return policy.session({
        regime, ...(regime === 'mdp' && { state: states[row * HORIZON]! }),
        support: Array.from({ length: support.count }, (__, i) => steps(i).map((at) => [seen(at), support.actions[at]!, support.rewards[at]!] as const)),
      });
    });
    for (let t = 0; t < HORIZON; t++) {
      const decisions = await policy.decide(sessions);
      decisions.forEach(({ action, logprobs }, row) => {
        expect(action, `${regime}, row ${row}, stage ${t}`).toBe(actions[row * HORIZON + t]);
        logprobs.forEach((l, a) => expect(l).toBeCloseTo(told[t]![row]![a]!, 4));
      });
      if (t + 1 === HORIZON) break;
      sessions.forEach((session, row) => {
        const at = row * HORIZON + t;
        session.observe(actions[at]!, regime === 'mdp' ? states[at + 1]! : observations[at + 1]!, rewards[at]!);
      });
    }
    expect(told).toHaveLength(HORIZON);
    expect(new Set(told.flat().map((row) => row.join())).size).toBeGreaterThan(episodes.rows);
    // It is the adapter that decides, and not the base alone.
    const { logprobs } = await plain.open([tokenizer.encode(`${regime}\n?\n`)], tokenizer.encode('012'));
    const { logprobs: adapted } = await decider.open([tokenizer.encode(`${regime}\n?\n`)], tokenizer.encode('012'));
    expect(Math.abs(adapted[0]![0]! - logprobs[0]![0]!)).toBeGreaterThan(1e-3);
  }
});
