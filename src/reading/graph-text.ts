// Policy graphs as text for other tools: Graphviz and Mermaid.
import type { NamedGraph } from './graph.js';

/** A string of the DOT language. */
const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replace(/\r?\n/g, '\\n')}"`;

/** The graph in Graphviz' DOT language; stages are ranks. */
export function graphDot({ title, note, nodes, edges, start, horizon }: NamedGraph): string {
  const stages = horizon === null ? [] : Array.from({ length: horizon }, (_, stage) => nodes.filter((node) => node.stage === stage).map(({ id }) => `${id};`).join(' ')).filter(Boolean);
  return [
    'digraph policy {',
    `  label=${quoted(`${title}: ${note}`)};`,
    `  rankdir=${horizon === null ? 'TB' : 'LR'};`,
    '  node [shape=box, style=rounded, fontname="Helvetica"];',
    '  edge [fontname="Helvetica", fontsize=11];',
    ...nodes.map(({ id, name }) => `  ${id} [label=${quoted(name)}${id === start ? ', penwidth=2.5' : ''}];`),
    ...stages.map((ids) => `  { rank=same; ${ids} }`),
    ...edges.map(({ from, to, label }) => `  ${from} -> ${to} [label=${quoted(label)}];`),
    '}',
    '',
  ].join('\n');
}

/** A text in a Mermaid diagram, whose own escapes are entities with a `#`. */
const entity = (text: string): string => `"${text.replace(/[#"<>&\\`|{}[\]()]/g, (character) => `#${character.codePointAt(0)};`).replace(/\s+/g, ' ')}"`;

/** The graph as a Mermaid flowchart, as GitHub and many editors draw it. */
export function graphMermaid({ title, note, nodes, edges, start, horizon }: NamedGraph): string {
  return [
    `%% ${`${title}: ${note}`.replace(/[\r\n{}]+/g, ' ')}`,
    `flowchart ${horizon === null ? 'TD' : 'LR'}`,
    ...nodes.map(({ id, name }) => `  ${id}(${entity(name)})`),
    ...edges.map(({ from, to, label }) => `  ${from} -->|${entity(label)}| ${to}`),
    `  style ${start} stroke-width:3px`,
    '',
  ].join('\n');
}
