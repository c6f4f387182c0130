// `solve` and `policy` as commands that show a policy to a person.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratch, tiresias } from './support.js';

interface Document {
  lower: number;
  upper: number;
  graph: { file: string; nodes: number; nodesBefore: number; drawn: number; value: number; valueBefore: number; loss: number; complete: boolean };
  beliefs: { stage: number; action: { name: string; regretBound: number }; lower: number; upper: number; actions: { name: string; value: number }[] }[];
  table: { stage: number | null; state: string; action: string; value: number; regretBound: number }[];
  beliefPlot: string;
  error: { code: string; message: string };
}

async function document(args: string[]): Promise<Document> {
  const { code, stdout, stderr } = await tiresias([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Document;
}

async function failure(args: string[]): Promise<{ code: number | null; message: string }> {
  const { code, stderr } = await tiresias(args);
  return { code, message: stderr };
}

describe('solve', { timeout: 180_000 }, () => {
  it('writes the policy as a graph in three formats', async () => {
    const folder = scratch();
    for (const [suffix, pattern] of [['svg', /^<svg xmlns[^]*hear-left[^]*<\/svg>\n$/], ['dot', /^digraph policy \{[^]*"hear-left"/], ['mmd', /^%%[^]*flowchart TD[^]*"hear-left"/]] as const) {
      const file = join(folder, `graph.${suffix}`);
      const { graph, lower } = await document(['solve', 'tiger', '--graph', file, '--loss', '0.5']);
      expect(readFileSync(file, 'utf8')).toMatch(pattern);
      expect(graph).toMatchObject({ file, nodes: 5, drawn: 5, loss: 0.5, complete: true });
      expect(graph.value).toBeGreaterThan(lower - 0.51);
    }
    const { stdout } = await tiresias(['solve', 'tiger', '--graph', join(folder, 'g.svg'), '--loss', '1000']);
    expect(stdout).toMatch(/graph +\S+g\.svg \(1 node of \d+, worth -20\.000000 at the start, 39\.4 less than before\)/);
  });

  it('answers at beliefs by name', async () => {
    const { beliefs } = await document(['solve', 'tiger', '--belief', 'tiger-left=0.99,tiger-right=0.01', '--belief', '0=0.5,1=0.5']);
    expect(beliefs.map(({ action }) => action.name)).toEqual(['open-right', 'listen']);
    for (const { lower, upper, actions, action } of beliefs) {
      const best = Math.max(...actions.map(({ value }) => value));
      expect(lower).toBeLessThanOrEqual(best + 1e-9);
      expect(upper).toBeGreaterThanOrEqual(best - 1e-9);
      expect(action.regretBound).toBeGreaterThanOrEqual(0);
    }
    const { stdout } = await tiresias(['solve', 'tiger', '--horizon', '3', '--belief', 'tiger-left=0.99,tiger-right=0.01', '--stage', '2']);
    // In the last decision nothing follows: 0.99 · 10 - 0.01 · 100.
    expect(stdout).toMatch(/belief +tiger-left 0\.9900, tiger-right 0\.0100, at decision 3 of 3\naction +open-right \(loses at most 0\)\nvalue +8\.900000, certainly in/);
    // The discount counts where there is a horizon, too.
    expect(stdout).toContain('horizon 3, discount 0.95');
  });

  it('prints a table where states are seen', async () => {
    const { table } = await document(['solve', '--family', 'energy', '--horizon', '2', '--table']);
    expect(new Set(table.map(({ stage }) => stage))).toEqual(new Set([0, 1]));
    const { stdout } = await tiresias(['solve', '--family', 'energy', '--horizon', '2', '--table']);
    const csv = stdout.slice(stdout.indexOf('stage,state')).trim().split('\n');
    expect(csv).toHaveLength(table.length + 1);
    expect(csv[1]).toBe(`0,${table[0]!.state},${table[0]!.action},${table[0]!.value.toFixed(6)},${table[0]!.regretBound === 0 ? '0' : table[0]!.regretBound.toPrecision(3)}`);
  });

  it('draws beliefs and bounds', async () => {
    const folder = scratch();
    const [beliefs, bounds] = [join(folder, 'beliefs.svg'), join(folder, 'bounds.svg')];
    const { beliefPlot } = await document(['solve', 'tiger', '--belief-plot', beliefs, '--bounds-plot', bounds]);
    expect(beliefPlot).toBe(beliefs);
    expect(readFileSync(beliefs, 'utf8')).toMatch(/^<svg[^]*Probability of tiger-right[^]*<\/svg>\n$/);
    const plot = readFileSync(bounds, 'utf8');
    // A solve of a few milliseconds has an axis that tells them apart.
    expect(plot).toMatch(/Value at the start[^]*proven lower and upper bound|proven lower and upper bound[^]*Value at the start/);
    const labels = [...plot.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
    expect(labels.some((text) => /^(Milliseconds|Seconds) since the solve began$/.test(text))).toBe(true);
    const numbers = labels.filter((text) => /^[−-]?[\d.,]+$/.test(text));
    expect(numbers.length).toBeGreaterThanOrEqual(6);
    expect(labels.find((text) => text.startsWith('After'))).toMatch(/^After [\d.e+]+ (milli)?seconds in \[19\.\d+, 19\.\d+\]/);
  });

  it('walks as it is told on standard input', async () => {
    const text = await tiresias(['solve', 'tiger', '--walk'], { input: 'hear-left\nhear-lft\nhear-left\nback\nquit\nhear-left\n' });
    expect(text.code, text.stderr).toBe(0);
    const shown = text.stdout.slice(text.stdout.indexOf('decision 1'));
    expect(shown.match(/^(decision \d+|> .*|.*did you mean hear-left\?)/gm)).toEqual([
      'decision 1', '> hear-left', 'decision 2', '> hear-lft', expect.stringContaining('did you mean hear-left?'), 'decision 2', '> hear-left', 'decision 3', '> back', 'decision 2', '> quit',
    ]);
    expect(shown).toMatch(/decision 3, after listen and hear-left \(probability 0\.7450\)\n {2}belief {2}tiger-left 0\.9698, tiger-right 0\.0302\n {2}does {4}open-right/);
    // With --json a line a step, and the end of the input ends it.
    const json = await tiresias(['solve', 'tiger', '--walk', '--json'], { input: 'hear-left\nnothing\nopen-left\n' });
    expect(json.code, json.stderr).toBe(0);
    const lines = json.stdout.trim().split('\n').map((line) => JSON.parse(line) as { stage: number; action: { name: string; followed: boolean }; error?: { code: string } });
    expect(lines).toHaveLength(5);
    expect(lines.slice(1)).toMatchObject([{ stage: 0 }, { stage: 1, action: { name: 'listen' } }, { error: { code: 'UNKNOWN_NAME' } }, { stage: 1, action: { name: 'open-left', followed: false } }]);
  });

  it('refuses what cannot be shown, before it solves', async () => {
    const folder = scratch();
    const svg = join(folder, 'x.svg');
    const cases: [string[], RegExp][] = [
      [['solve', 'tiger', '--belief', 'tiger-lft=1'], /did you mean tiger-left\?/],
      [['solve', 'tiger', '--belief', 'tiger-left=0.9,tiger-right=0.2'], /sums to 1\.1/],
      [['solve', 'tiger', '--belief', 'tiger-left=1', '--stage', '4', '--horizon', '4'], /stages 0 to 3/],
      [['solve', 'tiger', '--stage', '0'], /--stage goes with/],
      [['solve', 'tiger', '--loss', '1'], /--loss goes with --graph/],
      [['solve', 'tiger', '--graph', join(folder, 'x.pdf')], /\.svg, \.dot \(Graphviz\) or \.mmd/],
      [['solve', 'tiger', '--table'], /--graph, --belief-plot or --belief/],
      [['solve', 'shuttle', '--belief-plot', svg], /2 or 3 states/],
      [['solve', '--family', 'energy', '--graph', svg], /--table/],
      [['solve', '--family', 'energy', '--regime', 'apomdp', '--graph', svg], /cloud of several/],
      [['solve', '--family', 'energy', '--belief-plot', svg], /--table/],
      [['solve', 'tiger', '--walk', '--belief', '0=1', '--belief', '1=1'], /one --belief/],
      [['solve', '--family', 'energy', '--tasks', '2', '--table'], /--tasks goes with/],
    ];
    await Promise.all(cases.map(async ([args, message]) => {
      const failed = await failure(args);
      expect([failed.code, failed.message]).toEqual([2, expect.stringMatching(message)]);
    }));
    expect(existsSync(svg)).toBe(false);
  });
});

describe('policy', { timeout: 180_000 }, () => {
  it('reads a file that carries its model', async () => {
    const folder = scratch();
    const file = join(folder, 'tiger.policy');
    expect((await tiresias(['solve', 'tiger', '--solver', 'point', '--policy-out', file, '--carry-model'])).code).toBe(0);
    const svg = join(folder, 'g.svg');
    const { graph, beliefs } = await document(['policy', file, '--graph', svg, '--loss', '0.1', '--belief', 'tiger-left=0.99,tiger-right=0.01']);
    expect(graph).toMatchObject({ nodes: 5 });
    expect(beliefs[0]!.action.name).toBe('open-right');
    expect(readFileSync(svg, 'utf8')).toContain('whatever is seen');
    const { stdout } = await tiresias(['policy', file]);
    expect(stdout).toMatch(/policy +\S+tiger\.policy \(search\)\nmodel +tiger \(pomdp: 2 states[^\n]*\nvalue +19\.\d+, certainly in \[[^\n]*\nfirst action +listen/);
    const walked = await tiresias(['policy', file, '--walk', '--belief', 'tiger-left=0.97,tiger-right=0.03'], { input: 'quit\n' });
    expect(walked.stdout).toMatch(/decision 1\n {2}belief {2}tiger-left 0\.9700, tiger-right 0\.0300\n {2}does {4}open-right/);
  });

  it('reads policies of other tools for a model that is named', async () => {
    const folder = scratch();
    const [pg, alpha] = [join(folder, 'p.pg'), join(folder, 'p.alpha')];
    for (const out of [pg, alpha]) expect((await tiresias(['solve', 'tiger', '--policy-out', out])).code).toBe(0);
    const nodes = readFileSync(pg, 'utf8').trim().split('\n').length;
    const dot = join(folder, 'g.dot');
    const { graph } = await document(['policy', pg, '--model', 'tiger', '--graph', dot]);
    expect(graph.nodesBefore).toBe(nodes);
    expect(readFileSync(dot, 'utf8')).toContain('open-left');
    const { beliefs } = await document(['policy', alpha, '--model', 'tiger', '--belief', '0=0.99,1=0.01']);
    expect(beliefs[0]).toMatchObject({ action: { name: 'open-right', regretBound: null }, lower: null });
    expect(await failure(['policy', pg, '--graph', dot])).toMatchObject({ code: 2, message: expect.stringContaining('name it with --model') });
    expect(await failure(['policy', pg, '--horizon', '3'])).toMatchObject({ code: 2, message: expect.stringContaining('--horizon: only with --model') });
    expect((await failure(['policy', join(folder, 'none.alpha'), '--model', 'tiger'])).code).toBe(4);
  });

  it('reads a graph a stage', async () => {
    const folder = scratch();
    const pg = join(folder, 's.pg');
    expect((await tiresias(['solve', 'tiger', '--horizon', '3', '--policy-out', pg])).code).toBe(0);
    expect(existsSync(`${pg}1`) && existsSync(`${pg}3`)).toBe(true);
    const svg = join(folder, 's.svg');
    const { graph } = await document(['policy', pg, '--model', 'tiger', '--horizon', '3', '--graph', svg]);
    expect(graph.nodes).toBeGreaterThanOrEqual(3);
    expect(readFileSync(svg, 'utf8')).toMatch(/decision 1[^]*decision 2[^]*decision 3/);
  });

  it('draws the first of many nodes, and says so', async () => {
    const folder = scratch();
    // A ring of places that nobody sees, in each of which one of two things is paid, in no order: who is to be paid always needs a node a place.
    const places = 105;
    const due = Array.from({ length: places }, (_, i) => Math.floor(1e4 * Math.abs(Math.sin(i + 1))) % 2);
    const model = join(folder, 'ring.pomdp');
    writeFileSync(model, [
      `discount: 0.9\nstates: ${places}\nactions: left right\nobservations: nothing\nstart: 0\nO: * uniform`,
      ...due.flatMap((action, s) => [`T: * : ${s} : ${(s + 1) % places} 1`, `R: ${action} : ${s} : * : * 1`]),
    ].join('\n') + '\n');
    const pg = join(folder, 'ring.pg');
    writeFileSync(pg, `${due.map((action, i) => `${i} ${action} ${(i + 1) % places}`).join('\n')}\n`);
    const [svg, dot] = [join(folder, 'r.svg'), join(folder, 'r.dot')];
    const { stdout } = await tiresias(['policy', pg, '--model', model, '--graph', svg]);
    expect(stdout).toContain('(105 nodes, worth 10.000000 at the start');
    expect(stdout).toContain('the first 100 of 105 nodes are drawn; raise --loss for fewer nodes, or write .dot for all of them');
    expect(readFileSync(svg, 'utf8')).toContain('5 more nodes');
    const { graph } = await document(['policy', pg, '--model', model, '--graph', dot]);
    expect(graph).toMatchObject({ nodes: 105, nodesBefore: 105, drawn: 105 });
    const { graph: fewer } = await document(['policy', pg, '--model', model, '--graph', dot, '--loss', '1']);
    expect(fewer.nodes).toBeLessThan(50);
    expect(fewer.value).toBeGreaterThan(9 - 1e-6);
  });
});
