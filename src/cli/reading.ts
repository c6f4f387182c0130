// What `solve` and `policy` share: the options that show a policy to a person, and what they print and write.
import type { Command } from 'commander';
import { createInterface } from 'node:readline';
import { TiresiasError, messageOf } from '../errors.js';
import { checkWritable, writeAtomic } from '../files.js';
import type { Model, PolicyGraph } from '../library.js';
import { parseBelief } from '../reading/belief-text.js';
import { firstNodes, graphFormat, graphInWords, namedGraph, nodesOf } from '../reading/graph.js';
import { graphDot, graphMermaid } from '../reading/graph-text.js';
import type { Reader } from '../reading/reader.js';
import type { Walk } from '../reading/walk.js';
import { Spaces } from '../serve/names.js';
import { columns, integer, number, printErrorDocument } from './common.js';

export interface ReadingOptions {
  belief?: string[];
  stage?: number;
  graph?: string;
  loss?: number;
  table?: true;
  beliefPlot?: string;
  walk?: true;
}

/** Adds the options that show a policy. */
export function withReadingOptions(command: Command): Command {
  const collected = (text: string, before: string[] = []): string[] => [...before, text];
  return command
    .option('--graph <file>', 'write the policy as a graph: .svg, .dot (Graphviz) or .mmd (Mermaid)')
    .option('--loss <x>', 'with --graph: merge nodes while the value at the start loses no more than this, in units of reward', number(0))
    .option('--belief <text>', 'ask at a belief, as in "healthy=0.7,sick=0.3", by names or numbers of states; may be repeated', collected)
    .option('--stage <n>', 'with --belief and --belief-plot: number of the decision, from 0', integer(0))
    .option('--table', 'where states are seen: what is done in each, as CSV')
    .option('--belief-plot <file>', 'of two or three states: draw what is done, and the bounds, over all beliefs (SVG)')
    .option('--walk', 'step through the policy: type what was seen (see docs/reading-policies.md)');
}

/** The names of the options, as commander has them. */
export const READING = ['belief', 'stage', 'graph', 'loss', 'table', 'beliefPlot', 'walk'] as const;

/** Refuses what cannot be shown of the policies of a model, before anything is solved. Throws USAGE, INVALID_ARGUMENT, UNKNOWN_NAME. */
export async function checkReading(options: ReadingOptions, model: Model): Promise<void> {
  const { belief = [], stage, graph, loss, table, beliefPlot: plot, walk } = options;
  if (graph !== undefined) {
    graphFormat(graph);
    if (model.observations === 0) throw new TiresiasError('USAGE', '--graph: states are seen, so that the policy needs no memory; --table says what it does in each');
    if (model.models > 1) throw new TiresiasError('USAGE', '--graph: a policy graph follows one model, and this is a cloud of several; step through the policy with --walk');
  } else if (loss !== undefined) throw new TiresiasError('USAGE', '--loss goes with --graph FILE');
  if (stage !== undefined && belief.length === 0 && plot === undefined) throw new TiresiasError('USAGE', '--stage goes with --belief or --belief-plot');
  if (stage !== undefined && model.horizon !== null && stage >= model.horizon) throw new TiresiasError('USAGE', `--stage ${stage}: the horizon has ${model.horizon} decisions, at stages 0 to ${model.horizon - 1}`);
  if (stage !== undefined && model.horizon === null) throw new TiresiasError('USAGE', '--stage: the model has no horizon, and all its decisions are alike; leave it out');
  if (plot !== undefined && !/\.svg$/i.test(plot)) throw new TiresiasError('USAGE', `--belief-plot ${plot}: a drawing is written as SVG; give the file the suffix .svg`);
  if (table && model.observations > 0) throw (await import('../reading/state-table.js')).hidden();
  if (plot !== undefined) (await import('../reading/belief-plot.js')).checkPlottable(model);
  if (walk && belief.length > 1) throw new TiresiasError('USAGE', '--walk begins at one --belief, not at several');
  const { states } = new Spaces(model);
  for (const text of belief) parseBelief(text, states);
  for (const out of [graph, plot]) if (out !== undefined) await checkWritable(out);
}

/** What there is to print of a policy. */
export interface Shown {
  json: object;
  rows: (readonly [string, string])[];
  /** Text that follows the rows. */
  rest: string[];
}

/** Nodes of a drawing; a graph of more is not read by anyone. Graphviz gets all of them. */
const MOST_NODES = 100;

/** Asks, draws and writes what the options say. `graphOf` makes the policy's graph with nodes merged. */
export async function showPolicy(reader: Reader, options: ReadingOptions, title: string, graphOf: (loss: number) => PolicyGraph | Promise<PolicyGraph>): Promise<Shown> {
  const { graph, loss = 0, table, beliefPlot: plot, stage = 0, walk } = options;
  const json: Record<string, unknown> = {};
  const rows: [string, string][] = [];
  const rest: string[] = [];
  if (graph !== undefined) {
    const made = await graphOf(loss);
    const drawn = await writeGraph(graph, made, reader.model, title);
    const nodes = nodesOf(made);
    json['graph'] = { file: graph, nodes, nodesBefore: made.nodesBefore, drawn, value: made.value, valueBefore: made.valueBefore, loss, complete: made.complete };
    rows.push(['graph', `${graph} (${graphInWords(made)})`]);
    if (drawn < nodes) rows.push(['', `the first ${drawn} of ${nodes} nodes are drawn; raise --loss for fewer nodes, or write .dot for all of them`]);
  }
  if (plot !== undefined) {
    const { beliefPlot } = await import('../reading/belief-plot.js');
    await writeAtomic(plot, await beliefPlot(reader, stage, title));
    json['beliefPlot'] = plot;
    rows.push(['belief plot', plot]);
  }
  // A walk begins at the belief and says itself what is done there.
  const beliefs = walk ? [] : (options.belief ?? []).map((text) => parseBelief(text, reader.spaces.states));
  if (beliefs.length > 0) {
    const { saidInRows } = await import('../reading/reader.js');
    const said = beliefs.map((belief) => reader.ask(stage, belief));
    json['beliefs'] = said;
    rest.push(...beliefs.map((belief, i) => columns(saidInRows(reader, belief, said[i]!))));
  }
  if (table) {
    const { stateTable, stateTableCsv } = await import('../reading/state-table.js');
    const states = stateTable(reader.policy);
    json['table'] = states;
    rest.push(stateTableCsv(states));
  }
  return { json, rows, rest };
}

/** Writes a graph in the format of the file's suffix and returns the number of nodes drawn. */
async function writeGraph(file: string, graph: PolicyGraph, model: Model, title: string): Promise<number> {
  const format = graphFormat(file);
  const whole = namedGraph(graph, model, title);
  const drawn = format === 'dot' ? whole : firstNodes(whole, MOST_NODES);
  const { graphSvg } = await import('../reading/graph-svg.js');
  await writeAtomic(file, format === 'dot' ? graphDot(drawn) : format === 'mmd' ? graphMermaid(drawn) : graphSvg(drawn));
  return Math.min(whole.nodes.length, format === 'dot' ? Infinity : MOST_NODES);
}

/** The walk that the options ask for. */
export async function walkOf(reader: Reader, { belief, stage }: ReadingOptions): Promise<Walk> {
  const { Walk } = await import('../reading/walk.js');
  return belief === undefined ? new Walk(reader) : new Walk(reader, stage, parseBelief(belief[0]!, reader.spaces.states));
}

/**
 * Steps through a policy as lines come from standard input, until `quit` or their end: places in words, or with `json` a line each. What
 * cannot be followed is said, and the walk goes on.
 */
export async function walkThrough(walk: Walk, json: boolean, signal: AbortSignal): Promise<void> {
  const typing = process.stdin.isTTY;
  const put = (text: string) => process.stdout.write(`${text}\n`);
  const show = () => {
    put(json ? JSON.stringify(walk.step()) : walk.words());
    if (typing && !json) process.stdout.write('> ');
  };
  // In the terminal's own mode Ctrl-C is a signal.
  const lines = createInterface({ input: process.stdin, terminal: false });
  const stop = () => lines.close();
  signal.addEventListener('abort', stop);
  show();
  try {
    for await (const line of lines) {
      // What comes out of a pipe reads like what was typed.
      if (!typing && !json) put(`> ${line}`);
      try {
        const { done, say } = walk.type(line);
        if (done) break;
        if (say !== undefined && !json) put(`  ${say}`);
      } catch (error) {
        if (!(error instanceof TiresiasError)) throw error;
        if (json) {
          printErrorDocument(error);
          continue;
        }
        put(`  ${messageOf(error)}`);
      }
      show();
    }
  } finally {
    signal.removeEventListener('abort', stop);
    lines.close();
    // An open pipe would be waited for.
    process.stdin.destroy();
  }
  signal.throwIfAborted();
}
