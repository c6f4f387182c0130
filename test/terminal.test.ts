// What people see: at 60, 80 and 120 columns, with a terminal and without.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fitted } from '../src/cli/screen.js';
import { barLine } from '../src/progress.js';
import { onTerminal, shownOn } from './screen.js';
import { root, scratch, tiresias } from './support.js';

const COLUMNS = [60, 80, 120];

/** script(1) of util-linux; that of macOS takes other options. */
const terminals = (() => {
  try {
    return /util-linux/.test(execFileSync('script', ['--version'], { encoding: 'utf8' }));
  } catch {
    return false;
  }
})();

/** What depends on the machine: seconds, and where the checkout lies. */
const plain = (text: string): string => text.replaceAll(/\d+\.\d+ s\b/g, 'N s').replaceAll(root, '/');

const words = (text: string): string[] => text.split(/[\s\\]+/).filter(Boolean);

const TEXTS: [string, string[]][] = [
  ['help', ['--help']],
  ['help of a command', ['rollout', '--help']],
  ['a table', ['families']],
  ['a solution and what it does', ['solve', join('examples', 'ambiguous-tiger.json'), '--explain', '--horizon', '3']],
  ['an unknown option', ['solve', '--horizn', '3']],
  ['a misspelt value', ['solve', '--family', 'enregy']],
];

describe.each(TEXTS)('%s', (_, args) => {
  it('without a terminal', async () => {
    const { stdout, stderr } = await tiresias(args);
    expect(plain(stdout + stderr)).toMatchSnapshot();
  });

  it.runIf(terminals).each(COLUMNS)('on a terminal of %i columns', { timeout: 30_000 }, async (columns) => {
    const screen = shownOn(columns, await onTerminal(columns, args));
    expect(plain(screen)).toMatchSnapshot();
    // No word is broken. (Rules under the heads of tables have no words.)
    const { stdout, stderr } = await tiresias(args);
    const whole = new Set(words(plain(stdout + stderr)));
    expect(words(plain(screen)).filter((word) => !whole.has(word))).toEqual([]);
  });
});

describe('a bar', () => {
  const event = { stage: 'solve', done: 14, total: 100, detail: 'value in [-20.0000, 87.1894], gap 107' };

  it.each(COLUMNS)('at %i columns keeps its detail', (columns) => {
    const line = barLine(event, columns);
    expect(line).toMatchSnapshot();
    expect(line).toContain(event.detail);
    // What Ctrl-C writes behind it has room.
    expect(line.length).toBeLessThanOrEqual(columns - 3);
  });

  it('says where it leaves something out', () => {
    expect(barLine({ ...event, detail: 'x'.repeat(200) }, 60)).toMatch(/x…$/);
    expect(barLine({ ...event, done: 200 }, 60)).toContain('100%');
    expect(barLine({ ...event, done: 0, total: 0 }, 60)).toContain('100%');
  });

  it.runIf(terminals)('is gone when a solve is over', { timeout: 30_000 }, async () => {
    const written = await onTerminal(60, ['solve', 'rock-sample:4,4', '--gap', '0.001']);
    expect(written).toContain('%  value in [');
    const screen = shownOn(60, written);
    expect(screen).toMatch(/^model /);
    expect(screen).not.toMatch(/%|█|░/);
  });

  it.runIf(terminals).each(COLUMNS)('is no part of the line that Ctrl-C leaves, at %i columns', { timeout: 60_000 }, async (columns) => {
    const written = await onTerminal(columns, ['solve', 'rock-sample:7,8', '--gap', '0'], { typing: { keys: '\u0003', when: /gap \d/ } });
    const [first, second] = shownOn(columns, written).split('\n');
    const said = 'SIGINT: stopping at the next safe place (once more to stop at once)';
    expect(first === said || `${first}${second}` === said).toBe(true);
    expect(shownOn(columns, written)).not.toMatch(/\^C|█|░/);
    expect(written).toContain('stopped early');
  });
});

describe('messages', () => {
  it.each([
    [['solve', '--family', 'enregy'], 'did you mean energy?'],
    [['solve', '--family', 'energy', '--split', 'tets'], 'did you mean test?'],
    [['solve', '--family', 'energy', '--regime', 'pomd'], 'did you mean pomdp?'],
    [['solve', 'tiger', '--solver', 'serch'], 'did you mean search?'],
    [['rollout', 'tiger', '--behaviour', 'orcale'], 'did you mean oracle?'],
    [['dataset', 'make', '--format', 'parqet', '--out', 'x'], 'did you mean parquet?'],
    [['solve', 'tiger', '--horizn', '3'], 'Did you mean --horizon?'],
    [['slove'], 'Did you mean solve?'],
  ])('of %j suggest, behind one prefix', async (args, hint) => {
    const { code, stderr } = await tiresias(args, { cwd: scratch() });
    expect(code).toBe(2);
    expect(stderr).toContain(hint);
    expect(stderr).toMatch(/^error: /);
  });

  it('name no calls of the library', async () => {
    const { stderr } = await tiresias(['solve', '--family', 'energy', '--index', '9007199254740991', '--models', '3', '--regime', 'apomdp', '--alpha', '2']);
    expect(stderr).not.toMatch(/drawTask|Model\./);
  });

  it('refuse an output in a folder that is not there, before anything is computed', async () => {
    const folder = scratch();
    for (const args of [['solve', 'tiger', '--policy-out', 'nowhere/p.alpha'], ['solve', 'tiger', '--bounds-plot', 'nowhere/b.svg'], ['convert', 'tiger', 'nowhere/t.json'], ['rollout', 'tiger', '--horizon', '3', '--episodes', '2', '--out', 'nowhere/r.jsonl']]) {
      const { code, stdout, stderr } = await tiresias(args, { cwd: folder });
      expect([args, code, stdout, stderr]).toEqual([args, 4, '', expect.stringMatching(/^error: could not write nowhere\/\S+: there is no folder nowhere; make it first\n$/)]);
    }
  });
});

it('evaluate without an adapter says that sft is left out, and how it comes in', async () => {
  const folder = scratch();
  writeFileSync(join(folder, 'e.json'), JSON.stringify({ schema: 'tiresias.experiment/1', name: 'e', regimes: ['mdp'], horizon: 3, evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'sft', 'random'] } }));
  const { code, stdout, stderr } = await tiresias(['evaluate', '--config', 'e.json', '--out', 'out'], { cwd: folder });
  expect(code).toBe(0);
  expect(stderr).toMatch(/^note: left out: sft; .*--adapter FOLDER/m);
  expect(stdout).not.toContain('sft');
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
    const { code, stdout } = await tiresias(['complete', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('tiresias complete');
  });

  it('knows commands, options and words', async () => {
    const completed = async (...words: string[]) => (await tiresias(['complete', '--', ...words])).stdout.split('\n').map((line) => line.split('\t')[0]);
    expect(await completed('so')).toContain('solve');
    expect(await completed('solve', '--hor')).toContain('--horizon');
    expect(await completed('solve', '--regime', '')).toEqual(expect.arrayContaining(['mdp', 'pomdp', 'apomdp']));
    expect(await completed('dataset', 've')).toContain('verify');
  });

  it('is refused for a shell that it does not know', async () => {
    const { code, stderr } = await tiresias(['complete', 'basch']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: .*did you mean bash\?/)]);
  });
});

it('words keep whole, columns stay under one another', () => {
  expect(fitted('name   one two three four five six seven', 30)).toBe('name   one two three four five\n       six seven');
  expect(fitted('a line of words without any columns', 20)).toBe('a line of words\n  without any\n  columns');
  expect(fitted('short', 20)).toBe('short');
  expect(fitted('ok  one  a long text that goes on and on', 30)).toBe('ok  one  a long text that goes\n         on and on');
  expect(fitted(`${'x'.repeat(30)} y`, 20)).toBe(`${'x'.repeat(30)}\n  y`);
});

it('a table that is too wide goes on below, with its first column again', () => {
  const table = ['name   left  right', '----  -----  -----', 'a         1      2', 'b        10     20'];
  expect(fitted(`${table.join('\n')}\n\nmore`, 80)).toBe(`${table.join('\n')}\n\nmore`);
  expect(fitted(`${table.join('\n')}\n\nmore`, 14)).toBe(['name   left', '----  -----', 'a         1', 'b        10', '', 'name  right', '----  -----', 'a         2', 'b        20', '', 'more'].join('\n'));
});
