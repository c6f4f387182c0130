// The reference: of TypeScript, made by typedoc from the doc comments, and where that of Rust is.
import { Application } from 'typedoc';
import { join } from 'node:path';
import { BASE } from './links.mjs';
import { root, staged, write } from './pages.mjs';

async function typescript() {
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [join(root, 'src', 'index.ts')],
    tsconfig: join(root, 'tsconfig.build.json'),
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
