import fc from 'fast-check';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  Prompts, compactTokenizer, createAgents, createEpisodes, defaultTemplate, evaluateRegime, loadExperiment, methods, parseExperiment, played, runExperiment,
  type Episodes, type EpisodesSpec, type Experiment, type ExperimentInput, type Regime,
} from '../src/index.js';
import { LanguageModel, drawn, largest } from '../src/methods/language-model.js';
import { checkMethods } from '../src/methods/index.js';
import type { Decider } from '../src/train/decider.js';
import { scratch, setEnv } from './support.js';

const spec = (regime: Regime): EpisodesSpec => ({
  family: 'energy', split: 'test', seed: 3, regime, horizon: 4, models: 2, alpha: 1, nature: 'fixed', support: { trajectories: 2, behaviour: 'epsilon:0.5' },
  solver: { gap: 0.1, timeSeconds: null }, template: null, firstTask: 0, tasks: 3, episodesPerTask: 2, epsilon: 0.001, threads: 2,
});

const small = (change: Partial<ExperimentInput>): Experiment => parseExperiment({
  schema: 'tiresias.experiment/1', name: 'small', horizon: 3, models: 2, regimes: ['mdp'], solver: { gap: 0.1 }, support: { trajectories: 2, behaviour: 'epsilon:0.5' }, ...change,
});

const compare = (list: NonNullable<ExperimentInput['evaluation']>['methods'], change: Partial<ExperimentInput> = {}) =>
  small({ evaluation: { tasks: 3, episodes: 2, resamples: 100, methods: list }, ...change });

describe('the registry', () => {
  it('says of every method what it is, where it comes from and what it takes', () => {
    expect(new Set(methods().map(({ name }) => name)).size).toBe(methods().length);
    for (const method of methods()) {
      for (const text of [method.label, method.summary, method.source]) expect(text.length, method.name).toBeGreaterThan(3);
      expect(method.regimes.length, method.name).toBeGreaterThan(0);
      expect(method.options, method.name).toMatchObject({ type: 'object' });
    }
  });

  it('refuses what a method does not take, before anything is computed, naming it and the remedy', async () => {
    const refused = async (list: NonNullable<ExperimentInput['evaluation']>['methods'], message: RegExp, change: Partial<ExperimentInput> = {}) => {
      await expect(checkMethods(compare(['random', ...list!], change))).rejects.toThrow(message);
    };
    await refused(['orakle'], /"orakle" does not exist; did you mean oracle\?/);
    await refused(['wholly-else'], /does not exist; expected one of oracle, .* or a module such as "\.\/always\.mjs"/);
    await refused([{ method: 'oracle', options: { temper: 1 } }], /method oracle: options: .*temper.*; it takes no options/);
    await refused([{ method: 'sft', options: { adapter: '/nowhere' } }], /method sft: there is no adapter folder \/nowhere; train one/);
    await refused(['./nowhere.mjs'], /method nowhere: .*cannot be loaded/);
    for (const method of methods()) {
      const other = (['mdp', 'pomdp', 'apomdp'] as const).find((regime) => !method.regimes.includes(regime));
      if (other) await refused([method.name], new RegExp(`method ${method.name}: it cannot act in the regime ${other}; write .*"regimes".*, or leave it out`), { regimes: [other] });
      const none = { support: { trajectories: 0 }, regimes: [method.regimes[0]!] };
      if (method.needsSupport) await refused([method.name], new RegExp(`method ${method.name}: it cannot act without support; raise support.trajectories`), none);
    }
  });

  it('is what experiments name: twice only under two names, chance always', () => {
    expect(compare(['random', { method: 'oracle', name: 'best' }]).evaluation.methods).toEqual([
      { method: 'random', name: 'random', options: {} }, { method: 'oracle', name: 'best', options: {} },
    ]);
    expect(() => compare(['random', 'oracle', 'oracle'])).toThrow(/every name once/);
    expect(() => compare(['oracle'])).toThrow(/random/);
    expect(() => compare([{ method: 'random', regimes: ['pomdp'] }])).toThrow(/in every regime/);
    expect(() => compare(['random', { method: 'oracle', name: 'a/b' }])).toThrow(/letters, digits/);
    const experiment = compare(['random', './mine.mjs', { method: 'oracle', regimes: ['mdp'], options: { a: 1 } }]);
    expect(parseExperiment(JSON.parse(JSON.stringify(experiment)))).toEqual(experiment);
  });
});

describe('methods without a network', () => {
  it('play in one call what they play method by method, with nothing left behind', async () => {
    for (const method of methods().filter(({ group }) => !['language', 'network', 'reference'].includes(group))) {
      for (const regime of method.regimes) {
        const episodes = await createEpisodes(spec(regime));
        const agents = await createAgents(spec(regime), method.name);
        const [first, second] = [await played(episodes, agents), await played(episodes, agents)];
        expect(first.outcome(), method.name).toEqual(second.outcome());
        expect([episodes.stage, first.stage, first.done]).toEqual([0, 4, true]);
        // One thread, other tasks before and other episodes beside: the same rows.
        const alone = await played(await createEpisodes({ ...spec(regime), firstTask: 1, tasks: 1, threads: 1 }), agents);
        expect([...alone.outcome().actions], `${method.name} ${regime}`).toEqual([...first.outcome().actions.subarray(8, 16)]);
      }
    }
  });

  it('stop when they are told to', async () => {
    const method = methods().find(({ group }) => group === 'model');
    if (!method) return;
    const episodes = await createEpisodes({ ...spec('mdp'), episodesPerTask: 50_000 });
    const reason = new Error('enough');
    const controller = new AbortController();
    const call = played(episodes, await createAgents(spec('mdp'), method.name), { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(call).rejects.toBe(reason);
  });
});

const ALWAYS = `export default {
  label: 'Always perform',
  begin: () => ({ act: () => 2 }),
};`;

describe('a method of one’s own', () => {
  it('is a module that the experiment names; it plays like any other, and no language model is fetched for it', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'mine'));
    writeFileSync(join(folder, 'mine', 'always.mjs'), ALWAYS);
    const { evaluation, ...rest } = compare(['oracle', 'random', './mine/always.mjs']);
    writeFileSync(join(folder, 'e.json'), JSON.stringify({ ...rest, evaluation }));
    for (const name of ['TIRESIAS_CACHE', 'TIRESIAS_TRAIN', 'TIRESIAS_PYTHON']) setEnv(name, join(folder, 'nothing'));
    const { results } = await runExperiment(await loadExperiment(join(folder, 'e.json')), { folder: join(folder, 'run'), threads: 1 });
    const { oracle, random, always } = results.regimes['mdp']!.methods;
    expect(oracle!.gapNorm).toBe(0);
    expect(random!.gapNorm).toBe(1);
    expect(always!.gapNorm).toBeGreaterThan(0);
    expect(always).toMatchObject({ method: 'always.mjs', label: 'Always perform', group: 'own' });
    expect(results.regimes['mdp']!.traces.find(({ method }) => method === 'always')!.steps.map(({ action }) => action)).toEqual([2, 2, 2]);
    expect(results.stages.map(({ name }) => name)).toEqual(['evaluate-mdp']);
    expect([results.datasets, results.training, results.baseModel]).toEqual([[], [], undefined]);
    expect(existsSync(join(folder, 'nothing'))).toBe(false);
  });

  it('is shown what every method is shown, and no more', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'spy.mjs'), `export default { begin(context) {
      globalThis.spied.push([context]);
      const own = globalThis.spied.at(-1);
      return { async act(seen, reward) { own.push([seen, reward]); return context.options.action; } };
    } };`);
    const spied: [unknown, ...[number | null, number | null][]][] = [];
    Object.assign(globalThis, { spied });
    for (const regime of ['mdp', 'pomdp'] as const) {
      spied.length = 0;
      const experiment = compare(['random', { method: join(folder, 'spy.mjs'), options: { action: 1 } }], { regimes: [regime] });
      await evaluateRegime(experiment, regime, { folder: join(folder, regime), threads: 1 });
      expect(spied).toHaveLength(6);
      const { support, options, ...form } = spied[0]![0] as { support: { count: number; horizon: number; observations: Int32Array; actions: Uint8Array; rewards: Float64Array }; options: object };
      expect(form).toEqual({ regime, symbols: 10, actions: 3, horizon: 3, discount: 1 });
      expect(options).toEqual({ action: 1 });
      expect([support.count, support.horizon, support.observations.length, support.actions.length, support.rewards.length]).toEqual([2, 3, 6, 6, 6]);
      for (const [, ...steps] of spied) {
        expect(steps).toHaveLength(3);
        // The first decision has no reward before it, and in a POMDP nothing seen; a POMDP's query hides its rewards.
        expect(steps.map(([seen]) => seen === null)).toEqual([regime === 'pomdp', false, false]);
        expect(steps.map(([, reward]) => reward === null)).toEqual([true, regime === 'pomdp', regime === 'pomdp']);
      }
    }
  });

  it('that gives no action is refused by name, and one that is changed is played again', async () => {
    const folder = scratch();
    const path = join(folder, 'mine.mjs');
    const evaluate = (source: string) => {
      writeFileSync(path, source);
      return evaluateRegime(compare(['random', path]), 'mdp', { folder: join(folder, 'rows'), threads: 1 });
    };
    const always = (action: string) => `export default { begin: () => ({ act: () => ${action} }) };`;
    for (const action of ['3', '-1', '0.5', 'undefined', '"1"']) {
      await expect(evaluate(always(action))).rejects.toMatchObject({ code: 'METHOD_FAILED', message: expect.stringMatching(/method mine: act gave .*from 0 to 2/) });
    }
    await expect(evaluate('export default { act: () => 0 };')).rejects.toMatchObject({ code: 'INVALID_METHOD', message: expect.stringMatching(/no default export with a function begin; export default/) });
    for (const action of [0, 2, 0]) {
      const { traces } = await evaluate(always(String(action)));
      expect(traces.find(({ method }) => method === 'mine')!.steps.map((step) => step.action)).toEqual([action, action, action]);
    }
  });
});

describe('a language model that acts', () => {
  it('takes the likeliest action, the lowest on ties', () => {
    expect([largest([-3, -1, -2]), largest([-1, -1]), largest([-Infinity, -5])]).toEqual([1, 0, 1]);
  });

  it('draws actions in proportion to their probabilities, sharpened by the temperature', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: -20, max: 0, noNaN: true }), { minLength: 1, maxLength: 5 }), fc.double({ min: 0.1, max: 5, noNaN: true }), (logprobs, temperature) => {
      const weights = logprobs.map((value) => Math.exp(value / temperature));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const draws = 2000;
      const counts = logprobs.map(() => 0);
      for (let i = 0; i < draws; i++) counts[drawn(logprobs, temperature, (i + 0.5) / draws)]!++;
      // Evenly spread numbers fall into each share as often as it is wide, but for its two ends.
      counts.forEach((count, i) => expect(Math.abs(count - (draws * weights[i]!) / total)).toBeLessThanOrEqual(1.001));
    }));
    expect([drawn([-Infinity, 0], 1, 0), drawn([0, -Infinity], 1, 1 - 2 ** -53)]).toEqual([1, 0]);
  });

  const decider = (log: { context: string }[], text: (ids: ArrayLike<number>) => string, logprobs: (row: number, stage: number) => number[]) => {
    let stage = 0;
    return {
      open: async (contexts: ArrayLike<number>[], candidates: Uint32Array) => {
        expect(candidates).toHaveLength(3);
        contexts.forEach((ids) => log.push({ context: text(ids) }));
        return { sessions: contexts.map((_, i) => i), logprobs: contexts.map((_, i) => logprobs(i, 0)) };
      },
      extend: async (sessions: number[], tokens: ArrayLike<number>[]) => {
        stage++;
        tokens.forEach((ids, i) => (log[i]!.context += text(ids)));
        return sessions.map((i) => logprobs(i, stage));
      },
      close: async (sessions: number[]) => expect(sessions).toHaveLength(log.length),
      end: async () => {},
    } as unknown as Decider;
  };

  it('reads the support as text, then what its actions led to, and nothing after the last stage', async () => {
    for (const regime of ['mdp', 'pomdp'] as const) {
      const tokenizer = compactTokenizer([defaultTemplate('energy', regime)]);
      const episodes: Episodes = await createEpisodes(spec(regime));
      const log: { context: string }[] = [];
      const model = new LanguageModel(decider(log, (ids) => tokenizer.decode(Uint32Array.from(ids)), (row, stage) => [0, 1, 2].map((a) => (a === (row + stage) % 3 ? 0 : -1))), tokenizer, { decision: 'greedy', temperature: 1, seed: '' });
      const shares: number[] = [];
      await model.play(episodes, { firstRow: 0, onProgress: (share) => shares.push(share) });
      const { actions, observations, rewards } = episodes.outcome();
      expect(shares).toEqual([0.25, 0.5, 0.75, 1]);
      for (const [row, { context }] of log.entries()) {
        const query = context.split('?\n')[1]!.split('\n');
        expect(query).toHaveLength(4);
        query.forEach((line, t) => {
          const [o, a, r] = line.split(',');
          expect(o).toBe(observations[row * 4 + t]! < 0 ? 'xx' : String(observations[row * 4 + t]).padStart(2, '0'));
          expect(actions[row * 4 + t]).toBe((row + t) % 3);
          if (t < 3) expect([a, r]).toEqual([String(actions[row * 4 + t]), regime === 'mdp' ? String(Math.round(rewards[row * 4 + t]! * 10) + 20).padStart(2, '0') : 'xx']);
          else expect(a).toBe('');
        });
      }
      const late = new Prompts(episodes, tokenizer);
      expect(() => late.open(episodes)).toThrow(/reset first/);
    }
  });

  it('draws the same however the rows are cut, and otherwise under another name', async () => {
    const tokenizer = compactTokenizer([defaultTemplate('energy', 'mdp')]);
    const actions = async (firstTask: number, tasks: number, seed: string) => {
      const episodes = await createEpisodes({ ...spec('mdp'), tasks, firstTask });
      const model = new LanguageModel(decider([], () => '', () => [-1, -1, -1]), tokenizer, { decision: 'sample', temperature: 1, seed });
      // The log is not kept here, so sessions are counted by nobody.
      Object.assign((model as unknown as { decider: object }).decider, { close: async () => {}, extend: async (sessions: number[]) => sessions.map(() => [-1, -1, -1]) });
      await model.play(episodes, { firstRow: firstTask * 2 });
      return [...episodes.outcome().actions];
    };
    const whole = await actions(0, 3, 'a');
    expect(await actions(1, 2, 'a')).toEqual(whole.slice(8));
    expect(await actions(0, 3, 'b')).not.toEqual(whole);
    expect(new Set(whole).size).toBe(3);
  });
});
