// Writes the list in docs/methods.md from the registry: `node scripts/methods-page.mjs`, after `npm run build:ts`, which does so itself.
import { readFileSync, writeFileSync } from 'node:fs';
import { methods } from '../dist/methods/index.js';

const GROUPS = {
  reference: 'References: what could be had, and what costs nothing',
  language: 'Language models',
  network: 'Networks trained from nothing',
  imitation: 'Imitation of the support',
  model: 'A model from the support, and a plan in it',
  value: 'A value function from the support',
};

const KNOWS = { nothing: 'the support and the history', family: 'the support, the history and the family of tasks', task: 'the task itself' };

/** A schema with the definition that it refers to in its place. */
function whole(schema, definitions) {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref ?? schema.anyOf?.find((one) => one.$ref)?.$ref;
  return reference === undefined ? schema : { ...definitions[reference.split('/').at(-1)], ...schema };
}

/** One option of a schema: name, type or choices, bounds, default, meaning. */
function option([name, schema]) {
  const choices = schema.enum ?? schema.oneOf?.flatMap((one) => one.enum ?? [one.const]);
  const type = choices?.map((word) => `\`"${word}"\``).join(' or ') ?? [schema.type].flat().filter((one) => one !== 'null').join(' or ');
  const from = schema.minimum ?? schema.exclusiveMinimum;
  const to = schema.maximum ?? schema.exclusiveMaximum;
  const range = from === undefined && to === undefined ? '' : ` ${from === undefined ? '' : `from ${from}`}${to === undefined ? '' : ` to ${to}`}`;
  const usual = schema.default === undefined || schema.default === null ? '' : `, default ${JSON.stringify(schema.default)}`;
  const meaning = (schema.description ?? '').replaceAll('\n', ' ');
  return `- \`${name}\` (${(type + range).trim()}${usual}): ${meaning}`;
}

function entry({ name, label, summary, source, regimes, knows, needsSupport, options }) {
  const list = Object.entries(options.properties ?? {}).map(([key, schema]) => option([key, whole(schema, options.$defs ?? {})]));
  return [
    `### \`${name}\`: ${label}`,
    summary.replaceAll('\n', ' '),
    `Knows ${KNOWS[knows]}. Acts in ${regimes.join(', ')}${needsSupport ? '; needs support trajectories' : ''}. Source: ${source.replace(/\.$/, '')}.`,
    ...(list.length > 0 ? [`Options:\n\n${list.join('\n')}`] : []),
  ].join('\n\n');
}

const list = Object.entries(GROUPS).flatMap(([group, title]) => {
  const members = methods().filter((method) => method.group === group);
  return members.length === 0 ? [] : [`## ${title}`, ...members.map(entry)];
});

const page = new URL('../docs/methods.md', import.meta.url);
const [head, , tail] = readFileSync(page, 'utf8').split(/<!-- (?:generated from the registry|end of the generated part) -->\n/);
writeFileSync(page, `${head}<!-- generated from the registry -->\n${list.join('\n\n')}\n<!-- end of the generated part -->\n${tail}`);
