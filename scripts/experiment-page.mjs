// Writes docs/experiment.md from the JSON Schema of experiments: `node scripts/experiment-page.mjs`, after `npm run build:ts`, which does so itself.
import { writeFileSync } from 'node:fs';
import { experimentJsonSchema } from '../dist/experiment.js';

const schema = experimentJsonSchema();

/** The sections: heading, what it is about, the part of the schema whose fields it lists, and an example. */
const objectOf = (node, has) => (node.anyOf ?? [node]).find(({ properties }) => properties && (has === undefined || has in properties));
const { family, support, query, solver, templates, dataset, base, training, evaluation } = schema.properties;
const fromRecords = objectOf(family, 'logs');
const SECTIONS = [
  ['The file', 'The fields of the file itself. Only `schema` and `name` are required. Every other field has a default.', '', schema,
    { schema: 'tiresias.experiment/1', name: 'first', seed: 1, regimes: ['mdp', 'apomdp'], horizon: 10, models: 3, alpha: 1 }],
  ['`family`: models of your own', 'Instead of a name, `family` may be an object that names a folder of model files ([your-own-family.md](your-own-family.md)).', 'family', objectOf(family, 'models'),
    { family: { models: 'models' } }],
  ['`family`: a document of your own', 'Or an object that names a JSON document of numbers, their ranges, and a model of expressions.', 'family', objectOf(family, 'document'),
    { family: { document: 'machines.json' } }],
  ['`family`: a module of your own', 'Or an object that names a JavaScript module that draws models.', 'family', objectOf(family, 'module'),
    { family: { module: 'machines.mjs', tasks: { train: 200, test: 50 }, seed: 1, options: { wear: 0.3 } } }],
  ['`family`: records of your own', 'Or `family` may be an object that names records. Models are fitted to them, and each task has one of these models ([your-own-data.md](your-own-data.md)).', 'family', fromRecords,
    { family: { logs: 'patients.csv', schema: 'schema.json', fit: { kind: 'mdp', horizon: 5 }, tasks: { train: 100, test: 20 }, heldOut: 0.3 } }],
  ['`family.fit`', 'How models are fitted to the records.', 'family.fit', fromRecords.properties.fit],
  ['`family.tasks`', 'How many tasks a family from records has.', 'family.tasks', fromRecords.properties.tasks],
  ['`logs`', schema.properties.logs.description, 'logs', schema.properties.logs],
  ['`support`', support.description, 'support', support, { support: { trajectories: 2, behaviour: 'epsilon:0.2' } }],
  ['`query`', query.description, 'query', query, { query: { behaviour: 'epsilon:0.2' } }],
  ['`solver`', solver.description, 'solver', solver, { solver: { gap: 0.05, timeSeconds: null } }],
  ['`templates`', templates.description, 'templates', templates, { templates: { mdp: { rewardWidth: 3 }, pomdp: { queryReward: 'hidden' } } }],
  ['`templates.mdp`, `templates.pomdp`, `templates.apomdp`', 'All three have the same fields. A field that is left out keeps the value of the family.', 'templates.mdp', templates.properties.mdp],
  ['`dataset`', dataset.description, 'dataset', dataset, { dataset: { split: 'train', examples: 400, format: 'parquet' } }],
  ['`base`: a name', `${base.description} One of three forms; this one is a name.`, 'base', objectOf(base, 'name'), { base: { name: 'smollm2-135m-instruct' } }],
  ['`base`: a file or folder', 'A model of your own.', 'base', objectOf(base, 'path'), { base: { path: 'model.gguf' } }],
  ['`base`: the hub', 'A model that is downloaded from the Hugging Face hub.', 'base', objectOf(base, 'hub'), { base: { hub: 'meta-llama/Llama-2-7b-hf' } }],
  ['`training`', training.description, 'training', training, { training: { backend: 'candle', steps: 100, batchSize: 8 } }],
  ['`training.lora`', training.properties.lora.description, 'training.lora', training.properties.lora, { training: { lora: { r: 8, alpha: 16, targets: ['q_proj', 'v_proj'] } } }],
  ['`training.optimizer`', training.properties.optimizer.description, 'training.optimizer', training.properties.optimizer, { training: { optimizer: { lr: 0.001, schedule: 'cosine', warmupSteps: 8 } } }],
  ['`evaluation`', evaluation.description, 'evaluation', evaluation, { evaluation: { split: 'test', tasks: 60, methods: ['oracle', 'sft', 'random'] } }],
  ['`evaluation.methods`', 'An item of the list is a name, the path of a module, or an object with these fields.', 'evaluation.methods[]', objectOf(evaluation.properties.methods.items),
    { evaluation: { methods: ['oracle', 'random', { method: 'empirical', name: 'planning', options: { priorWeight: 0.5 } }] } }],
  ['`evaluation.deployment`', evaluation.properties.deployment.description, 'evaluation.deployment', evaluation.properties.deployment, { evaluation: { deployment: { episodes: 5, remember: 3 } } }],
];

const code = (value) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
/** Above this, a bound is only the largest exact integer. */
const EXACT = Number.MAX_SAFE_INTEGER;

function bounds({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }) {
  const above = minimum !== undefined && minimum > -EXACT ? `at least ${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
  const below = maximum !== undefined && maximum < EXACT ? `at most ${maximum}` : exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : '';
  return [above, below].filter((one) => one !== '').join(', ');
}

function typeOf(node) {
  if (node.const !== undefined) return code(node.const);
  if (node.enum) return node.enum.map(code).join(' or ');
  if (node.anyOf) return [...new Set(node.anyOf.map(typeOf))].join(' or ');
  const limits = bounds(node);
  switch (node.type) {
    case 'array': return node.prefixItems ? `a list of ${node.prefixItems.length}: ${typeOf(node.prefixItems[0])}` : `a list: ${typeOf(node.items)}`;
    case 'boolean': return '`true` or `false`';
    case 'string': return node.minLength === 1 && node.maxLength === 1 ? 'one character' : 'text';
    case 'null': return '`null`';
    case 'object': return 'an object';
    default: return limits === '' ? node.type : `${node.type}, ${limits}`;
  }
}

const cell = (text) => text.replaceAll('|', '\\|');
/** Pages that a description names are links here. */
const linked = (text) => text.replaceAll(/docs\/([\w.-]+\.(?:md|json))/g, '[$1]($1)');
const isWritten = ({ type, default: usual }) => usual !== undefined && !(type === 'object' && Object.keys(usual).length === 0);

function section([heading, about, path, node, example]) {
  const required = node.required ?? [];
  const rows = Object.entries(node.properties).map(([name, one]) => {
    const usual = required.includes(name) ? 'required' : isWritten(one) ? code(one.default) : '';
    return `| \`${name}\` | ${cell(typeOf(one))} | ${cell(usual)} | ${cell(linked(one.description))} |`;
  });
  return [
    `## ${heading}`, linked(about), ...(path === '' ? [] : [`Fields of \`${path}\`:`]),
    `| field | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}`,
    ...(example ? [`\`\`\`json\n${JSON.stringify(example, null, 2)}\n\`\`\``] : []),
  ].join('\n\n');
}

writeFileSync(new URL('../docs/experiment.md', import.meta.url), `# The experiment file

An experiment is one JSON file. It says which tasks are drawn, which training data is made, which model is trained, and how the methods are compared.
\`tiresias run --config FILE\` does all of this ([quick-start.md](quick-start.md) shows what it does). \`dataset make\`, \`train\` and \`evaluate\` take the same file and do one step each.

The first line below makes an editor show the meaning of each field, and complete names:

\`\`\`json
{
  "$schema": "node_modules/@tiresias-rl/tiresias/docs/experiment.schema.json",
  "schema": "tiresias.experiment/1",
  "name": "first"
}
\`\`\`

This is the path of [experiment.schema.json](experiment.schema.json) in a folder where the package is installed.
An error in the file names the path of the field, for example \`$.training.lora.r\`, and what was expected there.

This page is made from that schema by scripts/experiment-page.mjs: do not edit it. Words such as *support*, *query* and *regime* are explained in the [glossary](glossary.md).
A field without a default may be left out; its meaning says what happens then. The examples of the sections show only the fields of that section.

${SECTIONS.map(section).join('\n\n')}
`);
