// A page for each method: what it says of itself, what it earned in the run of all methods, and where its code is.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { methods } from '../dist/methods/index.js';
import { said } from '../scripts/method-entry.mjs';
import { root, write } from './pages.mjs';

const FOLDERS = ['src/methods', 'crates/agents/src/methods'];
const run = JSON.parse(readFileSync(join(root, 'bench', 'results', 'methods-run.json'), 'utf8'));

/** The file that says a method's name. */
function code(name) {
  const found = FOLDERS.flatMap((folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`)).filter((file) => new RegExp(`\\bname: ['"]${name}['"]`).test(readFileSync(join(root, file), 'utf8')));
  if (found.length !== 1) throw new Error(`the method ${name} should be named by one file of ${FOLDERS.join(' and ')}, as name: '${name}'; it is by ${found.join(', ') || 'none'}`);
  return found[0];
}

const three = (x) => x.toFixed(3).replace('-', '−');

/** What it left of the gap in each regime, a row each; several where it was trained with several seeds. */
function earned(name) {
  const rows = Object.entries(run.regimes).flatMap(([regime, { methods: played }]) => Object.entries(played)
    .filter(([as, { seedOf }]) => as === name || seedOf === name)
    .map(([as, { gapNorm, gapNormCi95: [low, high] }]) => `| ${regime.toUpperCase()} | ${as === name ? '' : as.split(':').at(-1)} | ${three(gapNorm)} [${three(low)}, ${three(high)}] |`));
  if (rows.length === 0) return [];
  const seeded = rows.some((row) => !row.includes('|  |'));
  const shown = seeded ? rows : rows.map((row) => row.replace('|  |', '|'));
  return [
    '## What it earned',
    `The normalised gap (0 is optimal, 1 is random) on ${run.regimes.mdp.methods.oracle.tasks} test tasks of the energy family, with a 95 % interval. ${run.note.split('. ')[0]}.`,
    [seeded ? '| regime | trained with | normalised gap |\n| --- | --- | ---: |' : '| regime | normalised gap |\n| --- | ---: |', ...shown].join('\n'),
    `Measured by \`${run.command}\` on ${run.date}, ${run.machine.cores} cores of ${run.machine.cpu}. All methods beside one another: [benchmarks](../benchmarks/README.md).`,
  ];
}

/** Writes the pages. */
export function methodPages() {
  for (const method of methods()) {
    const file = code(method.name);
    write(`docs/methods/${method.name}.md`, [
      `# ${method.label} (\`${method.name}\`)`,
      said(method),
      ...earned(method.name),
      '## How to use it',
      `\`\`\`json\n"evaluation": { "methods": ["oracle", "random", "${method.name}"] }\n\`\`\``,
      'What an experiment says of its methods: [methods](../methods.md).',
      '## Code',
      `[${file}](../../${file})`,
    ].join('\n\n'));
  }
}
