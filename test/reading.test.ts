// Policies that a person can read: graphs, beliefs in words, tables, pictures and walks.
import { describe, expect, it } from 'vitest';
import { AlphaPolicy, Model, TiresiasError, classicModel, drawTask, readPolicyGraph, solveSync } from '../src/index.js';
import { fasterSearch } from '../src/cli/faster.js';
import { beliefPlot } from '../src/reading/belief-plot.js';
import { beliefInWords, parseBelief } from '../src/reading/belief-text.js';
import { firstNodes, graphInWords, namedGraph, nodesOf, type NamedGraph } from '../src/reading/graph.js';
import { graphSvg } from '../src/reading/graph-svg.js';
import { graphDot, graphMermaid } from '../src/reading/graph-text.js';
import { Reader } from '../src/reading/reader.js';
import { stateTable, stateTableCsv } from '../src/reading/state-table.js';
import { Walk } from '../src/reading/walk.js';
import { png } from '../src/report/files.js';
import { Names, Spaces } from '../src/serve/names.js';

const tiger = classicModel('tiger');
const solution = solveSync(tiger, { solver: 'point', gap: 0.001 });

function thrown(call: () => unknown): TiresiasError {
  try {
    call();
  } catch (error) {
    if (error instanceof TiresiasError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** What an SVG shows, after a strict parser of XML has read it: width and height, and its texts with their places. */
function drawn(svg: string): { width: number; height: number; texts: string[] } {
  // resvg refuses what is not well-formed.
  expect(png(svg).length).toBeGreaterThan(500);
  const [, width, height] = /^<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg)!;
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);
  return { width: Number(width), height: Number(height), texts };
}

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

describe('a belief that is typed', () => {
  const { states } = new Spaces(tiger);
  const odd = new Names('state', 3, (i) => ['(0,1)', '7', 'a b'][i]!);

  it('names states, or numbers them, and leaves out what is impossible', () => {
    expect([...parseBelief('tiger-left=0.7,tiger-right=0.3', states)]).toEqual([0.7, 0.3]);
    expect([...parseBelief(' tiger-right = 1 ', states)]).toEqual([0, 1]);
    expect([...parseBelief('1=0.25, 0=0.75', states)]).toEqual([0.75, 0.25]);
    // A name may hold commas and blanks, and comes before a number.
    expect([...parseBelief('(0,1)=0.5,7=0.25,a b=0.25', odd)]).toEqual([0.5, 0.25, 0.25]);
    expect([...parseBelief('2=1', odd)]).toEqual([0, 0, 1]);
  });

  it('sums to 1 within a millionth', () => {
    expect(parseBelief('0=0.3333333,1=0.6666669', states).reduce((a, b) => a + b)).toBe(1);
    expect(thrown(() => parseBelief('0=0.5,1=0.6', states))).toMatchObject({ code: 'INVALID_ARGUMENT', message: 'the belief sums to 1.1, not to 1' });
    expect(thrown(() => parseBelief('0=0.5,1=0.499', states)).message).toContain('0.999');
  });

  it('is refused by the name of the state that is wrong', () => {
    expect(thrown(() => parseBelief('tiger-lft=1', states))).toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringContaining('did you mean tiger-left?') });
    expect(thrown(() => parseBelief('5=1', states)).code).toBe('UNKNOWN_NAME');
    for (const p of ['-0.1', '1.5', 'x', '', 'NaN']) expect(thrown(() => parseBelief(`tiger-left=${p},tiger-right=0.5`, states)).message).toContain("the belief's probability of state tiger-left");
    expect(thrown(() => parseBelief('tiger-left=0.5,0=0.5', states)).message).toContain('names state tiger-left twice');
    for (const text of ['', '   ', 'tiger-left', 'tiger-left:0.5']) expect(thrown(() => parseBelief(text, states)).message).toContain('tiger-left=0.7,tiger-right=0.3');
  });

  it('is told by its likeliest states', () => {
    const many = new Names('state', 10, (i) => `s${i}`);
    expect(beliefInWords(Float64Array.of(0.05, 0.55, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05), many)).toBe('s1 0.5500, s0 0.0500, s2 0.0500, s3 0.0500, s4 0.0500, s5 0.0500 and 4 more with 0.2000 together');
    // What is possible never looks impossible.
    expect(beliefInWords(Float64Array.of(1 - 1e-7, 1e-7, 0, 0, 0, 0, 0, 0, 0, 0), many)).toBe('s0 1.0000, s1 1.0e-7');
  });
});

describe('a policy graph', () => {
  const graph = solution.alphaPolicy().graph(0.01);
  const named = namedGraph(graph, tiger, 'tiger');

  it('has the fewest nodes, and says what they are worth', () => {
    // The literature's: listen until one growl is two ahead, then open and begin anew.
    expect(graph.stages.map((nodes) => nodes.length)).toEqual([5]);
    expect(graph.value).toBeGreaterThan(solution.lower - 0.011);
    expect(graph.value).toBeLessThan(solution.upper + 1e-9);
    expect(graph.valueBefore - graph.value).toBeLessThanOrEqual(0.01);
    expect(graph.complete).toBe(true);
    expect(graphInWords(graph)).toMatch(/^5 nodes( of \d+)?, worth 19\.3\d+ at the start/);
    // Two growls on the same side lead to the other door.
    const after = (node: number, observation: number) => graph.stages[0]![node]!.next[observation]!;
    const once = after(0, 0);
    expect(named.nodes[after(once, 0)]).toMatchObject({ name: 'open-right' });
    expect(after(once, 1)).toBe(0);
    expect(named.edges).toContainEqual({ from: 'n0', to: `n${once}`, label: 'hear-left' });
    // Whatever is heard after a door was opened says nothing.
    expect(named.edges.filter(({ label }) => label === 'whatever is seen').map(({ to }) => to)).toEqual(['n0', 'n0']);
  });

  it('has one node where anything may be lost', () => {
    const one = solution.alphaPolicy().graph(1e9);
    expect(nodesOf(one)).toBe(1);
    expect(graphInWords(one)).toMatch(/^1 node of \d+, worth .* less than before$/);
    expect(thrown(() => solution.alphaPolicy().graph(-1)).code).toBe('INVALID_ARGUMENT');
    expect(thrown(() => solution.alphaPolicy().graph(NaN)).code).toBe('INVALID_ARGUMENT');
  });

  it('is read from a file with its own nodes', () => {
    // Listening for ever in two nodes that are the same.
    const text = '0 0 1 1\n1 0 0 0\n';
    const read = readPolicyGraph(text, tiger);
    expect(read).toMatchObject({ nodesBefore: 2, stages: [[{ action: 0, next: [0, 0] }]] });
    expect(read.value).toBeCloseTo(-20, 8);
    expect(thrown(() => readPolicyGraph('0 0 1\n', tiger, 'x.pg'))).toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining('x.pg') });
    // The vectors of a graph are a policy; what it does is at least as good.
    expect(AlphaPolicy.parse(text, tiger, { format: 'pg' }).graph().value).toBeGreaterThan(-20 - 1e-8);
  });

  it('is drawn with every node and every arrow, inside its frame', () => {
    const svg = graphSvg(named);
    const { width, height, texts } = drawn(svg);
    expect(count(svg, /<g class="node">/g)).toBe(5);
    expect(count(svg, /class="edge"/g)).toBe(named.edges.length);
    expect(texts).toEqual(expect.arrayContaining(['listen', 'open-left', 'open-right', 'hear-left', 'hear-right', 'whatever is seen']));
    // Of the drawing within the sheet.
    const [, x, y, inner] = /<svg x="([\d.]+)" y="([\d.]+)"[^>]*>([^]*)<\/svg>\s*<\/svg>/.exec(svg)!;
    for (const [, left, top] of inner!.matchAll(/<(?:text|rect)[^>]* x="([\d.-]+)" y="([\d.-]+)"/g)) {
      expect(Number(left)).toBeGreaterThanOrEqual(0);
      expect(Number(x) + Number(left)).toBeLessThan(width);
      expect(Number(y) + Number(top)).toBeLessThan(height);
    }
    // A file knows neither the page's colours nor a dark scheme.
    expect(svg).not.toContain('var(');
    expect(count(svg, /stroke-width="3" ?\/>|stroke-width="3"(?=[^>]*\/>)/g)).toBeGreaterThanOrEqual(1);
  });

  it('is written for Graphviz and Mermaid', () => {
    const dot = graphDot(named);
    expect(count(dot, /^ {2}n\d \[label="(listen|open-left|open-right)"(, penwidth=2.5)?\];$/gm)).toBe(5);
    expect(count(dot, /^ {2}n\d -> n\d \[label="[^"]+"\];$/gm)).toBe(named.edges.length);
    expect(dot).toContain('  n0 [label="listen", penwidth=2.5];');
    const mermaid = graphMermaid(named);
    expect(mermaid).toMatch(/^%% tiger: 5 nodes[^\n]*\nflowchart TD\n {2}n0\("listen"\)\n/);
    expect(count(mermaid, /^ {2}n\d -->\|"[^"]+"\| n\d$/gm)).toBe(named.edges.length);
  });

  it('keeps odd names whole in every format', () => {
    const odd: NamedGraph = { title: 'a "title" & <b>', note: 'n', start: 'n0', horizon: null, nodes: [{ id: 'n0', action: 0, name: 'say "<&>" \\ |x|', stage: 0 }], edges: [{ from: 'n0', to: 'n0', label: '] & "end"' }] };
    expect(graphDot(odd)).toContain('n0 [label="say \\"<&>\\" \\\\ |x|", penwidth=2.5];');
    expect(graphMermaid(odd)).toContain('n0("say #34;#60;#38;#62;#34; #92; #124;x#124;")');
    expect(drawn(graphSvg(odd)).texts).toContain('say &quot;&lt;&amp;&gt;&quot; \\ |x|');
  });

  it('of a horizon has stages', () => {
    const staged = solveSync(tiger, { solver: 'exact', horizon: 4, gap: 0 });
    const policy = staged.alphaPolicy();
    const made = policy.graph();
    expect(made.stages).toHaveLength(4);
    expect(made.value).toBeCloseTo(staged.value, 8);
    expect(made.stages[3]!.every(({ next }) => next.every((node) => node === null))).toBe(true);
    const graph4 = namedGraph(made, staged.model(), 'tiger');
    const { texts } = drawn(graphSvg(graph4));
    for (let stage = 1; stage <= 4; stage++) expect(texts).toContain(`decision ${stage}`);
    expect(graphDot(graph4)).toMatch(/rankdir=LR;[^]*\{ rank=same; n0_0; \}/);
    expect(graphMermaid(graph4)).toContain('flowchart LR');
    const short = policy.graph(1e9);
    expect(short.stages.map((nodes) => nodes.length)).toEqual([1, 1, 1, 1]);
  });

  it('of many nodes is drawn as far as it can be read', () => {
    const ids = Array.from({ length: 30 }, (_, i) => `n${i}`);
    const chain: NamedGraph = {
      title: 't', note: '30 nodes', start: 'n0', horizon: null, nodes: ids.map((id) => ({ id, action: 0, name: 'go', stage: 0 })),
      edges: ids.flatMap((id, i) => [{ from: id, to: ids[(i + 1) % 30]!, label: 'on' }, { from: id, to: ids[0]!, label: 'back' }]),
    };
    const first = firstNodes(chain, 10);
    expect(first.nodes.map(({ id }) => id)).toEqual([...ids.slice(0, 10), 'rest']);
    expect(first.nodes.at(-1)!.name).toBe('20 more nodes');
    expect(first.edges.filter(({ to }) => to === 'rest')).toEqual([{ from: 'n9', to: 'rest', label: 'on' }]);
    expect(first.note).toBe('30 nodes; the first 10 of 30 nodes are drawn');
    expect(drawn(graphSvg(first)).texts).toContain('20 more nodes');
    expect(firstNodes(chain, 30)).toBe(chain);
  });
});

describe('a policy that is asked', () => {
  it('says what the solution says, by name', () => {
    const reader = new Reader(solution, tiger);
    const belief = Float64Array.of(0.97, 0.03);
    const said = reader.ask(0, belief);
    const [lower, upper] = solution.bounds(0, belief);
    expect(said).toMatchObject({ stage: 0, action: { index: 2, name: 'open-right', regretBound: solution.regretBound(0, belief, 2) }, lower, upper, belief: [{ name: 'tiger-left', probability: 0.97 }, { name: 'tiger-right', probability: 0.03 }] });
    expect(said.actions!.map(({ name }) => name)).toEqual(['listen', 'open-left', 'open-right']);
    expect(said.actions![0]!.value).toBe(solution.qValues(0, belief)[0]);
    // Another action than the policy's.
    expect(reader.ask(0, belief, 1).action).toMatchObject({ name: 'open-left', regretBound: solution.regretBound(0, belief, 1) });
  });

  it('says less where vectors prove nothing', () => {
    const vectors = solution.alphaPolicy();
    const reader = new Reader(vectors, tiger);
    const belief = Float64Array.of(0.5, 0.5);
    expect(reader.ask(0, belief)).toMatchObject({ action: { name: 'listen', regretBound: null }, lower: null, upper: null, actions: null, value: vectors.value(belief) });
    expect([...reader.update(0, belief, 0, 0).belief]).toEqual([0.85, expect.closeTo(0.15, 12)]);
  });
});

describe('a table by state', () => {
  it('has what the policy does in every state, at every stage', () => {
    const { model } = drawTask('energy', { index: 0, seed: 1, horizon: 3 });
    const solved = solveSync(model);
    const rows = stateTable(solved);
    expect(rows).toHaveLength(3 * model.states);
    for (const [i, row] of rows.entries()) {
      const [stage, state] = [Math.floor(i / model.states), i % model.states];
      const vertex = new Float64Array(model.states);
      vertex[state] = 1;
      const { action, lower, upper, regretBound } = solved.decide(stage, vertex);
      expect(row).toMatchObject({ stage, state: model.stateName(state), action: model.actionName(action), regretBound });
      expect(row.value).toBeGreaterThanOrEqual(lower - 1e-9);
      expect(row.value).toBeLessThanOrEqual(upper + 1e-9);
    }
    expect(stateTableCsv(rows).split('\n')[0]).toBe('stage,state,action,value,regretBound');
  });

  it('has one stage without a horizon, and none of hidden states', () => {
    const two = Model.fromJson(JSON.stringify({ schema: 'tiresias.model/1', name: 'two', states: ['a, "b"', 'c'], actions: ['stay', 'go'], discount: 0.5, start: [1, 0], reward: { state_action: [[0, 1], [0, 0]] }, dynamics: [{ transition: [[[1, 0], [0, 1]], [[0, 1], [1, 0]]] }] }));
    const rows = stateTable(solveSync(two));
    expect(rows.map(({ stage }) => stage)).toEqual([null, null]);
    expect(stateTableCsv(rows).split('\n').slice(0, 2)).toEqual(['state,action,value,regretBound', expect.stringMatching(/^"a, ""b""",go,1\.0000/)]);
    expect(thrown(() => stateTable(solution)).code).toBe('USAGE');
    expect(thrown(() => solution.stateTable(0)).code).toBe('INVALID_ARGUMENT');
    expect(thrown(() => stateTable(solution.alphaPolicy())).code).toBe('USAGE');
  });
});

describe('a picture of all beliefs', () => {
  it('about two states shows where one action gives way to another', async () => {
    const reader = new Reader(solution, tiger);
    const svg = await beliefPlot(reader, 0, 'tiger');
    const { texts } = drawn(svg);
    expect(texts).toEqual(expect.arrayContaining(['Value', 'Probability of tiger-right (else tiger-left)', 'listen']));
    const bands = [...texts.join(' ').matchAll(/(listen|open-\w+) from ([\d.]+) to ([\d.]+)/g)].map(([, action, from, to]) => ({ action, from: Number(from), to: Number(to) }));
    expect(bands.map(({ action }) => action)).toEqual(['open-right', 'listen', 'open-left']);
    for (const { action, from, to } of bands) for (const p of [from + 2e-4, (from + to) / 2, to - 2e-4]) expect(tiger.actionName(solution.action(0, [1 - p, p]))).toBe(action);
    expect(texts.join(' ')).toMatch(/the bounds are at most [\d.e-]+ apart/);
    expect(svg).not.toContain('var(');
    expect(texts.join(' ')).not.toContain('decision');
  });

  it('about three states is a triangle coloured by what is done', async () => {
    // Whoever says which of three it is, is paid; asking costs, and tells.
    const guess = Model.parse(`discount: 0.9\nstates: red green blue\nactions: ask red green blue\nobservations: red green blue\nT: * identity\nT: red uniform\nT: green uniform\nT: blue uniform\nO: *\nuniform\nO: ask\n0.8 0.1 0.1\n0.1 0.8 0.1\n0.1 0.1 0.8\nR: ask : * : * : * -1\nR: red : * : * : * -10\nR: green : * : * : * -10\nR: blue : * : * : * -10\nR: red : red : * : * 5\nR: green : green : * : * 5\nR: blue : blue : * : * 5\n`).model;
    const solved = solveSync(guess, { solver: 'point', gap: 0.1 });
    const svg = await beliefPlot(new Reader(solved, guess), 0, 'guess');
    const { texts } = drawn(svg);
    expect(texts).toEqual(expect.arrayContaining(['certainly red', 'certainly green', 'certainly blue', 'ask', 'red', 'green', 'blue']));
    // Four regions on the one, steps of the value on the other.
    expect(count(svg, /class="region"/g)).toBeGreaterThanOrEqual(4 + 5);
    const shares = [...texts.join(' ').matchAll(/(ask|red|green|blue) in ([\d.]+)%/g)].map(([, , share]) => Number(share));
    expect(shares).toHaveLength(4);
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(100, 0);
    // The three are told alike.
    expect(Math.max(...shares.slice(1)) - Math.min(...shares.slice(1))).toBeLessThan(3);
  });

  it('says which decision of a horizon it is of, and refuses more states', async () => {
    const staged = solveSync(tiger, { horizon: 3 });
    const svg = await beliefPlot(new Reader(staged, staged.model()), 2, 'tiger');
    expect(drawn(svg).texts.join(' ')).toContain('tiger, decision 3 of 3');
    const many = classicModel('shuttle');
    await expect(beliefPlot(new Reader(solution, many), 0, 'x')).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(`this model has ${many.states}`) });
  });

  it('is drawn of vectors, which prove no bounds', async () => {
    const texts = drawn(await beliefPlot(new Reader(solution.alphaPolicy(), tiger), 0, 'tiger')).texts.join(' ');
    expect(texts).toContain('which prove no bounds');
  });
});

describe('a walk', () => {
  it('follows what is typed, and goes back', () => {
    const walk = new Walk(new Reader(solution, tiger));
    expect(walk.step()).toMatchObject({ stage: 0, after: null, action: { name: 'listen', followed: true }, expected: [{ name: 'hear-left', probability: 0.5 }, { name: 'hear-right', probability: 0.5 }] });
    expect(walk.type('hear-left')).toEqual({ done: false });
    expect(walk.step()).toMatchObject({ stage: 1, after: { action: 'listen', observation: 'hear-left', likelihood: 0.5 }, belief: [{ name: 'tiger-left', probability: 0.85 }, { name: 'tiger-right', probability: expect.closeTo(0.15, 12) }] });
    walk.type('0');
    expect(walk.step()).toMatchObject({ stage: 2, action: { name: 'open-right' } });
    // Another action than the policy's, and what it can lose.
    walk.type('open-left');
    const { action, belief } = walk.step();
    expect(action).toMatchObject({ name: 'open-left', followed: false });
    expect(action!.regretBound).toBeGreaterThan(50);
    walk.type('hear-right');
    expect(walk.step()).toMatchObject({ stage: 3, after: { action: 'open-left', observation: 'hear-right' }, belief: [{ probability: 0.5 }, { probability: 0.5 }] });
    walk.type('back');
    expect(walk.step()).toMatchObject({ belief, action: { followed: false } });
    walk.type('back');
    expect(walk.step()).toMatchObject({ stage: 2, action: { name: 'open-right', followed: true } });
    walk.type('reset');
    expect(walk.step()).toMatchObject({ stage: 0 });
    expect(walk.type('back').say).toBe('this is the start');
    expect(walk.type('quit').done).toBe(true);
  });

  it('stays where it is when something cannot be followed', () => {
    const walk = new Walk(new Reader(solution, tiger));
    expect(thrown(() => walk.type('hear-lft'))).toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringContaining('did you mean hear-left?') });
    expect(thrown(() => walk.type('see nothing')).code).toBe('UNKNOWN_NAME');
    expect(thrown(() => walk.type('7')).code).toBe('UNKNOWN_NAME');
    expect(walk.step()).toMatchObject({ stage: 0 });
    expect(walk.words()).toMatch(/^decision 1\n {2}belief {2}tiger-left 0\.5000, tiger-right 0\.5000\n {2}does {4}listen/);
  });

  it('ends with the horizon', () => {
    const staged = solveSync(tiger, { horizon: 1 });
    const walk = new Walk(new Reader(staged, staged.model()));
    walk.type('do listen');
    walk.type('see hear-left');
    expect(walk.step()).toMatchObject({ stage: 1, action: null, lower: null, expected: [] });
    expect(walk.words()).toContain('the horizon is over');
    expect(thrown(() => walk.type('hear-left')).code).toBe('HORIZON_OVER');
  });

  it('begins, where the start is drawn and seen, with the state', () => {
    const { model } = drawTask('energy', { index: 0, seed: 1, horizon: 3 });
    const solved = solveSync(model);
    const walk = new Walk(new Reader(solved, model));
    const seen = model.stateName(model.start().findIndex((p) => p > 0));
    if (model.start().filter((p) => p > 0).length > 1) {
      expect(walk.step().action).toBeNull();
      expect(thrown(() => walk.type(`do ${model.actionName(0)}`)).code).toBe('INVALID_ARGUMENT');
      walk.type(`see ${seen}`);
    }
    expect(walk.step()).toMatchObject({ stage: 0, belief: [{ name: seen, probability: 1 }], action: { followed: true } });
  });

  it('refuses what no model allows', () => {
    // Certain that he stays and is seen.
    const seen = Model.parse('discount: 0.9\nstates: a b\nactions: stay\nobservations: a b\nstart: 1 0\nT: * identity\nO: *\n1 0\n0 1\nR: * : a : * : * 1\n').model;
    for (const policy of [solveSync(seen, { solver: 'point' }), solveSync(seen, { solver: 'point' }).alphaPolicy()]) {
      const walk = new Walk(new Reader(policy, seen));
      expect(thrown(() => walk.type('b'))).toMatchObject({ code: 'IMPOSSIBLE_OBSERVATION', message: 'b cannot be seen after stay, says the belief' });
      walk.type('a');
      expect(walk.step().stage).toBe(1);
    }
  });

  it('through a cloud needs a policy that answers for nature', () => {
    const cloud = Model.cloud([tiger, tiger]);
    expect(thrown(() => new Walk(new Reader(solution.alphaPolicy(), cloud))).code).toBe('USAGE');
  });
});

describe('an exact solve that took long', () => {
  it('tells that the search is faster only where it was, just now', async () => {
    const { signal } = new AbortController();
    expect(await fasterSearch(tiger, { solver: 'exact', seconds: 5 }, 0.01, signal)).toBeGreaterThan(0);
    // A short solve, another solver, and a gap that the search does not reach.
    expect(await fasterSearch(tiger, { solver: 'exact', seconds: 0.5 }, 0.01, signal)).toBeUndefined();
    expect(await fasterSearch(tiger, { solver: 'search', seconds: 5 }, 0.01, signal)).toBeUndefined();
    expect(await fasterSearch(tiger, { solver: 'exact', seconds: 5 }, 0, signal)).toBeUndefined();
  });
});
