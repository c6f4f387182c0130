// The reference: of TypeScript, made by typedoc from the doc comments, and where that of Rust is.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application } from 'typedoc';
import { BASE } from './links.mjs';
import { root, staged, write } from './pages.mjs';

/** Classes of the addon that the library exports under an alias: typedoc shows an alias without its members, so that they are exported as themselves here. */
function classes() {
  const sources = readdirSync(join(root, 'src')).filter((name) => name.endsWith('.ts')).map((name) => readFileSync(join(root, 'src', name), 'utf8'));
  return sources.flatMap((text) => [...text.matchAll(/^export type (\w+) = Addon\.\1;$/gm)].map(([, name]) => name));
}

async function typescript() {
  const [entry, tsconfig] = ['entry.ts', 'tsconfig.json'].map((name) => join(staged, 'reference', name));
  write('reference/entry.ts', `export * from '../../../src/index.js';\nexport { ${classes().join(', ')} } from '../../../native/index.cjs';\n`);
  write('reference/tsconfig.json', JSON.stringify({ extends: '../../../tsconfig.json', compilerOptions: { rootDir: '../../..' }, include: ['entry.ts'] }));
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [entry], tsconfig, basePath: root, name: 'TypeScript library',
    plugin: ['typedoc-plugin-markdown'],
    readme: 'none', hideBreadcrumbs: true, hidePageHeader: true, excludeInternal: true, excludePrivate: true,
    entryFileName: 'index',
    // `npm run typecheck` looks at types; types that are not exported are shown where they are used.
    skipErrorChecking: true, validation: false, logLevel: 'Error',
    // Links to the source's lines want a commit, and change with every one.
    disableSources: true,
    outputs: [{ name: 'markdown', path: join(staged, 'reference', 'api') }],
  });
  const project = await app.convert();
  if (!project) throw new Error('typedoc read no project; run `npm run typecheck` and see what it says');
  await app.generateOutputs(project);
  for (const name of classes()) if (!existsSync(join(staged, 'reference', 'api', 'classes', `${name}.md`))) throw new Error(`typedoc wrote no page for the class ${name}, which src exports from the addon`);
}

/** Makes the pages of the reference. */
export async function reference({ api, rust }) {
  if (api) await typescript();
  write('reference/index.md', `# Reference

${api ? 'The [TypeScript library](api/index.md): every function, class and type that the package exports.' : 'The reference of the TypeScript library was left out of this build (`--no-api`).'}

${rust ? `The <a href="${BASE}rust/tiresias_model/index.html" target="_self">Rust crates</a>: what rustdoc makes of their doc comments.` : 'The reference of the Rust crates is made by `npm run site -- --rust`, or by `cargo doc --no-deps --open`.'}

The command line: every command says what it takes with \`--help\`; its [exit codes](../docs/exit-codes.md).
`);
}
