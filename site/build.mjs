// Builds the site of the documents into site/dist: `npm run site`, after `npm run build`. With `-- --dev` it is served while the documents are written,
// with `-- --preview` as it was built. `--no-api` leaves out the reference of TypeScript, `--rust` adds that of Rust, which takes minutes, and `--out FOLDER`
// builds into another folder.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, watch } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, createServer, serve } from 'vitepress';
import { gallery } from './gallery.mjs';
import { methodPages } from './methods.mjs';
import { gather, gatherAll, root, sources } from './pages.mjs';
import { reference } from './reference.mjs';
import { solverPages } from './solvers.mjs';

const { values } = parseArgs({ options: { dev: { type: 'boolean' }, preview: { type: 'boolean' }, api: { type: 'boolean', default: true }, rust: { type: 'boolean', default: false }, out: { type: 'string', default: join(root, 'site', 'dist') } }, allowNegative: true });
const folder = join(root, 'site');

async function makePages() {
  gatherAll();
  methodPages();
  await solverPages();
  await gallery();
  await reference(values);
}

if (values.preview) {
  await serve({ root: folder });
} else if (values.dev) {
  await makePages();
  // Folder by folder: to watch all of the checkout is to watch what is installed and built, too.
  const known = new Set(sources());
  for (const place of new Set([...known].map((path) => dirname(path)))) watch(join(root, place), (_, name) => known.has(join(place, name ?? '')) && existsSync(join(root, place, name)) && gather(join(place, name)));
  const server = await createServer(folder);
  await server.listen();
  server.printUrls();
} else {
  await makePages();
  await build(folder, { outDir: resolve(values.out) });
  if (values.rust) {
    execFileSync('cargo', ['doc', '--workspace', '--exclude', 'tiresias-fuzz', '--exclude', 'tiresias-native', '--exclude', 'tiresias-guard', '--no-deps', '--locked'], { cwd: root, stdio: 'inherit' });
    cpSync(join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'doc'), join(values.out, 'rust'), { recursive: true });
  }
}
