// Writes docs/solvers.md from the addon's list of solvers: `node scripts/solvers-page.mjs`, after the addon is built.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { solvers } = createRequire(import.meta.url)('../native/index.cjs');
const rows = solvers().map(({ name, aliases, treats, summary, source }) => `| \`${name}\`${aliases.map((alias) => `, \`${alias}\``).join('')} | ${treats} | ${summary} | ${source} |`);
writeFileSync(new URL('../docs/solvers.md', import.meta.url), `# Solvers

What \`tiresias solve --solver NAME\` and \`solve(model, { solver: NAME })\` take, and \`solvers()\` lists. \`auto\`, the default, picks one by the model's kind,
horizon and size, or several in turn; the output says which. Made by scripts/solvers-page.mjs from \`crates/solve/src/registry.rs\`: do not edit.

| name | treats | what it does | source |
| --- | --- | --- | --- |
${rows.join('\n')}

Models of hidden states with sets around their rows, and the question which model of a cloud is true to the end, have solvers of their own, which are not named:
[ambiguity.md](ambiguity.md). How each works: [mdp.md](mdp.md), [exact.md](exact.md), [point-based.md](point-based.md), [apomdp.md](apomdp.md).
`);
