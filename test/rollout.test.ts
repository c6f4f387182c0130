// Recorded episodes: columns, policies from outside, giving up, and what a call refuses.
import { describe, expect, it } from 'vitest';
import { BeliefTracker, Environments, Model, drawTask, makeShard, rollout, rolloutSync, solve, solveSync, type Column, type PolicyBatch, type Solution, type StageProgress } from '../src/index.js';
import { digest } from './random-models.js';

const energy = (regime: 'mdp' | 'pomdp' | 'apomdp', horizon = 5, index = 3) => drawTask('energy', { split: 'test', index, seed: 1, regime, horizon }).model;
const ALL = ['states', 'observations', 'actions', 'rewards', 'beliefs'] as const;

describe.each(['mdp', 'pomdp'] as const)('the record of a rollout of a %s', (regime) => {
  const model = energy(regime);
  const options = { behaviour: 'random', episodes: 500, seed: 4 } as const;
  const whole = rolloutSync(model, { ...options, record: ALL });

  it.each<Column[]>([[], ['rewards'], ['states', 'beliefs'], ['observations'], ['actions', 'observations']])('has the columns that were asked for, and no others', (...record) => {
    const some = rolloutSync(model, { ...options, record });
    expect(Object.keys(some).filter((name) => (ALL as readonly string[]).includes(name)).toSorted()).toEqual(record.toSorted());
    expect(some.returns).toEqual(whole.returns);
    for (const column of record) expect(some[column]).toEqual(whole[column]);
  });

  it('adds up to the returns', () => {
    for (let e = 0; e < 500; e++) {
      let total = 0;
      for (let t = 0; t < 5; t++) total += model.discount ** t * whole.rewards[e * 5 + t]!;
      expect(whole.returns[e]).toBeCloseTo(total, 10);
    }
  });

  it('is the same wherever it begins', () => {
    const later = rolloutSync(model, { ...options, firstEpisode: 123, episodes: 100 });
    expect(later.states).toEqual(whole.states.subarray(123 * 5, 223 * 5));
    expect(later.rewards).toEqual(whole.rewards.subarray(123 * 5, 223 * 5));
  });

  it('is the same in pieces, on any number of threads, at any SIMD level', async () => {
    const many = { behaviour: 'random', episodes: 150_000, seed: 4, record: ['states', 'rewards', 'observations', 'actions'] } as const;
    const once = rolloutSync(model, { ...many, threads: 1 });
    const reports: StageProgress[] = [];
    const pieces = await rollout(model, { ...many, threads: 2, level: 'baseline', onProgress: (report) => reports.push(report) });
    const digests = ({ returns, states, rewards, observations, actions }: typeof once) => digest(returns, states, rewards, observations, actions);
    expect(digests(pieces)).toEqual(digests(once));
    expect(reports.length).toBeGreaterThan(0);
    reports.forEach(({ done, total }, i) => {
      expect(total).toBe(150_000);
      expect(done).toBeGreaterThan(i === 0 ? 0 : reports[i - 1]!.done);
    });
  });
});

/** What the oracle does, decision-maker by decision-maker. */
function oracle(model: Model, solution: Solution, horizon: number) {
  return ({ stage, observations, beliefs, episodes }: PolicyBatch): Uint8Array => {
    expect(stage).toBeLessThan(horizon);
    return Uint8Array.from({ length: episodes }, (_, e) => {
      const belief = beliefs?.subarray(e * model.states, (e + 1) * model.states);
      return solution.action(stage, belief ?? Float64Array.from({ length: model.states }, (__, s) => Number(s === observations[e])));
    });
  };
}

describe('a policy from outside', () => {
  it.each([
    ['mdp', 'fixed:0', false],
    ['mdp', 'fixed:0', true],
    ['pomdp', 'fixed:0', true],
    ['apomdp', 'fixed:2', true],
    ['apomdp', 'resampled', true],
  ] as const)('that acts as the oracle gives the oracle’s rollout, bit for bit: %s under nature %s, beliefs %s', async (regime, nature, beliefs) => {
    const model = energy(regime);
    const solution = solveSync(model, { gap: 0.05 });
    const options = { episodes: 300, seed: 8, nature, beliefs, firstEpisode: 5 };
    const expected = rolloutSync(model, { ...options, behaviour: 'oracle' }, solution);
    const policy = oracle(model, solution, 5);
    expect(rolloutSync(model, { ...options, policy }, solution)).toEqual(expected);
    expect(await rollout(model, { ...options, policy: async (batch) => policy(batch) }, solution)).toEqual(expected);
  });

  it('is called once a stage, with what it may see', async () => {
    const model = energy('pomdp');
    const expected = rolloutSync(model, { behaviour: 'random', episodes: 100, seed: 1, record: ALL });
    const stages: number[] = [];
    const policy = (batch: PolicyBatch) => {
      stages.push(batch.stage);
      expect(Object.keys(batch)).not.toContain('states');
      expect(batch.beliefs).toBeUndefined();
      expect([...batch.observations]).toEqual(Array.from({ length: 100 }, (_, e) => expected.observations[e * 5 + batch.stage]!));
      return Array.from({ length: 100 }, (_, e) => expected.actions[e * 5 + batch.stage]!);
    };
    const reports: number[] = [];
    const { returns, ...rest } = await rollout(model, { policy, episodes: 100, seed: 1, record: [], onProgress: ({ done }) => reports.push(done) });
    expect(returns).toEqual(expected.returns);
    expect(rest).toEqual({ episodes: 100, horizon: 5 });
    expect(stages).toEqual([0, 1, 2, 3, 4]);
    expect(reports).toEqual([1, 2, 3, 4, 5]);
  });

  it.each<[string, (batch: PolicyBatch) => unknown, RegExp]>([
    ['too few actions', () => new Uint8Array(9), /actions: 9 elements where 10/],
    ['an action that does not exist', () => new Uint8Array(10).fill(3, 4, 5), /action 3 of lane 4/],
    ['nothing', () => undefined, /actions: expected a Uint8Array.*undefined/],
  ])('may not return %s', async (_, policy, message) => {
    const options = { policy: policy as never, episodes: 10, seed: 1 };
    const error = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) });
    expect(() => rolloutSync(energy('mdp'), options)).toThrow(error);
    await expect(rollout(energy('mdp'), options)).rejects.toEqual(error);
  });

  it('may throw', async () => {
    const error = new Error('no idea');
    const policy = () => {
      throw error;
    };
    expect(() => rolloutSync(energy('mdp'), { policy, episodes: 1, seed: 1 })).toThrow(error);
    await expect(rollout(energy('mdp'), { policy, episodes: 1, seed: 1 })).rejects.toBe(error);
  });
});

describe('a rollout that is given up', () => {
  it.each([['mdp', 40_000_000], ['pomdp', 4_000_000]] as const)('stops soon and rejects with the reason: %s', async (regime, episodes) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const reports: number[] = [];
    const onProgress = ({ done }: StageProgress) => {
      reports.push(done);
      controller.abort(reason);
    };
    const options = { behaviour: 'random', episodes, seed: 1, record: [], signal: controller.signal, onProgress } as const;
    await expect(rollout(energy(regime, 50), options)).rejects.toBe(reason);
    expect(reports.length).toBeGreaterThan(0);
    expect(Math.max(...reports)).toBeLessThan(episodes);
  });

  it('stops between the stages of a policy from outside', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let calls = 0;
    const policy = ({ episodes }: PolicyBatch) => {
      if (++calls === 2) setImmediate(() => controller.abort(reason));
      return new Uint8Array(episodes);
    };
    await expect(rollout(energy('mdp', 1000), { policy, episodes: 2, seed: 1, signal: controller.signal })).rejects.toBe(reason);
    expect(calls).toBeLessThan(10);
  });

  it('is one whose progress callback threw', async () => {
    const error = new Error('cannot draw');
    const onProgress = () => {
      throw error;
    };
    const random = { behaviour: 'random', episodes: 40_000_000, seed: 1, record: [] } as const;
    await expect(rollout(energy('mdp', 50), { ...random, onProgress })).rejects.toBe(error);
    await expect(rollout(energy('mdp'), { policy: () => [0], episodes: 1, seed: 1, onProgress })).rejects.toBe(error);
    await expect(solve(energy('apomdp', 40), { gap: 1e-9, timeSeconds: 60, onProgress })).rejects.toBe(error);
  });
});

describe('a solution', () => {
  const model = energy('pomdp');
  const other = solveSync(energy('pomdp', 5, 4), { gap: 0.1 });
  const random = { behaviour: 'random', episodes: 1, seed: 0 } as const;
  const refused = expect.objectContaining({ name: 'TiresiasError', code: 'INVALID_POLICY', message: expect.stringMatching(/solution is of model [0-9a-f]+…, not of/) });

  it('of another model of the same shape is refused', async () => {
    expect(other.action(0, model.start())).toBeGreaterThanOrEqual(0);
    expect(() => rolloutSync(model, { ...random, behaviour: 'oracle' }, other)).toThrow(refused);
    expect(() => rolloutSync(model, { ...random, policy: () => [0], behaviour: undefined }, other)).toThrow(refused);
    await expect(rollout(model, random, other)).rejects.toEqual(refused);
    expect(() => new BeliefTracker(model, other)).toThrow(refused);
    expect(() => new Environments(model, { count: 1, seed: 0 }, other)).toThrow(refused);
  });

  it('of another ambiguity attitude is refused', () => {
    const apomdp = energy('apomdp');
    expect(() => new BeliefTracker(apomdp, solveSync(apomdp, { alpha: 0.5, gap: 0.5 }))).toThrow(refused);
  });

  it('of the same model is taken: read anew, or over another horizon, but not beyond it', () => {
    const oracle = { ...random, behaviour: 'oracle' } as const;
    const solution = solveSync(model, { gap: 0.1 });
    const again = Model.fromJson(model.toJson());
    expect(rolloutSync(again, oracle, solution)).toEqual(rolloutSync(model, oracle, solution));
    const longer = solveSync(model, { horizon: 7, gap: 0.1 });
    expect(rolloutSync(model, { ...oracle, horizon: 7 }, longer).actions).toHaveLength(7);
    expect(() => rolloutSync(model, { ...oracle, horizon: 8 }, longer)).toThrow(/horizon 8 is longer than the solution's 7/);
    const shorter = solveSync(model, { horizon: 3, gap: 0.1 });
    expect(() => rolloutSync(model, oracle, shorter)).toThrow(/horizon 5 is longer than the solution's 3/);
  });
});

describe('calls refuse', () => {
  const model = energy('mdp');
  const random = { behaviour: 'random', episodes: 1, seed: 0 } as const;
  it.each<[string, () => unknown, RegExp]>([
    ['a misspelt option of solveSync', () => solveSync(model, { thread: 2 } as never), /^solveSync: unknown option "thread"; did you mean threads\?$/],
    ['an option in another case', () => solveSync(model, { timeseconds: 2 } as never), /did you mean timeSeconds\?/],
    ['an option like no other', () => solveSync(model, { verbose: true } as never), /unknown option "verbose"; it takes gap, timeSeconds, /],
    ['a misspelt option of rolloutSync', () => rolloutSync(model, { ...random, behavior: 'oracle' } as never), /did you mean behaviour\?/],
    ['a signal where nothing can be stopped', () => rolloutSync(model, { ...random, signal: AbortSignal.abort() } as never), /unknown option "signal"/],
    ['a misspelt request of a task', () => drawTask('energy', { index: 0, horison: 3 } as never), /^drawTask: unknown option "horison"; did you mean horizon\?$/],
    ['an unknown regime', () => drawTask('energy', { index: 0, regime: 'pompd' as never }), /regime is mdp or pomdp or apomdp, not "pompd"/],
    ['a number as text', () => solveSync(model, { gap: '0.1' } as never), /option gap is a number, not "0.1"/],
    ['null for an option', () => solveSync(model, { gap: null } as never), /option gap is a number, not null/],
    ['no options', () => rolloutSync(model, undefined as never), /options are an object, not undefined/],
    ['a model’s JSON for the model', () => solveSync(model.toJson() as never), /the model is a Model .* not "/],
    ['options for the solution', () => rolloutSync(model, random, {} as never), /the solution is a Solution .* not a Object/],
    ['nobody who acts', () => rolloutSync(model, { episodes: 1, seed: 0 }), /exactly one of the options behaviour and policy/],
    ['two who act', () => rolloutSync(model, { ...random, policy: () => [0] }), /exactly one of the options behaviour and policy/],
    ['a column that does not exist', () => rolloutSync(model, { ...random, record: ['reward'] as never }), /"reward" is not a column/],
    ['a level that does not exist', () => rolloutSync(model, { ...random, level: 'sse' as never }), /level is baseline or avx2 or avx512/],
    ['a place in the stream that is none', () => rolloutSync(model, { ...random, firstEpisode: -1 }), /firstEpisode -1/],
    ['more than memory holds', () => rolloutSync(model, { policy: () => [0], episodes: 1e9, seed: 0 }), /^1000000000 episodes .* would take at least .* of memory; roll out fewer/],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(expect.objectContaining({ name: 'TiresiasError', code: 'INVALID_ARGUMENT', exitCode: 2, message: expect.stringMatching(message) }));
  });

  it('the same asynchronously, as rejections', async () => {
    const refused = { name: 'TiresiasError', code: 'INVALID_ARGUMENT' };
    await expect(solve(model, { signl: undefined } as never)).rejects.toMatchObject(refused);
    await expect(solve(model, { onProgress: 3 } as never)).rejects.toMatchObject(refused);
    await expect(rollout(model, { ...random, onprogress: () => {} } as never)).rejects.toMatchObject({ ...refused, details: { option: 'onprogress', nearest: 'onProgress' } });
    await expect(rollout(model, { ...random, signal: 3 } as never)).rejects.toMatchObject(refused);
    await expect(makeShard({} as never, 'smollm2' as never, 'shard')).rejects.toMatchObject({ ...refused, message: expect.stringMatching(/the tokenizer is a Tokenizer .* not "smollm2"/) });
  });
});

describe('rolloutSync into arrays of one’s own', () => {
  const model = drawTask('energy', { index: 3, horizon: 7 }).model;
  const options = { behaviour: 'random', episodes: 300, seed: 5, horizon: 7 } as const;

  it('gives the same numbers in the same arrays', () => {
    for (const record of [undefined, ['actions', 'beliefs'] as const, [] as const]) {
      const fresh = rolloutSync(model, { ...options, firstEpisode: 300, ...(record && { record }) });
      const kept = rolloutSync(model, { ...options, ...(record && { record }) });
      const { returns } = kept;
      const again = rolloutSync(model, { ...options, firstEpisode: 300, into: kept, ...(record && { record }) });
      expect(again).toBe(kept);
      expect(again.returns).toBe(returns);
      expect(again).toEqual(fresh);
    }
  });

  it('refuses arrays of another size, twice the same, or for a policy', () => {
    const into = rolloutSync(model, options);
    const refused = (change: object, message: RegExp) => expect(() => rolloutSync(model, { ...options, into, ...change })).toThrow(message);
    refused({ episodes: 301 }, /into\.returns has 300 elements where 301 are needed/);
    refused({ record: ['states'] }, /into\.observations has 2100 elements where 0 are needed/);
    refused({ into: { ...into, states: undefined } }, /into\.states has 0 elements where 2100/);
    refused({ into: { ...into, observations: new Int32Array(into.states.buffer) } }, /views of the same memory/);
    refused({ behaviour: undefined, policy: () => new Uint8Array(300) }, /goes with a behaviour/);
    refused({ into: 3 }, /option into is an object/);
  });
});
