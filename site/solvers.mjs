// A page for each solver: what it says of itself, a small solve with its answer, and where its code is.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { tiresias } from './command.mjs';
import { root, title, write } from './pages.mjs';

const { solvers } = createRequire(import.meta.url)('../native/index.cjs');

/** The page that explains how it works, and a small model for it; a new solver has a page without them. */
const MORE = {
  search: ['point-based.md', 'tiger'],
  exact: ['exact.md', 'tiger --horizon 10'],
  faces: ['apomdp.md', 'examples/ambiguous-tiger.json'],
  plans: ['apomdp.md', 'examples/ambiguous-tiger.json --gap 0.1 --time 10'],
  estimate: ['apomdp.md', 'examples/ambiguous-tiger.json'],
  corners: ['apomdp.md', 'examples/ambiguous-tiger.json'],
  'backward-induction': ['mdp.md', '--family energy --horizon 10'],
  'modified-policy-iteration': ['mdp.md', 'examples/robust-machine.json'],
  'value-iteration': ['mdp.md', 'examples/robust-machine.json'],
  'policy-iteration': ['mdp.md'],
};

const folder = join(root, 'crates', 'solve', 'src');
const files = readdirSync(folder, { recursive: true }).map((path) => path.replaceAll('\\', '/')).filter((path) => path.endsWith('.rs'));

/** The file that implements a solver: the registry says its type. */
function code(name) {
  const registry = readFileSync(join(folder, 'registry.rs'), 'utf8');
  const type = new RegExp(`name: "${name}",[^}]*?build: \\|\\| Box::new\\((\\w+)`).exec(registry)?.[1];
  const file = files.find((path) => new RegExp(`impl Solver for ${type}\\b`).test(readFileSync(join(folder, path), 'utf8')));
  if (!file) throw new Error(`no file of crates/solve/src implements the solver ${name} (type ${type})`);
  return `crates/solve/src/${file}`;
}

/** Writes the pages. */
export async function solverPages() {
  for (const { name, aliases, treats, summary, source } of solvers()) {
    const [guide, model] = MORE[name] ?? [];
    const file = code(name);
    const command = `solve ${model} --solver ${name}`;
    write(`docs/solvers/${name}.md`, [
      `# The solver \`${name}\``,
      `${summary[0].toUpperCase()}${summary.slice(1)}.`,
      `Treats ${treats}.${aliases.length > 0 ? ` Also called ${aliases.map((alias) => `\`${alias}\``).join(', ')}.` : ''} Source: ${source}.`,
      ...(guide ? [`How it works, and what is proven: [${title(readFileSync(join(root, 'docs', guide), 'utf8'))}](../${guide}).`] : []),
      ...(model ? ['## An example', `\`\`\`sh\nnpx tiresias ${command}\n\`\`\``, `\`\`\`text\n${await tiresias(command.split(' '))}\`\`\``] : []),
      '## Code',
      `[${file}](../../${file})`,
    ].join('\n\n'));
  }
}
