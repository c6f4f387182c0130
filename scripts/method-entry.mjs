// What a method says of itself, as Markdown: docs/methods.md and the page of a method on the site have it from here.

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

/** Summary, what it knows and where it acts, its source, and its options. */
export function said({ summary, source, regimes, knows, needsSupport, options }) {
  const list = Object.entries(options.properties ?? {}).map(([key, schema]) => option([key, whole(schema, options.$defs ?? {})]));
  return [
    summary.replaceAll('\n', ' '),
    `Knows ${KNOWS[knows]}. Acts in ${regimes.join(', ')}${needsSupport ? '; needs support trajectories' : ''}. Source: ${source.replace(/\.$/, '')}.`,
    ...(list.length > 0 ? [`Options:\n\n${list.join('\n')}`] : []),
  ].join('\n\n');
}
