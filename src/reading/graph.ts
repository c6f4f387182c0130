// A policy as a graph with the names of its model: what is drawn, whatever the format.
import { TiresiasError } from '../errors.js';
import type { Model, PolicyGraph } from '../library.js';
import { Spaces } from '../serve/names.js';
import { grouped } from './grouped.js';

/** A node: what is done there. */
export interface GraphNode {
  id: string;
  /** Number of the action, and its name. */
  action: number;
  name: string;
  /** Number of the decision; 0 where all are alike. */
  stage: number;
}

/** What leads from a node to another one. */
export interface GraphEdge {
  from: string;
  to: string;
  /** What is seen then, in words. */
  label: string;
}

/** A graph to be drawn. */
export interface NamedGraph {
  title: string;
  /** Of the graph, in a sentence. */
  note: string;
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** The node to start in. */
  start: string;
  /** Number of stages with nodes of their own; null where one graph serves all decisions. */
  horizon: number | null;
}

/** Observations that an edge names; more are counted. */
const MOST_NAMES = 4;

/** The graph by names. */
export function namedGraph(graph: PolicyGraph, model: Model, title: string): NamedGraph {
  const { actions, observations } = new Spaces(model);
  const staged = graph.stages.length > 1;
  const id = (stage: number, node: number) => (staged ? `n${stage}_${node}` : `n${node}`);
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];
  for (const [stage, of] of graph.stages.entries()) {
    for (const [number, { action, next }] of of.entries()) {
      nodes.push({ id: id(stage, number), action, name: actions.nameOf(action), stage });
      const seen = grouped([...next.keys()].filter((o) => next[o] !== null), (o) => next[o]!);
      const longest = Math.max(0, ...[...seen.values()].map((list) => list.length));
      for (const [to, list] of seen) {
        // What most observations lead to is best said as the rest of them.
        const rest = seen.size > 1 && list.length > MOST_NAMES && list.length === longest;
        const label = seen.size === 1 ? (list.length === 1 ? observations.nameOf(list[0]!) : 'whatever is seen') : rest ? 'else' : inWords(list.map((o) => observations.nameOf(o)));
        edges.push({ from: id(stage, number), to: id(stage + (staged ? 1 : 0), to), label });
      }
    }
  }
  return { title, note: graphInWords(graph), nodes, edges, start: id(0, 0), horizon: staged ? graph.stages.length : null };
}

function inWords(names: string[]): string {
  const told = names.slice(0, MOST_NAMES).join(', ');
  return names.length > MOST_NAMES ? `${told} and ${names.length - MOST_NAMES} more` : told;
}

/** Number of nodes. */
export const nodesOf = (graph: PolicyGraph): number => graph.stages.reduce((sum, nodes) => sum + nodes.length, 0);

/** What merging did, in a sentence. */
export function graphInWords(graph: PolicyGraph): string {
  const { nodesBefore, valueBefore, value, complete } = graph;
  const nodes = nodesOf(graph);
  const count = `${nodes} node${nodes === 1 ? '' : 's'}`;
  const worth = `worth ${value.toFixed(6)} at the start`;
  if (nodes === nodesBefore) return `${count}, ${worth}${complete ? '' : '; merges were left untried, since the graph is too large'}`;
  const lost = Math.max(0, valueBefore - value);
  return `${count} of ${nodesBefore}, ${worth}, ${lost < 1e-9 * Math.max(1, Math.abs(value)) ? 'which loses nothing' : `${lost.toPrecision(3)} less than before`}${complete ? '' : '; merges were left untried, since the graph is too large'}`;
}

/** The first nodes of a graph, as they are met from the start, with one more for all the others. */
export function firstNodes(graph: NamedGraph, most: number): NamedGraph {
  if (graph.nodes.length <= most) return graph;
  // Nodes of a stage are numbered as they are met; stages follow one another.
  const kept = new Set(breadthFirst(graph).slice(0, most));
  const nodes = graph.nodes.filter(({ id }) => kept.has(id));
  const rest = { id: 'rest', action: -1, name: `${graph.nodes.length - most} more nodes`, stage: Math.max(...nodes.map(({ stage }) => stage)) + 1 };
  const edges = graph.edges.filter(({ from }) => kept.has(from)).map((edge) => (kept.has(edge.to) ? edge : { ...edge, to: rest.id }));
  const merged = [...grouped(edges, ({ from, to }) => `${from} ${to}`).values()].map((same) => ({ ...same[0]!, label: inWords(same.map(({ label }) => label)) }));
  return { ...graph, note: `${graph.note}; the first ${most} of ${graph.nodes.length} nodes are drawn`, nodes: [...nodes, rest], edges: merged };
}

function breadthFirst({ start, edges }: NamedGraph): string[] {
  const after = grouped(edges, ({ from }) => from);
  const order = [start];
  const met = new Set(order);
  for (const id of order) {
    for (const { to } of after.get(id) ?? []) {
      if (met.has(to)) continue;
      met.add(to);
      order.push(to);
    }
  }
  return order;
}

/** The formats that a graph is written in, by the suffix of a file. */
export type GraphFormat = 'svg' | 'dot' | 'mmd';

/** The format of a file's name. Throws USAGE. */
export function graphFormat(file: string): GraphFormat {
  const suffix = /\.([^./\\]+)$/.exec(file)?.[1]?.toLowerCase();
  if (suffix === 'svg' || suffix === 'dot' || suffix === 'mmd') return suffix;
  if (suffix === 'gv') return 'dot';
  if (suffix === 'mermaid') return 'mmd';
  throw new TiresiasError('USAGE', `--graph ${file}: a policy graph is written as .svg, .dot (Graphviz) or .mmd (Mermaid)`);
}
