// Writes the list in docs/methods.md from the registry: `node scripts/methods-page.mjs`, after `npm run build:ts`, which does so itself.
import { readFileSync, writeFileSync } from 'node:fs';
import { methods } from '../dist/methods/index.js';
import { said } from './method-entry.mjs';

const GROUPS = {
  reference: 'References: what could be had, and what costs nothing',
  language: 'Language models',
  network: 'Networks trained from nothing',
  imitation: 'Imitation of the support',
  model: 'A model from the support, and a plan in it',
  value: 'A value function from the support',
};

const entry = (method) => `### \`${method.name}\`: ${method.label}\n\n${said(method)}`;

const list = Object.entries(GROUPS).flatMap(([group, title]) => {
  const members = methods().filter((method) => method.group === group);
  return members.length === 0 ? [] : [`## ${title}`, ...members.map(entry)];
});

const page = new URL('../docs/methods.md', import.meta.url);
const [head, , tail] = readFileSync(page, 'utf8').split(/<!-- (?:generated from the registry|end of the generated part) -->\n/);
writeFileSync(page, `${head}<!-- generated from the registry -->\n${list.join('\n\n')}\n<!-- end of the generated part -->\n${tail}`);
