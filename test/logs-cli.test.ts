// Recorded decisions on the command line, from a CSV file to what a policy would have earned.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Model, Trajectories, loadPolicy } from '../src/index.js';
import { SCHEMA, patients } from './records.js';
import { contents, scratch, tiresias } from './support.js';

/** A folder with records and their schema. */
function withRecords(settings: Partial<Parameters<typeof patients>[0]> = {}): string {
  const folder = scratch();
  writeFileSync(join(folder, 'patients.csv'), patients({ episodes: 300, ...settings }));
  writeFileSync(join(folder, 'schema.json'), JSON.stringify(SCHEMA));
  return folder;
}

const within = (cwd: string) => async (...args: string[]) => tiresias(args, { cwd });

describe('tiresias import', () => {
  it('says what the records show, and writes trajectories and a page', async () => {
    const folder = withRecords({ gap: true });
    const { code, stdout } = await within(folder)('import', 'patients.csv', '--schema', 'schema.json', '--out', 'out.parquet', '--report', 'page.html');
    expect(code).toBe(0);
    for (const part of [/^episodes +300, of 5 decisions/m, /^decisions +1,500$/m, /^propensities +recorded$/m, /^coverage +3 of 4 pairs/m, /^never taken +wait after ill$/m, /^least used +wait \d+ times; treat/m, /^written +out\.parquet$/m]) expect(stdout).toMatch(part);
    expect(Trajectories.load(join(folder, 'out.parquet')).episodes).toBe(300);
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('<h2>Coverage</h2>');
  });

  it('sets episodes aside', async () => {
    const folder = withRecords();
    const { stdout } = await within(folder)('import', 'patients.csv', '--schema', 'schema.json', '--out', 'a.parquet', '--test', 'b.parquet', '--test-share', '0.25', '--seed', '4', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ episodes: 225, testEpisodes: 75, source: { file: 'patients.csv' } });
    expect([Trajectories.load(join(folder, 'a.parquet')).episodes, Trajectories.load(join(folder, 'b.parquet')).episodes]).toEqual([225, 75]);
  });

  it('lists all faults with their lines, and writes nothing', async () => {
    const folder = withRecords();
    const lines = readFileSync(join(folder, 'patients.csv'), 'utf8').split('\n');
    for (const line of [2, 7]) lines[line] = lines[line]!.replace(/,[.\d]+$/, ',1.5');
    writeFileSync(join(folder, 'patients.csv'), lines.join('\n'));
    const before = readdirSync(folder);
    const { code, stdout, stderr } = await within(folder)('import', 'patients.csv', '--schema', 'schema.json', '--out', 'a.parquet', '--report', 'page.html', '--json');
    expect(code).toBe(2);
    expect(stderr).toMatch(/line 3: [^]*line 8: /);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INVALID_LOGS', exit: 2 } });
    expect(readdirSync(folder)).toEqual(before);
  });

  it('proposes a schema, which reads the file', async () => {
    const folder = withRecords();
    const run = within(folder);
    const { code, stdout } = await run('import', 'patients.csv', '--infer', '--schema-out', 'proposed.json');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^severity +observation +2 words +0 +(ill|well)$/m);
    expect(JSON.parse(readFileSync(join(folder, 'proposed.json'), 'utf8'))).toEqual({ schema: 'tiresias.logs/1', ...SCHEMA });
    expect((await run('import', 'patients.csv', '--schema', 'proposed.json')).code).toBe(0);
  });

  it('drafts a schema where it has none to propose, which reads the file once it is filled in', async () => {
    const folder = withRecords();
    const run = within(folder);
    writeFileSync(join(folder, 'odd.csv'), 'x,y,z\n1,2,3\n');
    const { code, stdout } = await run('import', 'odd.csv', '--infer', '--schema-out', 'draft.json');
    expect(code).toBe(0);
    expect(stdout).toContain('no schema is proposed: episode, action and reward are missing. A draft');
    expect(stdout).toContain('written to draft.json: it is a draft: fill in what FILL IN marks');
    const early = await run('import', 'odd.csv', '--schema', 'draft.json');
    expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('FILL IN: the column that names the episode of a row')]);
    const draft = JSON.parse(readFileSync(join(folder, 'draft.json'), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(draft).filter((field) => String(draft[field]).startsWith('FILL IN: '))).toEqual(['episode', 'action', 'reward']);
    writeFileSync(join(folder, 'whole.json'), JSON.stringify({ ...draft, episode: 'x', action: 'y', reward: 'z', observations: ['y'] }));
    expect((await run('import', 'odd.csv', '--schema', 'whole.json')).code).toBe(0);
  });

  it('says which field of a schema is misspelt, where it is, and what was meant', async () => {
    const folder = withRecords();
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ ...SCHEMA, observations: [{ colum: 'severity' }] }));
    const { code, stderr } = await within(folder)('import', 'patients.csv', '--schema', 'wrong.json');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/`observations\[0\]\.colum`: unknown field `colum`, expected one of [^;]*; did you mean column\?/)]);
  });

  it.each([
    [['patients.csv'], /name the --schema/],
    [['patients.csv', '--infer', '--out', 'x'], /--infer reads no more/],
    [['patients.csv', '--schema', 'schema.json', '--schema-out', 'x'], /go with --infer/],
    [['patients.csv', '--schema', 'schema.json', '--test', 'x'], /--test goes with --out/],
    [['patients.csv', '--schema', 'schema.json', '--test-share', '0.2'], /--test-share goes with --test/],
    [['patients.csv', '--schema', 'schema.json', '--out', './patients.csv'], /two of the files are the same/],
    [['patients.csv', '--schema', 'schema.json', '--out', 'x', '--test', 'x'], /two of the files are the same/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await within(withRecords())('import', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('tiresias fit', () => {
  it('leaves a folder whose models are solved, once, and nothing in place of something else', async () => {
    const folder = withRecords();
    const run = within(folder);
    const args = ['fit', 'patients.csv', '--schema', 'schema.json', '--kind', 'mdp', '--horizon', '5', '--ambiguity', 'posterior', '--models', '3', '--held-out', '0.2', '--out', 'fitted'];
    const { code, stdout } = await run(...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^records +patients\.csv \(300 episodes, 1500 decisions\)$/m);
    expect(stdout).toMatch(/^of those left out +-0\.\d+$/m);
    const files = contents(join(folder, 'fitted'));
    expect(Object.keys(files)).toEqual(['ambiguous.json', 'fit.json', 'members/00.json', 'members/01.json', 'members/02.json', 'model.json']);
    const document = JSON.parse(readFileSync(join(folder, 'fitted', 'fit.json'), 'utf8')) as { models: { model: string; members: string[] } };
    expect(document).toMatchObject({ schema: 'tiresias.fit/1', logs: { file: 'patients.csv', source: { schema: SCHEMA }, episodes: 300, steps: 1500 }, settings: { kind: 'mdp', horizon: 5, heldOut: 0.2 }, report: { kind: 'mdp' } });
    expect(document.models.model).toBe(Model.fromFile(join(folder, 'fitted', 'model.json')).model.sha256());
    expect(document.models.members).toHaveLength(3);
    // Once more: the same. Otherwise: refused.
    expect((await run(...args)).code).toBe(0);
    const other = await run(...args.with(7, '4'));
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('fitted holds a fit to other records, or with other settings')]);
    expect(contents(join(folder, 'fitted'))).toEqual(files);
    expect((await run('solve', 'fitted/ambiguous.json', '--json')).code).toBe(0);
  });

  it('refuses a folder that holds something else, and takes an empty one', async () => {
    const folder = withRecords();
    mkdirSync(join(folder, 'notes'));
    const args = ['fit', 'patients.csv', '--schema', 'schema.json', '--kind', 'mdp', '--out', 'notes'];
    expect((await within(folder)(...args)).code).toBe(0);
    writeFileSync(join(folder, 'notes', 'mine.txt'), 'mine');
    const { code, stderr } = await within(folder)(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining('notes holds other files than this fit leaves')]);
    expect(readFileSync(join(folder, 'notes', 'mine.txt'), 'utf8')).toBe('mine');
    expect(readdirSync(folder).toSorted()).toEqual(['notes', 'patients.csv', 'schema.json']);
  });

  it.each([
    [['--kind', 'mdp', '--states', '3'], /--states and --starts go with --kind pomdp/],
    [['--kind', 'pomdp', '--ambiguity', 'l1'], /goes with --kind mdp/],
    [['--kind', 'pomdp', '--unseen-reward', 'least'], /--unseen-reward goes with --kind mdp/],
    [['--kind', 'mdp', '--coverage', '0.9'], /--coverage goes with/],
    [['--kind', 'mdp', '--models', '3'], /--models goes with/],
    [['--kind', 'mdp', '--alpha', '1'], /--alpha goes with/],
    [['--kind', 'mdp', '--held-out', '0.1', '--folds', '3'], /not both/],
    [['--kind', 'pomdp', '--states', '3..2'], /a range such as 2\.\.6/],
    [[], /--kind/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await within(withRecords({ episodes: 4 }))('fit', 'patients.csv', '--schema', 'schema.json', '--out', 'x', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('needs the schema of a file of records', async () => {
    const { code, stderr } = await within(withRecords({ episodes: 4 }))('fit', 'patients.csv', '--kind', 'mdp', '--out', 'x');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/needs its --schema; `tiresias import patients\.csv --infer` proposes one/)]);
  });
});

describe('tiresias off-policy', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
    writeFileSync(join(folder, 'schema.json'), JSON.stringify(SCHEMA));
    writeFileSync(join(folder, 'patients.csv'), patients({ episodes: 600 }));
    writeFileSync(join(folder, 'gap.csv'), patients({ episodes: 600, gap: true }));
    for (const args of [
      ['import', 'patients.csv', '--schema', 'schema.json', '--out', 'a.parquet', '--test', 'b.parquet'],
      ['fit', 'a.parquet', '--kind', 'mdp', '--horizon', '5', '--ambiguity', 'l1', '--out', 'mdp'],
      ['solve', 'mdp/ambiguous.json', '--policy-out', 'mdp.policy', '--carry-model'],
      ['fit', 'a.parquet', '--kind', 'pomdp', '--horizon', '5', '--starts', '2', '--out', 'pomdp'],
      ['solve', 'pomdp/model.json', '--gap', '0.1', '--policy-out', 'pomdp.policy', '--carry-model'],
      ['solve', 'pomdp/model.json', '--gap', '0.1', '--policy-out', 'pomdp.bare'],
      ['solve', 'tiger', '--gap', '1', '--policy-out', 'tiger.policy', '--carry-model'],
      ['solve', 'tiger', '--gap', '1', '--policy-out', 'tiger.alpha'],
    ]) {
      const { code, stderr } = await tiresias(args, { cwd: folder });
      expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
    }
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('prints every estimate with its interval', async () => {
    const { code, stdout } = await within(folder)('off-policy', 'b.parquet', '--policy', 'mdp.policy');
    expect(code).toBe(0);
    for (const name of ['on-policy', 'is', 'wis', 'pdis', 'wpdis', 'fqe', 'dr', 'wdr']) expect(stdout).toMatch(new RegExp(`^${name} +(refused|-?\\d+\\.\\d{4} +\\[-?\\d+\\.\\d{4}, -?\\d+\\.\\d{4}\\] +[\\d.]+)`, 'm'));
    const document = JSON.parse((await within(folder)('off-policy', 'b.parquet', '--policy', 'mdp.policy', '--json')).stdout) as { policy: { model: string }; discount: number; estimates: unknown[] };
    expect(document).toMatchObject({ discount: 1, behaviour: 'logged', episodes: 300, logs: { source: { file: 'patients.csv' } } });
    expect(document.estimates).toHaveLength(8);
    expect(document.policy.model).toBe((await loadPolicy(join(folder, 'mdp.policy'))).model.sha256());
  });

  it('takes a policy with its model beside it, and beliefs after the first observation', async () => {
    const bare = await within(folder)('off-policy', 'b.parquet', '--policy', 'pomdp.bare', '--model', 'pomdp/model.json', '--json');
    const carried = await within(folder)('off-policy', 'b.parquet', '--policy', 'pomdp.policy', '--json');
    const values = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { estimates: unknown }).estimates;
    expect(values(bare)).toEqual(values(carried));
    const first = await within(folder)('off-policy', 'b.parquet', '--policy', 'pomdp.policy', '--fitted', 'pomdp', '--json');
    expect(first.code).toBe(0);
    for (const [args, message] of [[['mdp.policy', '--fitted', 'mdp'], /whose states are seen/], [['tiger.policy', '--fitted', 'pomdp'], /another model than those of this folder/]] as const) {
      const { code, stderr } = await within(folder)('off-policy', 'b.parquet', '--policy', ...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(message);
    }
  });

  it('refuses what the records do not support, and says where', async () => {
    // A policy that waits: that of a model in which treatment costs a lot.
    writeFileSync(join(folder, 'dear.csv'), patients({ episodes: 200 }).replaceAll(/treat,-?[\d.]+/g, 'treat,-9'));
    await within(folder)('fit', 'dear.csv', '--schema', 'schema.json', '--kind', 'mdp', '--horizon', '5', '--out', 'dear');
    await within(folder)('solve', 'dear/model.json', '--policy-out', 'wait.policy', '--carry-model');
    const { code, stdout } = await within(folder)('off-policy', 'gap.csv', '--schema', 'schema.json', '--policy', 'wait.policy', '--behaviour', 'estimated');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^is +refused$/m);
    expect(stdout).toMatch(/^refused: is, [^]*^ {4}wait after ill: \d+ decisions, probability 1\.000; first in the episodes at \d+/m);
  });

  it('refuses a policy of another model, and one that cannot be followed', async () => {
    for (const [policy, message] of [
      [['tiger.policy'], /tiger\.policy is no policy for b\.parquet: .*its observations are/],
      [['tiger.alpha', '--model', 'tiger'], /α-vectors of another tool/],
      [['patients.csv'], /looks like records of decisions, and a policy file is wanted/],
    ] as const) {
      const { code, stderr } = await within(folder)('off-policy', 'b.parquet', '--policy', ...policy);
      expect(code).toBe(2);
      expect(stderr).toMatch(message);
    }
  });
});

describe('records where something else is wanted', () => {
  it.each([
    ['check', ['check', 'patients.csv'], 'a model file'],
    ['solve', ['solve', 'patients.csv'], 'a model file'],
    ['convert', ['convert', 'patients.csv', 'x.json'], 'a model file'],
    ['rollout', ['rollout', 'patients.csv', '--episodes', '1'], 'a model file'],
    ['policy', ['policy', 'patients.csv'], 'a policy file'],
    ['train', ['train', '--data', 'patients.csv', '--out', 'x'], 'the folder of a dataset'],
    ['dataset stats', ['dataset', 'stats', 'patients.csv'], 'the folder of a dataset'],
  ])('%s says where they go', async (_, args, wanted) => {
    const { code, stderr } = await within(withRecords({ episodes: 4 }))(...args);
    expect([code, stderr.trim()]).toEqual([2, `error: patients.csv looks like records of decisions, and ${wanted} is wanted here: start with \`tiresias import patients.csv --infer\` (docs/your-own-data.md)`]);
  });
});
