// Recorded decisions from the library: read, fitted, followed, estimated.
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  Model, Trajectories, firstBeliefs, fitLogs, followPolicy, importArrays, importLogs, inferLogs, logsReport, logsSource, offPolicy, solve, solveSync, splitLogs, type LogsSchema, type PomdpFitReport,
} from '../src/index.js';
import { sha256 } from '../src/files.js';
import { countLogs } from '../src/logs/counts.js';
import { logsPage } from '../src/logs/page.js';
import { refusal } from './refusal.js';
import { SCHEMA, patients } from './records.js';
import { scratch } from './support.js';

function written(text: string, name = 'records.csv'): string {
  const path = join(scratch(), name);
  writeFileSync(path, text);
  return path;
}

const read = (settings: Parameters<typeof patients>[0], schema: LogsSchema = SCHEMA) => importLogs(written(patients(settings)), schema);

/** Everything that trajectories hold. */
const whole = (trajectories: Trajectories) => ({ symbols: trajectories.observations, choices: trajectories.actions, ...trajectories.columns() });

describe('importLogs', () => {
  it('reads every row, and says which file it was', async () => {
    const text = patients({ episodes: 20, visits: 3 });
    const trajectories = await importLogs(written(text), SCHEMA);
    expect([trajectories.episodes, trajectories.steps, trajectories.longest]).toEqual([20, 60, 3]);
    expect([trajectories.observations, trajectories.actions]).toEqual([['ill', 'well'], ['treat', 'wait']]);
    expect(logsSource(trajectories)).toEqual({ file: 'records.csv', sha256: sha256(text), schema: SCHEMA });
    const rows = text.trim().split('\n').slice(1).map((line) => line.split(','));
    const { observations, actions, rewards, propensities } = trajectories.columns();
    expect([...observations].map((seen) => trajectories.observations[seen])).toEqual(rows.map(([, , severity]) => severity));
    expect([...actions].map((taken) => trajectories.actions[taken])).toEqual(rows.map((row) => row[3]));
    expect([...rewards]).toEqual(rows.map((row) => Number(row[4])));
    expect([...propensities!]).toEqual(rows.map((row) => Number(row[5])));
  });

  it('lists all faults with their lines', async () => {
    const lines = patients({ episodes: 4, visits: 2 }).split('\n');
    lines[2] = lines[2]!.replace(/,[-.\d]+,[.\d]+$/, ',much,0.5');
    lines[5] = lines[5]!.replace(/,[.\d]+$/, ',7');
    const found = await refusal(() => importLogs(written(lines.join('\n')), SCHEMA));
    expect(found.code).toBe('INVALID_LOGS');
    expect(found.message).toMatch(/line 3: .*much[^]*line 6: .*propensity is 7/);
  });

  it('tells how far it is, and stops when asked', async () => {
    const path = written(patients({ episodes: 20_000 }));
    const told: number[] = [];
    await importLogs(path, SCHEMA, { onProgress: ({ done, total }) => told.push(done / total) });
    expect(told.at(-1)).toBe(1);
    await expect(importLogs(path, SCHEMA, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const controller = new AbortController();
    await expect(importLogs(path, SCHEMA, { signal: controller.signal, onProgress: () => controller.abort(new Error('later')) })).rejects.toThrow('later');
  });

  it('gives the same whatever the number of threads', async () => {
    const path = written(patients({ episodes: 3000 }));
    const [one, two] = await Promise.all([1, 2].map((threads) => importLogs(path, SCHEMA, { threads })));
    expect(whole(one!)).toEqual(whole(two!));
  });
});

/** Episodes of rows, as they might be written. */
const episodes = fc.array(
  fc.array(fc.record({ seen: fc.constantFrom('low', 'high', 'a b', '7'), level: fc.integer({ min: -50, max: 50 }), done: fc.constantFrom('x', 'y', 'z'), earned: fc.integer({ min: -8, max: 8 }).map((n) => n / 4) }), { minLength: 1, maxLength: 5 }),
  { minLength: 1, maxLength: 12 },
);

describe('importArrays', () => {
  it('gives what a file of the same rows gives', async () => {
    const schema: LogsSchema = { episode: 'e', observations: ['seen', { column: 'level', edges: [-10, 0, 25] }], action: { column: 'done', names: ['x', 'y', 'z'] }, reward: 'earned' };
    await fc.assert(fc.asyncProperty(episodes, async (all) => {
      const rows = all.flatMap((steps, e) => steps.map((step) => ({ e, ...step })));
      const csv = `e,seen,level,done,earned\n${rows.map(({ e, seen, level, done, earned }) => [e, seen, level, done, earned].join(',')).join('\n')}\n`;
      const fromFile = await importLogs(written(csv), schema);
      const column = <K extends keyof (typeof rows)[0]>(key: K) => rows.map((row) => row[key]);
      const fromArrays = importArrays({ e: column('e'), seen: column('seen'), level: Float64Array.from(column('level')), done: column('done'), earned: column('earned') }, schema);
      expect(whole(fromArrays)).toEqual(whole(fromFile));
      expect(logsReport(fromArrays)).toEqual(logsReport(fromFile));
      expect(logsSource(fromArrays)).toBeNull();
    }), { numRuns: 60 });
  });

  it('takes null for what is missing', () => {
    const trajectories = importArrays({ e: ['a', 'a', 'b'], o: ['x', null, 'y'], u: ['go', 'go', 'stay'], r: [1, 2, 3] }, { episode: 'e', observations: [{ column: 'o', whenMissing: 'previous' }], action: 'u', reward: 'r' });
    expect([...trajectories.columns().observations]).toEqual([0, 0, 1]);
  });
});

describe('trajectories', () => {
  it('are the same after they were saved and loaded', async () => {
    const trajectories = await read({ episodes: 30 });
    const path = join(scratch(), 'a.parquet');
    trajectories.save(path);
    const loaded = Trajectories.load(path);
    expect(whole(loaded)).toEqual(whole(trajectories));
    expect(logsSource(loaded)).toEqual(logsSource(trajectories));
    expect(logsReport(loaded)).toEqual(logsReport(trajectories));
  });

  it('are selected by episode, in any order', async () => {
    const trajectories = await read({ episodes: 9, visits: 4 });
    fc.assert(fc.property(fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 20 }), (chosen) => {
      const some = trajectories.select(Uint32Array.from(chosen));
      const [all, part] = [trajectories.columns(), some.columns()];
      expect(some.episodes).toBe(chosen.length);
      expect([...part.rewards]).toEqual(chosen.flatMap((episode) => [...all.rewards.subarray(all.offsets[episode], all.offsets[episode + 1])]));
    }));
    expect(() => trajectories.select(Uint32Array.of(9))).toThrow();
  });

  it('are refused where the file is no such one', () => {
    expect(() => Trajectories.load(written('a,b\n1,2\n'))).toThrow(expect.objectContaining({ code: 'INVALID_LOGS' }));
  });
});

describe('splitLogs', () => {
  it('puts every episode on one side, the same ones for the same seed', async () => {
    const trajectories = await read({ episodes: 40, visits: 2 });
    const rows = (part: Trajectories) => { const { observations, rewards, offsets } = part.columns(); return Array.from({ length: part.episodes }, (_, e) => [...observations.slice(offsets[e], offsets[e + 1]), ...rewards.slice(offsets[e], offsets[e + 1])].join()); };
    fc.assert(fc.property(fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.nat({ max: 1000 }), (share, seed) => {
      const { train, test } = splitLogs(trajectories, { share, seed });
      expect(test.episodes).toBe(Math.round(40 * share));
      expect([...rows(train), ...rows(test)].toSorted()).toEqual(rows(trajectories).toSorted());
      expect(whole(splitLogs(trajectories, { share, seed }).test)).toEqual(whole(test));
    }), { numRuns: 30 });
    expect(whole(splitLogs(trajectories, { seed: 1 }).test)).not.toEqual(whole(splitLogs(trajectories, { seed: 2 }).test));
  });

  it.each([0, 1, -1, Number.NaN])('refuses a share of %s', async (share) => {
    const trajectories = await read({ episodes: 4 });
    expect(() => splitLogs(trajectories, { share })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('what records are like', () => {
  it('is counted', async () => {
    const trajectories = await read({ episodes: 200, gap: true });
    const report = logsReport(trajectories);
    expect(report).toMatchObject({ episodes: 200, steps: 1000, propensities: true, lengths: { least: 5, median: 5, mean: 5, most: 5 }, coverage: { seen: 3, possible: 4, absent: [['ill', 'wait']] } });
    const { pairs, lengths, returns } = countLogs(trajectories);
    const [ill, well] = [0, 1].map((seen) => [pairs[2 * seen]!, pairs[2 * seen + 1]!]);
    expect(ill![1]).toBe(0);
    expect([ill![0]! + well![0]!, ill![1]! + well![1]!]).toEqual(report.actions.map(({ count }) => count));
    expect(lengths).toEqual(Array.from({ length: 200 }, () => 5));
    expect(returns.reduce((a, b) => a + b, 0) / 200).toBeCloseTo(report.returns[1], 12);
  });

  it('is a page that stands alone', async () => {
    const page = await logsPage('<records>', await read({ episodes: 40, gap: true }));
    expect(page).toContain('3 of 4 pairs of observation and action occur');
    expect(page).toContain('&lt;records&gt;');
    expect(page).not.toMatch(/<script|<link rel="stylesheet"|NaN|undefined/);
    expect(page.match(/<svg role="img"/g)).toHaveLength(3);
  });

  it('is proposed as a schema that reads the file', async () => {
    const path = written(patients({ episodes: 30 }));
    const { schema, columns, notes } = inferLogs(path);
    expect(schema).toEqual({ schema: 'tiresias.logs/1', ...SCHEMA });
    expect(columns.map(({ role }) => role)).toEqual(['episode', 'step', 'observation', 'action', 'reward', 'propensity']);
    expect(notes).toEqual([]);
    expect((await importLogs(path, schema!)).episodes).toBe(30);
    expect(inferLogs(written('a,b\n1,2\n')).schema).toBeNull();
  });
});

describe('fitLogs', () => {
  it('counts an MDP', async () => {
    // Weight 0 leaves shares: from ill under treatment, two of three stay.
    const text = 'p,o,a,r\n1,ill,treat,0\n1,ill,treat,0\n1,ill,treat,1\n1,well,treat,1\n';
    const trajectories = await importLogs(written(text), { episode: 'p', observations: ['o'], action: 'a', reward: 'r' });
    const { model, report, members, ambiguous } = await fitLogs(trajectories, { kind: 'mdp', weight: 0, horizon: 4 });
    expect(report).toMatchObject({ kind: 'mdp', episodes: 1, steps: 4, transitions: 3, uncovered: 0, heldOut: null });
    const { transition } = JSON.parse(model.toJson()).dynamics[0] as { transition: number[][][] };
    expect(JSON.stringify(transition)).toContain(String(2 / 3));
    expect([members, ambiguous]).toEqual([[], undefined]);
  });

  it('puts a set or a cloud around it, which is worth no more', { timeout: 60_000 }, async () => {
    const trajectories = await read({ episodes: 200 });
    const { model } = await fitLogs(trajectories, { kind: 'mdp', horizon: 5 });
    const value = solveSync(model).lower;
    for (const [ambiguity, members] of [['l1', 0], ['interval', 0], ['posterior', 4], ['bootstrap', 4]] as const) {
      const fitted = await fitLogs(trajectories, { kind: 'mdp', horizon: 5, ambiguity, ...(members > 0 && { models: members }) });
      expect(fitted.model.sha256()).toBe(model.sha256());
      expect(fitted.members).toHaveLength(members);
      if (members === 0) expect(solveSync(fitted.ambiguous!).upper).toBeLessThan(value);
    }
  });

  it('keeps policies from what nobody tried, where asked', async () => {
    const trajectories = await read({ episodes: 200, gap: true });
    const rewards = async (unseenReward?: 'mean' | 'least') => {
      const { model, members } = await fitLogs(trajectories, { kind: 'mdp', horizon: 5, ambiguity: 'posterior', models: 2, ...(unseenReward && { unseenReward }) });
      return [model, ...members].map((one) => (JSON.parse(one.toJson()) as { reward: { state_action: number[][] } }).reward.state_action);
    };
    // By action and state: treat and wait, ill and well.
    const [mean, least] = [await rewards(), await rewards('least')];
    expect(await rewards('mean')).toEqual(mean);
    expect(mean[0]![1]![0]).toBeGreaterThan(-1.25);
    for (const [i, one] of least.entries()) {
      expect(one[1]![0]).toBe(-1.25);
      expect([one[0], one[1]![1]]).toEqual([mean[i]![0], mean[i]![1]![1]]);
    }
  });

  it('finds hidden states, and the same ones for the same seed', { timeout: 60_000 }, async () => {
    const trajectories = await read({ episodes: 100 });
    const fit = () => fitLogs(trajectories, { kind: 'pomdp', states: 2, horizon: 5, starts: 2, seed: 3 });
    const [one, two] = [await fit(), await fit()];
    expect(one.model.toJson()).toBe(two.model.toJson());
    const report = one.report as PomdpFitReport;
    expect(report.firstSymbols.map(({ symbol }) => symbol).toSorted()).toEqual(['ill', 'well']);
    const first = firstBeliefs(report, trajectories, one.model);
    expect(first).toHaveLength(2 * one.model.states);
    const solution = await solve(one.model, { gap: 0.05 });
    expect(followPolicy(trajectories, solution, { first })).toHaveLength(trajectories.steps * 2);
  });

  it('tells how far it is, and stops when asked', async () => {
    const trajectories = await read({ episodes: 200 });
    const phases = new Set<string>();
    await fitLogs(trajectories, { kind: 'pomdp', starts: 4, onProgress: ({ phase }) => phases.add(phase) });
    expect([...phases]).toContain('try');
    const controller = new AbortController();
    await expect(fitLogs(trajectories, { kind: 'pomdp', starts: 50, signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('offPolicy', () => {
  /** The recorded probabilities themselves. */
  function behaviour(trajectories: Trajectories): Float64Array {
    const { actions, propensities } = trajectories.columns();
    return Float64Array.from([...actions].flatMap((action, step) => (action === 0 ? [propensities![step]!, 1 - propensities![step]!] : [1 - propensities![step]!, propensities![step]!])));
  }

  it('of what was done is the mean of what was earned, by every weighted estimate', async () => {
    const trajectories = await read({ episodes: 60 });
    const [, mean] = logsReport(trajectories).returns;
    const { estimates, effective } = await offPolicy(trajectories, behaviour(trajectories));
    expect(effective).toBeCloseTo(60, 4);
    for (const { estimator, value } of estimates) if (['on-policy', 'is', 'wis', 'pdis', 'wpdis'].includes(estimator)) expect(value, estimator).toBeCloseTo(mean, 5);
    for (const { estimator, value, interval } of estimates) {
      expect(Math.abs(value! - mean), estimator).toBeLessThan(1);
      expect(interval![0], estimator).toBeLessThan(interval![1]);
    }
  });

  it('of a solved policy is what its model says, where the model says nothing but what the records do', async () => {
    const trajectories = await read({ episodes: 800 });
    const { model } = await fitLogs(trajectories, { kind: 'mdp', horizon: 5 });
    const solution = solveSync(model);
    const { estimates } = await offPolicy(trajectories, solution, { fit: 'staged' });
    const fqe = estimates.find(({ estimator }) => estimator === 'fqe')!;
    // Observations are the states, and both count the same records; the model counts all stages together.
    expect(Math.abs(fqe.value! - solution.lower)).toBeLessThan(0.15);
  });

  it('is refused where nobody did what the policy does, and says where', async () => {
    const trajectories = await read({ episodes: 100, gap: true });
    const wait = new Float32Array(2 * trajectories.steps).map((_, i) => i % 2);
    const { estimates, unsupportedProbability } = await offPolicy(trajectories, wait, { behaviour: 'estimated' });
    const { refused } = estimates.find(({ estimator }) => estimator === 'is')!;
    expect(refused).toMatchObject({ kind: 'support', gaps: [{ observation: 'ill', action: 'wait', probability: 1 }] });
    // The first line of an episode that has an ill patient: those of a header and five visits each.
    for (const line of refused!.gaps[0]!.first) expect((line - 2) % 5).toBe(0);
    expect(unsupportedProbability).toBeGreaterThan(0);
  });

  it('stops when asked', async () => {
    const trajectories = await read({ episodes: 60 });
    await expect(offPolicy(trajectories, behaviour(trajectories), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('what makes no sense', () => {
  const no = null as never;
  it.each<[string, (trajectories: Trajectories) => unknown, RegExp]>([
    ['no schema', () => importLogs('x.csv', no), /the schema is an object/],
    ['an unknown option of importLogs', () => importLogs('x.csv', SCHEMA, { thread: 1 } as never), /did you mean threads/],
    ['a column that is not there', () => importLogs(written('a,b\n1,2\n'), SCHEMA), /patient/],
    ['an unknown field of the schema', () => importLogs(written('a,b\n1,2\n'), { ...SCHEMA, epsode: 'x' } as never), /epsode/],
    ['no columns', () => importArrays(no, SCHEMA), /columns are an object/],
    ['columns of two lengths', () => importArrays({ patient: ['a'], visit: [0, 1], severity: ['ill'], action: ['wait'], reward: [0], propensity: [1] }, SCHEMA), /visit|length|rows/],
    ['an unknown format', () => inferLogs('x', { format: 'xlsx' as never }), /format/],
    ['no trajectories for a report', () => logsReport(no), /Trajectories/],
    ['no trajectories for a source', () => logsSource(no), /Trajectories/],
    ['no trajectories for a split', () => splitLogs(no), /Trajectories/],
    ['no kind of fit', (trajectories) => fitLogs(trajectories, {} as never), /kind is mdp or pomdp/],
    ['no trajectories for a fit', () => fitLogs(no, { kind: 'mdp' }), /Trajectories/],
    ['states that are no range', (trajectories) => fitLogs(trajectories, { kind: 'pomdp', states: [1, 2, 3] as never }), /states is a number or a pair/],
    ['sets around a POMDP', (trajectories) => fitLogs(trajectories, { kind: 'pomdp', ambiguity: 'l1' }), /states are hidden/],
    ['unseen pairs of hidden states', (trajectories) => fitLogs(trajectories, { kind: 'pomdp', unseenReward: 'least' }), /unseenReward is for an MDP/],
    ['a discount of 1 without an end', (trajectories) => fitLogs(trajectories, { kind: 'mdp', discount: 1 }), /discount/],
    ['no solution to follow', (trajectories) => followPolicy(trajectories, no), /Solution/],
    ['a policy of another model', (trajectories) => followPolicy(trajectories, solveSync(Model.fromFile('examples/tiger.json').model, { gap: 10 })), /does not fit the log/],
    ['a target of another length', (trajectories) => offPolicy(trajectories, new Float32Array(3)), /3 elements/],
    ['probabilities that do not sum to 1', (trajectories) => offPolicy(trajectories, new Float32Array(2 * trajectories.steps)), /sum|probabilit/],
    ['an unknown estimator option', (trajectories) => offPolicy(trajectories, new Float32Array(2 * trajectories.steps), { discout: 1 } as never), /did you mean discount/],
    ['a report that is no fit of a POMDP', (trajectories) => firstBeliefs({ kind: 'mdp' } as never, trajectories, Model.fromFile('examples/tiger.json').model), /fit of a POMDP/],
    ['beliefs of another model', (trajectories) => firstBeliefs({ kind: 'pomdp', firstSymbols: [{ symbol: 'ill', episodes: 1, belief: [1] }] } as never, trajectories, Model.fromFile('examples/tiger.json').model), /another model/],
  ])('%s is refused', async (_, call, message) => {
    const trajectories = await read({ episodes: 4 });
    const { code, message: said } = await refusal(() => call(trajectories));
    expect(['INVALID_ARGUMENT', 'INVALID_MODEL']).toContain(code);
    expect(said).toMatch(message);
  });
});
