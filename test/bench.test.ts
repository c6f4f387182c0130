// The bench with real processes: ours, and peers that are small scripts, good ones and bad ones.
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bench } from '../src/bench/bench.js';
import { comparisonOf, contradictionsOf, countsOf, lastPlace, VERDICTS } from '../src/bench/compare.js';
import { descriptionNames, loadDescription, parseDescription, solverSchema } from '../src/bench/description.js';
import { isModel, modelsOf, withDiscount } from '../src/bench/models.js';
import { OutputReader } from '../src/bench/output.js';
import { profileLines, profilesOf } from '../src/bench/profile.js';
import type { BenchRow } from '../src/bench/row.js';
import { OURS, solverNames } from '../src/bench/solvers.js';
import { classicModel, Model } from '../src/index.js';
import { isAlive } from '../src/subprocess.js';
import { contents, root, scratch, setEnv, tiger, tiresias } from './support.js';

/** What peers do, by name; each says first that it was run. Tiger is worth 19.3714. */
const PEERS = `#!/usr/bin/env node
import { appendFileSync } from 'node:fs';
const [kind, model, here] = process.argv.slice(2);
appendFileSync(here + '/runs', kind + ' ' + model + ' ' + process.pid + '\\n');
const forever = () => setInterval(() => {}, 1000);
({
  good: () => console.log('0.01 19 20\\nnothing to read here\\n0.02 19.3711 19.3716'),
  rough: () => console.log('0.01 19 20'),
  silent: () => {},
  crashing: () => { console.log('0.01 19 20'); setTimeout(() => process.kill(process.pid, 'SIGABRT'), 300); },
  killed: () => process.kill(process.pid, 'SIGKILL'),
  failing: () => { console.error('cannot read line 7'); process.exitCode = 3; },
  overrunning: () => { console.log('0.01 19 20'); forever(); },
  hanging: forever,
  wrong: () => console.log('0.01 25 26'),
  done: () => console.log('Solution found\\ntook 0.5 s'),
})[kind]();
`;

/** Descriptions of peers of these kinds in a folder, and how often each was run. */
function peers(...kinds: string[]): { paths: string[]; folder: string; runs: () => string[] } {
  const folder = scratch();
  writeFileSync(join(folder, 'peer.mjs'), PEERS, { mode: 0o755 });
  const paths = kinds.map((kind) => {
    const path = join(folder, `${kind}.json`);
    writeFileSync(path, JSON.stringify(described({ name: kind, label: `Peer ${kind}`, ...(kind === 'done' && { solved: 'Solution found', bounds: 'none', parser: ['^took (?<seconds>\\S+) s'] }) })));
    return path;
  });
  return { paths, folder, runs: () => (existsSync(join(folder, 'runs')) ? readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n') : []) };
}

const described = (change: object = {}) => ({
  schema: 'tiresias.solver/1', name: 'peer', label: 'Peer', program: { name: './peer.mjs' }, reads: ['.pomdp'], command: ['{program}', 'peer', '{model}', '{here}'],
  patience: { seconds: 30 }, parser: ['^(?<seconds>\\S+) (?<lower>[-\\d.]+) (?<upper>[-\\d.]+)$'], ...change, ...('name' in change && { command: ['{program}', (change as { name: string }).name, '{model}', '{here}'] }),
});

/** A folder of as many models: tigers with different ears. */
function tigers(count: number): string {
  const folder = scratch();
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `tiger-${i}.pomdp`), tiger(0.85, -100 - i));
  return folder;
}

const row = (change: Partial<BenchRow>): BenchRow => ({
  model: 'm', by: 'a', time: 1, threads: 1, outcome: 'open', lower: 0, upper: 1, gap: 1, seconds: 1, best: [0, 1], trace: [], notes: [], wallSeconds: 1, pinnedTo: '0', load: 0, date: '', key: 'k', ...change,
});

describe('a description of a solver', () => {
  it.each<[string, object, RegExp]>([
    ['a place that there is not', { command: ['{program}', '{file}'] }, /\{file\} is none of \{program\}/],
    ['a parser that is no regular expression', { parser: ['(?<lower>'] }, /not a regular expression/],
    ['a parser without a known group', { parser: ['(?<lower>.) (?<upper>.)', '(?<low>.)'] }, /names none of the groups/],
    ['bounds that nothing reads', { parser: ['(?<lower>.)'] }, /"bounds": "none"/],
    ['nothing to read', { parser: [], bounds: 'none' }, /nothing would be read/],
    ['a suffix without a dot', { reads: ['pomdp'] }, /expected a suffix/],
    ['a field that is not known', { binary: 'x' }, /binary/],
  ])('with %s is refused by name', (_, change, message) => {
    expect(() => parseDescription({ ...described(), ...change })).toThrow(message);
  });

  it('has a published schema, and those of this package hold by it', async () => {
    expect(JSON.parse(readFileSync(join(root, 'docs', 'solver.schema.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(solverSchema())));
    expect(await descriptionNames()).toEqual(['ai-toolbox', 'pomdp-solve', 'sarsop', 'storm', 'zmdp']);
    for (const name of await descriptionNames()) expect((await loadDescription(name)).description.name).toBe(name);
    expect(await solverNames()).toEqual([...OURS, ...(await descriptionNames())]);
  });

  it.each<[string, string, object]>([
    ['sarsop', ' Time   |#Trial |#Backup |LBound    |UBound    |Precision  |#Alphas |#Beliefs  \n 0       0       0        -20        92.8205    112.82     5        1        \n 0.02    17      104      19.3711    19.3719    0.000841   20       40\n', { lower: 19.3711, upper: 19.3719, gap: 0.000841, seconds: 0.02 }],
    ['zmdp', '00000     12 calls to solver, bounds [ 19.3710 ..  19.3720], regret <= 0.000954\n', { lower: 19.371, upper: 19.372, gap: 0.000954, seconds: 7 }],
    ['storm', 'Result: [0.25, 1e+1] (width=9.75)\n', { lower: 0.25, upper: 10, gap: 9.75, seconds: 7 }],
    ['storm', 'Result till abort: 4.5\n', { lower: 4.5, upper: 4.5, gap: 0, seconds: 7 }],
  ])('of %s reads its output', async (name, output, last) => {
    const { description } = await loadDescription(name);
    const reader = new OutputReader(description, 1e-3);
    for (const line of output.split('\n')) reader.line(line, 7);
    expect(reader.reading.last).toEqual(last);
  });

  it('of pomdp-solve knows when it has solved a model', async () => {
    const reader = new OutputReader((await loadDescription('pomdp-solve')).description, 1e-3);
    reader.line('Solution found.  See file:', 2);
    reader.line('Total execution time = 0 hrs., 0 mins, 1 secs. (= 1.25 secs)', 2);
    expect([reader.reading.solvedAt, reader.reading.last]).toEqual([1.25, undefined]);
  });

  it('says what costs become', () => {
    const reader = new OutputReader(parseDescription(described({ costs: 'kept' })), 1, true);
    reader.line('1 2 5', 1);
    reader.line('2 3.5 4', 1);
    expect(reader.reading).toMatchObject({ last: { lower: -4, upper: -3.5, seconds: 2 }, closedAt: 2, best: { lower: -4, upper: -3.5 }, trace: [[1, -5, -2], [2, -4, -3.5]] });
  });
});

describe('a run', () => {
  it('is a row, however it ends', async () => {
    const { paths } = peers('good', 'rough', 'silent', 'crashing', 'killed', 'failing', 'done');
    const { results } = await bench([join(tigers(1), 'tiger-0.pomdp')], { solvers: paths, times: [1], folder: scratch() });
    expect(Object.fromEntries(results.rows.map(({ by, outcome, lower, reason }) => [by, [outcome, lower, reason]]))).toEqual({
      good: ['closed', 19.3711, undefined],
      rough: ['open', 19, undefined],
      silent: ['none', undefined, 'ended with 0, and printed nothing'],
      crashing: ['open', 19, expect.stringMatching(/^crashed \(SIGABRT\) and last said: 0\.01 19 20/)],
      killed: ['none', undefined, expect.stringMatching(/SIGKILL.*memory.*printed nothing/)],
      failing: ['none', undefined, 'ended with 3 and last said: cannot read line 7'],
      done: ['solved', undefined, undefined],
    });
    expect(results.comparisons.map(({ other, verdict }) => [other, verdict])).toEqual([
      ['rough', 'subjectCloser'], ['silent', 'onlySubject'], ['crashing', 'subjectCloser'], ['killed', 'onlySubject'], ['failing', 'onlySubject'], ['done', 'closedByBoth'],
    ]);
  });

  it('that outlasts its patience is ended, with all that it had', async () => {
    const { paths: [path], runs } = peers('overrunning');
    writeFileSync(path!, JSON.stringify(described({ name: 'overrunning', patience: { seconds: 3 } })));
    const { results: { rows } } = await bench([tigers(1)], { solvers: [path!], times: [0.5], folder: scratch() });
    expect(rows).toMatchObject([{ outcome: 'open', lower: 19, upper: 20, reason: expect.stringMatching(/^overran: interrupted after .* last said: 0\.01 19 20/) }]);
    expect(isAlive(Number(runs()[0]!.split(' ')[2]))).toBe(false);
  });

  it('of ours proves what tiger is worth, beside a peer, and leaves a page', async () => {
    const { paths } = peers('good');
    const folder = scratch();
    const { results, page } = await bench([join(tigers(1), 'tiger-0.pomdp')], { solvers: ['auto', 'estimate', ...paths], times: [10], gap: 1e-3, folder });
    const [ours, , theirs] = results.rows;
    expect(ours).toMatchObject({ by: 'auto', outcome: 'closed' });
    expect(ours!.lower).toBeLessThanOrEqual(19.3714);
    expect(ours!.upper).toBeGreaterThanOrEqual(19.3713);
    expect(ours!.trace.at(-1)!.slice(1)).toEqual([ours!.lower, ours!.upper]);
    expect(theirs!.outcome).toBe('closed');
    expect(results.contradictions).toEqual([]);
    expect(results.comparisons.map(({ other, verdict }) => [other, verdict])).toEqual([['estimate', 'notComparable'], ['good', 'closedByBoth']]);
    expect(results.profiles.map(({ measure, problems, lines }) => [measure, problems, lines.map(({ by }) => by)])).toEqual([['seconds', 1, ['auto', 'good']], ['gap', 1, ['auto', 'good']]]);
    const text = readFileSync(page, 'utf8');
    expect(text.match(/<figure>/g)).toHaveLength(4);
    for (const path of ['results.json', 'table.md', 'figures/profile.png', 'figures/gaps.svg', 'figures/bounds.svg']) {
      expect(text).toContain(`href="${path}"`);
      expect(existsSync(join(folder, path))).toBe(true);
    }
    expect(existsSync(join(folder, 'scratch'))).toBe(false);
  });
});

describe('a bench', () => {
  it('that is stopped goes on where it was: rows as they were, nothing run twice', async () => {
    const { paths, folder: there, runs } = peers('good', 'hanging');
    const models = tigers(2);
    const folder = scratch();
    const controller = new AbortController();
    const timer = setInterval(() => runs().some((run) => run.startsWith('hanging')) && controller.abort(new Error('enough')), 20);
    await expect(bench([models], { solvers: paths, folder, signal: controller.signal })).rejects.toThrow('enough');
    clearInterval(timer);
    expect(readdirSync(join(folder, 'rows'))).toHaveLength(1);
    expect(isAlive(Number(runs()[1]!.split(' ')[2]))).toBe(false);
    const before = contents(join(folder, 'rows'));

    // From now on it does not hang.
    writeFileSync(paths[1]!, JSON.stringify({ ...described({ name: 'rough' }), name: 'hanging' }));
    const { results, taken } = await bench([models], { solvers: paths, folder });
    expect([results.rows.length, taken, results.left]).toEqual([4, 1, 0]);
    expect(contents(join(folder, 'rows'))).toMatchObject(before);
    expect(runs().filter((run) => run.startsWith('good'))).toHaveLength(2);

    const whole = contents(join(folder, 'rows'));
    const again = await bench([models], { solvers: paths, folder });
    expect([again.taken, again.results.rows]).toEqual([4, results.rows]);
    expect(contents(join(folder, 'rows'))).toEqual(whole);
    expect(runs()).toHaveLength(5);

    // A row that was changed is no row, and another program is another solver.
    const [first] = readdirSync(join(folder, 'rows'));
    writeFileSync(join(folder, 'rows', first!), readFileSync(join(folder, 'rows', first!), 'utf8').replace('19', '18'));
    expect((await bench([models], { solvers: paths, folder })).taken).toBe(3);
    writeFileSync(join(there, 'peer.mjs'), `${PEERS}// changed\n`);
    expect((await bench([models], { solvers: paths, folder })).taken).toBe(0);
  });

  it('ends with Ctrl-C, and what it had started with it', async () => {
    const { paths, runs } = peers('hanging');
    const folder = scratch();
    let kill: ((signal: NodeJS.Signals) => void) | undefined;
    const timer = setInterval(() => runs().length > 0 && kill?.('SIGINT'), 50);
    const { code, stderr } = await tiresias(['bench', tigers(1), '--solvers', paths[0]!, '--out', folder], {
      onStderr: (text, how) => {
        kill = text.includes('stopping') ? undefined : how;
      },
    });
    clearInterval(timer);
    expect(code).toBe(130);
    expect(stderr).toContain('run the same command again');
    expect(isAlive(Number(runs()[0]!.split(' ')[2]))).toBe(false);
    expect(readdirSync(folder).filter((name) => name !== 'rows')).toEqual([]);
  });

  it('starts nothing when its budget is spent, says what is left, and can be told as one document', async () => {
    const { paths, runs } = peers('good');
    const args = ['bench', tigers(2), '--solvers', `${paths[0]},sarsop`, '--out', scratch(), '--json'];
    const env = { PEER_SARSOP: '/nowhere/pomdpsol' };
    const none = await tiresias([...args, '--budget', '0.000001'], { env });
    expect(none.code).toBe(75);
    expect(JSON.parse(none.stdout)).toMatchObject({ schema: 'tiresias.bench/1', left: 2, rows: [], comparisons: [], holes: [{ by: 'sarsop', reason: 'PEER_SARSOP names /nowhere/pomdpsol, which is no program that may be run' }] });
    expect(none.stderr).toContain('not run: sarsop: PEER_SARSOP names');
    expect(runs()).toEqual([]);
    const all = await tiresias(args, { env });
    expect([all.code, (JSON.parse(all.stdout) as { left: number }).left]).toEqual([0, 0]);
  });

  it('refuses what it does not know, with what there is, before anything is run', async () => {
    const folder = join(scratch(), 'out');
    const models = tigers(1);
    await expect(bench([models], { solvers: ['auto', 'sarsopp'], folder })).rejects.toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringMatching(/"sarsopp".*auto, search, exact.*sarsop, storm, zmdp/) });
    await expect(bench([models], { solvers: ['auto', 'auto'], folder })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(bench([models], { times: [-1], folder })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(bench([models], { threads: [1.5], folder })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(existsSync(folder)).toBe(false);
    await expect(bench(['nowhere.pomdp'], { folder })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', message: expect.stringContaining('nowhere.pomdp') });
    setEnv('PATH', scratch());
    const { results } = await bench([models], { solvers: ['zmdp'], folder: scratch() });
    expect([results.rows, results.solvers[0]!.missing]).toEqual([[], 'zmdp is not in PATH; set PEER_ZMDP to its path']);
  });

  it('flags proofs that cannot both be right, and ends with 5', async () => {
    const { paths } = peers('good', 'wrong');
    const { code, stdout, stderr } = await tiresias(['bench', tigers(1), '--solvers', paths.join(','), '--out', scratch()]);
    expect(code).toBe(5);
    expect(stdout).toMatch(/CONTRADICTIONS\n- tiger-0\.pomdp: wrong and good contradict one another: a value of at least 25 .* of at most 19\.3716 /);
    expect(stderr).toContain('1 contradictions');
  });

  it('has no solver run on what it does not read, or reads as something else', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'costly.pomdp'), tiger().replace('discount: 0.95', 'discount: 0.95\nvalues: cost'));
    writeFileSync(join(folder, 'model.json'), classicModel('tiger').toJson());
    writeFileSync(join(folder, 'package.json'), '{"name":"no model"}');
    const { paths, runs } = peers('good');
    const { results } = await bench([folder], { solvers: ['auto', ...paths], times: [5], gap: 1, folder: scratch() });
    expect(results.rows.map(({ model, by, outcome }) => [model, by, outcome])).toEqual([['costly.pomdp', 'auto', 'closed'], ['model.json', 'auto', 'closed']]);
    expect(results.holes.map(({ model, by, reason }) => [model, by, reason])).toEqual([['costly.pomdp', 'good', 'would take the costs of this file for something else'], ['model.json', 'good', 'does not read .json']]);
    expect(results.counts).toEqual({ good: expect.objectContaining({ notComparable: 2 }) });
    expect(runs()).toEqual([]);
  });
});

describe('another discount', () => {
  it('is put into a copy that differs in nothing else, in every format', async () => {
    const folder = scratch();
    const document = JSON.parse(classicModel('tiger').toJson()) as object;
    writeFileSync(join(folder, 'a.pomdp'), `# discount: 0.5\n${tiger()}`);
    writeFileSync(join(folder, 'b.json'), JSON.stringify(document));
    const models = await modelsOf([folder, 'tiger'], ['.pomdp', '.json'], join(folder, 'made'), [0.5, 0.999]);
    expect(models.map(({ name }) => name)).toEqual(['a.pomdp', 'a.pomdp @ 0.5', 'a.pomdp @ 0.999', 'b.json', 'b.json @ 0.5', 'b.json @ 0.999', 'tiger', 'tiger @ 0.5', 'tiger @ 0.999']);
    for (const model of models) {
      if (!isModel(model)) throw new Error(model.missing);
      const { model: read } = Model.fromFile(model.path);
      expect(read.discount).toBe(model.discount ?? 0.95);
      const original = models.find(({ name }) => name === model.name.split(' ')[0])!;
      expect({ ...(JSON.parse(read.toJson()) as object), discount: 0 }).toEqual({ ...(JSON.parse(Model.fromFile((original as { path: string }).path).model.toJson()) as object), discount: 0 });
    }
    expect(withDiscount('.pomdpx', '<Discount> 0.95 </Discount>', 0.5)).toBe('<Discount> 0.5 </Discount>');
    expect(withDiscount('.prism', 'pomdp', 0.5)).toBeUndefined();
  });
});

describe('what rows say about one another', () => {
  const rows = fc.record({ outcome: fc.constantFrom('closed', 'open', 'solved', 'none'), gap: fc.double({ min: 1e-6, max: 1e3, noNaN: true }), seconds: fc.double({ min: 1e-3, max: 1e3, noNaN: true }) })
    .map(({ outcome, gap, seconds }): BenchRow => row({ outcome: outcome as BenchRow['outcome'], ...(outcome === 'open' || outcome === 'closed' ? { gap, seconds } : { gap: undefined, lower: undefined, upper: undefined, seconds }) }));

  it('counts every pair once', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.option(rows, { nil: undefined }), fc.option(rows, { nil: undefined }), fc.constantFrom('b', 'c'), fc.boolean()), { minLength: 1 }), (pairs) => {
      const comparisons = pairs.map(([subject, other, name, comparable], i) => comparisonOf({ model: `${i}`, time: 1, threads: 1, subject: 'a', other: name }, subject, other, comparable));
      const counts = countsOf(comparisons);
      for (const name of ['b', 'c']) {
        const all = comparisons.filter(({ other }) => other === name);
        expect(VERDICTS.reduce((sum, word) => sum + (counts[name]?.[word] ?? 0), 0)).toBe(all.length);
      }
      // Who is asked about does not decide who is closer.
      for (const [subject, other, , comparable] of pairs) {
        const place = { model: '', time: 1, threads: 1, subject: 'a', other: 'b' };
        const [one, two] = [comparisonOf(place, subject, other, comparable).verdict, comparisonOf(place, other, subject, comparable).verdict];
        const turned: Record<string, string> = { subjectCloser: 'otherCloser', otherCloser: 'subjectCloser', onlySubject: 'onlyOther', onlyOther: 'onlySubject' };
        if (one !== 'alike' && two !== 'alike') expect(two).toBe(turned[one] ?? one);
      }
    }));
  });

  it('makes profiles that begin at the best, never fall and end with what was done', () => {
    const costs = fc.integer({ min: 1, max: 12 }).chain((n) => fc.array(fc.array(fc.option(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { nil: undefined }), { minLength: n, maxLength: n }), { minLength: 1, maxLength: 4 }));
    fc.assert(fc.property(costs, (of) => {
      const lines = profileLines(new Map(of.map((list, i) => [`${i}`, list])));
      for (const { by, points } of lines) {
        expect(points[0]![0]).toBe(1);
        for (const [i, [ratio, share]] of points.entries()) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1);
          if (i > 0) expect([ratio > points[i - 1]![0], share > points[i - 1]![1]]).toEqual([true, true]);
        }
        const done = of[Number(by)]!.filter((cost) => cost !== undefined).length;
        expect(points.at(-1)![1]).toBeCloseTo(done / of[0]!.length, 12);
      }
      // Whatever was done by some was done best by some.
      const solved = of[0]!.filter((_, p) => of.some((list) => list[p] !== undefined)).length;
      expect(lines.reduce((sum, { points }) => sum + points[0]![1], 0)).toBeGreaterThanOrEqual(solved / of[0]!.length - 1e-12);
    }));
  });

  it('profiles only the models that all were run on, and counts no gap as better than the one asked for', () => {
    const all = [row({ gap: 1e-6, outcome: 'closed', seconds: 1e-4 }), row({ by: 'b', gap: 1e-4, outcome: 'closed', seconds: 0.02 }), row({ model: 'n' })];
    expect(profilesOf(all, ['a', 'b'], { time: 1, threads: 1, gap: 1e-3 })).toEqual([
      { measure: 'seconds', time: 1, threads: 1, problems: 1, lines: [{ by: 'a', points: [[1, 1]] }, { by: 'b', points: [[1, 0], [2, 1]] }] },
      { measure: 'gap', time: 1, threads: 1, problems: 1, lines: [{ by: 'a', points: [[1, 1]] }, { by: 'b', points: [[1, 1]] }] },
    ]);
  });

  it('contradicts only beyond what is printed, and only where it is proven', () => {
    const solvers = new Map([['a', { bounds: 'proven' as const, printed: { digits: 15 } }], ['b', { bounds: 'proven' as const, printed: { digits: 3 } }], ['c', { bounds: 'estimated' as const, printed: {} }]]);
    const a = row({ best: [10, 11] });
    const said = (best: [number, number], by = 'b', more: Partial<BenchRow> = {}) => contradictionsOf([a, row({ by, best, key: 'l', ...more })], solvers).map(({ lower, upper, excess }) => [lower.by, upper.by, excess]);
    expect(said([9, 10])).toEqual([]);
    expect(said([9, 9.99])).toEqual([]);
    expect(said([9, 9.9])).toEqual([['a', 'b', expect.closeTo(0.1, 9)]]);
    expect(said([11.5, 12])).toEqual([['b', 'a', 0.5]]);
    expect(said([11.5, 12], 'c')).toEqual([]);
    expect(said([11.5, 12], 'b', { model: 'n' })).toEqual([]);
    // A solver may contradict itself, at another time or within one run.
    expect(said([11.5, 12], 'a', { time: 5 })).toEqual([['a', 'a', 0.5]]);
    expect(said([10.7, 10.2])).toEqual([['b', 'b', 0.5]]);
    expect([lastPlace(19.3714, { digits: 6 }), lastPlace(0, { digits: 6 }), lastPlace(123, { decimals: 4 })]).toEqual([expect.closeTo(1e-4, 12), 0, expect.closeTo(1e-4, 12)]);
  });
});
