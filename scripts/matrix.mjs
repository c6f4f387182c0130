// The packed package, installed and run in every way there is here: `npm run matrix`, after `npm run build`. A registry on the loopback serves what
// `npm run pack` packs; npm, pnpm, both Yarns, Bun and Deno install from it into empty folders, on a PATH without Rust; then Node 20, 22 and 24, Bun
// and Deno import it, require it and run its command. `--json` prints the rows, `--write` writes bench/results/packages.json.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { PLATFORMS, platform } from '../dist/platform.js';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, write: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const { name: NAME, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const scope = NAME.split('/')[0];
const folder = mkdtempSync(join(tmpdir(), 'tiresias-matrix-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const say = (text) => process.stderr.write(`${text}\n`);
const median = (xs) => xs.toSorted((a, b) => a - b)[Math.floor(xs.length / 2)];

// ── What is published ─────────────────────────────────────────────────────────────────────────────────────────────────

/** All tarballs by file name. Of the platforms that were not built here there is a package without files: installers ask for its manifest, and then leave it out. */
function pack() {
  const out = join(folder, 'packed');
  execFileSync(process.execPath, [join(root, 'scripts', 'pack.mjs'), '--out', out], { cwd: root, stdio: 'ignore' });
  for (const one of PLATFORMS.filter((each) => each !== platform())) {
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', out], { cwd: join(out, 'staged', 'npm', one), stdio: 'ignore' });
  }
  return readdirSync(out).filter((file) => file.endsWith('.tgz')).map((file) => {
    const bytes = readFileSync(join(out, file));
    const manifest = JSON.parse(execFileSync('tar', ['-xOzf', join(out, file), 'package/package.json'], { encoding: 'utf8' }));
    return { file, path: join(out, file), manifest, size: bytes.length, integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}` };
  });
}

/** A registry of these packages, as npm's protocol has it: a document a package, and its tarballs. They are old, since some installers wait before they take what is new. */
async function serve(packages) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1);
    const tarball = packages.find(({ file }) => path === `-/${file}`);
    if (tarball) return createReadStream(tarball.path).pipe(response);
    const one = packages.find(({ manifest }) => manifest.name === path);
    if (!one) return response.writeHead(404).end('{}');
    const dist = { tarball: `${address}/-/${one.file}`, integrity: one.integrity };
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify({ name: path, 'dist-tags': { latest: version }, versions: { [version]: { ...one.manifest, dist } }, time: { [version]: '2000-01-01T00:00:00.000Z' } }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return { server, address };
}

// ── What installs and what runs ───────────────────────────────────────────────────────────────────────────────────────

/** Installers and runtimes themselves, as npm's registry has them: a name, a version's range. */
const tools = join(folder, 'tools', 'node_modules');
const system = process.platform === 'win32' ? 'win' : process.platform;
const NODES = [20, 22, 24];
const TOOLS = { pnpm: 'pnpm', yarn: 'yarn@1', 'yarn-berry': '@yarnpkg/cli-dist@4', bun: 'bun', deno: 'deno', ...Object.fromEntries(NODES.map((major) => [`node-${major}`, `node-${system}-${process.arch}@${major}`])) };
const bin = (name) => join(tools, '.bin', name);
const nodeOf = (major) => join(tools, `node-${major}`, 'bin', 'node');
const script = (file) => [process.execPath, [file]];

const INSTALLERS = [
  { name: 'npm', program: ['npm', []], add: ['install', '--no-audit', '--no-fund'] },
  { name: 'pnpm', program: [bin('pnpm'), []], add: ['add'] },
  { name: 'Yarn 1', program: script(join(tools, 'yarn', 'bin', 'yarn.js')), add: ['add', '--no-progress'] },
  { name: 'Yarn 4', program: script(join(tools, 'yarn-berry', 'bin', 'yarn.js')), add: ['add'] },
  { name: 'Bun', program: [bin('bun'), []], add: ['add'] },
  { name: 'Deno', program: [bin('deno'), []], add: ['add', '--node-modules-dir=auto'], prefix: 'npm:' },
];

const RUNTIMES = [
  ...NODES.map((major) => ({ name: `Node ${major}`, program: [nodeOf(major), []], version: [nodeOf(major), ['--version']] })),
  { name: 'Bun', program: [bin('bun'), ['run']], version: [bin('bun'), ['--version']] },
  { name: 'Deno', program: [bin('deno'), ['run', '--allow-all']], version: [bin('deno'), ['--version']] },
];

/** A PATH with Node, npm and a shell, and neither Rust nor a compiler. */
function path() {
  const places = join(folder, 'path');
  mkdirSync(places);
  const npm = execFileSync('which', ['npm'], { encoding: 'utf8' }).trim();
  for (const [name, to] of [['node', process.execPath], ['npm', npm], ['sh', '/bin/sh'], ['uname', '/bin/uname'], ['env', '/usr/bin/env']]) if (existsSync(to)) symlinkSync(to, join(places, name));
  return places;
}

const caches = ['XDG_CACHE_HOME', 'npm_config_cache', 'YARN_CACHE_FOLDER', 'BUN_INSTALL_CACHE_DIR', 'DENO_DIR'];
const env = {
  ...process.env, PATH: path(), DENO_TLS_CA_STORE: 'system', DENO_NO_UPDATE_CHECK: '1', YARN_ENABLE_GLOBAL_CACHE: '0', YARN_ENABLE_TELEMETRY: '0', CI: '1',
  // What was installed before must not help: every installer has caches of its own here, but for npm's, which has what the tools came from.
  ...Object.fromEntries(caches.filter((name) => name !== 'npm_config_cache').map((name) => [name, join(folder, 'caches', name)])),
};
// The lock file of a checkout says nothing to whoever installs; nor do settings that npm passes on to its scripts.
for (const name of Object.keys(env)) if (/^npm_(?!config_(cache|registry|cafile)$)/i.test(name) && name !== 'npm_config_cache') delete env[name];

const execute = promisify(execFile);
async function run([program, first], args, cwd) {
  return (await execute(program, [...first, ...args], { cwd, env, timeout: 180_000, maxBuffer: 1 << 26 })).stdout;
}

/** How something went: what it gave, or the end of what it said when it failed. */
async function tried(work) {
  const start = performance.now();
  try {
    const value = await work();
    return { ok: true, seconds: (performance.now() - start) / 1000, value };
  } catch (error) {
    return { ok: false, seconds: (performance.now() - start) / 1000, reason: `${error.stderr || error.stdout || error.message}`.trim().slice(-600) };
  }
}

function sizeOf(place) {
  return readdirSync(place, { recursive: true, withFileTypes: true }).reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0), 0);
}

// ── What each must do ─────────────────────────────────────────────────────────────────────────────────────────────────

const USE = "const solved = await t.solve(t.drawTask('energy', { index: 0, horizon: 3 }).model); console.log('said ' + solved.stopped);";
const PROGRAMS = {
  'import.mjs': `import * as t from '${NAME}';\n${USE}\n`,
  'require.cjs': `const t = require('${NAME}');\n(async () => { ${USE} })();\n`,
  'empty.mjs': '',
  'only-import.mjs': `import '${NAME}';\n`,
};
const expected = (said) => {
  if (said.trim() !== 'said converged') throw new Error(`unexpected: ${said}`);
};

function consumer(name, address) {
  const place = join(folder, 'consumers', name.replaceAll(' ', '-'));
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
  writeFileSync(join(place, '.npmrc'), `${scope}:registry=${address}/\n`);
  writeFileSync(join(place, '.yarnrc.yml'), `nodeLinker: node-modules\nunsafeHttpWhitelist: ['127.0.0.1']\nnpmScopes:\n  ${scope.slice(1)}:\n    npmRegistryServer: '${address}'\n`);
  for (const [file, text] of Object.entries(PROGRAMS)) writeFileSync(join(place, file), text);
  return place;
}

async function installers(address) {
  const rows = [];
  for (const { name, program, add, prefix = '' } of INSTALLERS) {
    say(`installing with ${name}`);
    const place = consumer(name, address);
    const installed = await tried(() => run(program, [...add, `${prefix}${NAME}`], place));
    const used = installed.ok ? await tried(async () => expected(await run([process.execPath, []], ['import.mjs'], place))) : installed;
    rows.push({ name, version: (await run(program, ['--version'], place)).trim().split('\n')[0].replace(/^deno (\S+).*/, '$1'), ok: used.ok, seconds: installed.seconds, ...(used.ok ? { bytes: sizeOf(join(place, 'node_modules')) } : { reason: used.reason }) });
  }
  return rows;
}

async function runtimes(place) {
  const command = join(place, 'node_modules', ...NAME.split('/'), 'dist', 'cli', 'main.js');
  const rows = [];
  for (const { name, program, version: asked } of RUNTIMES) {
    say(`running on ${name}`);
    const does = {
      import: await tried(async () => expected(await run(program, ['import.mjs'], place))),
      require: await tried(async () => expected(await run(program, ['require.cjs'], place))),
      command: await tried(async () => {
        const { stopped } = JSON.parse(await run(program, [command, 'solve', 'tiger', '--horizon', '3', '--json'], place));
        if (stopped !== 'converged') throw new Error(`stopped: ${stopped}`);
      }),
    };
    const failed = Object.entries(does).filter(([, { ok }]) => !ok);
    const times = { 'empty.mjs': [], 'only-import.mjs': [] };
    if (does.import.ok) for (let round = 0; round < Number(values.rounds); round++) for (const file of Object.keys(times)) times[file].push((await tried(() => run(program, [file], place))).seconds);
    rows.push({
      name, version: (await run(asked, [], place)).trim().split('\n')[0].replace(/^deno (\S+).*|^v/, '$1'), ok: failed.length === 0,
      ...Object.fromEntries(Object.entries(does).map(([what, { ok }]) => [what, ok])),
      ...(does.import.ok ? { startSeconds: median(times['empty.mjs']), importSeconds: median(times['only-import.mjs']) - median(times['empty.mjs']) } : {}),
      ...(failed.length > 0 ? { reason: failed.map(([what, { reason }]) => `${what}: ${reason}`).join('\n') } : {}),
    });
  }
  return rows;
}

say('packing');
const packages = pack();
say('fetching installers and runtimes');
mkdirSync(join(folder, 'tools'));
writeFileSync(join(folder, 'tools', 'package.json'), '{"private":true}');
execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', ...Object.entries(TOOLS).map(([name, spec]) => `${name}@npm:${spec}`)], { cwd: join(folder, 'tools'), stdio: ['ignore', 'ignore', 'inherit'] });
const { server, address } = await serve(packages);
const result = {
  command: 'npm run matrix -- --write', date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0].model, cores: cpus().length, platform: platform(), load: Math.round(10 * loadavg()[0]) / 10 },
  packages: packages.filter(({ manifest }) => [NAME, `${NAME}-${platform()}`].includes(manifest.name)).map(({ manifest, size }) => ({ name: manifest.name, bytes: size })),
  installers: await installers(address),
  runtimes: await runtimes(join(folder, 'consumers', 'npm')),
};
server.close();
server.closeAllConnections();
if (values.json) console.log(JSON.stringify(result, null, 2));
else {
  for (const { name, bytes } of result.packages) console.log(`${name}: ${(bytes / 1e6).toFixed(1)} MB`);
  for (const { name, version: its, ok, seconds, bytes, reason } of result.installers) console.log(`${name} ${its}: ${ok ? `installed in ${seconds.toFixed(1)} s, ${(bytes / 1e6).toFixed(0)} MB on disk` : `failed: ${reason}`}`);
  for (const { name, version: its, ok, importSeconds, reason } of result.runtimes) console.log(`${name} ${its}: ${ok ? `import, require and command; importing takes ${Math.round(1000 * importSeconds)} ms` : `failed: ${reason}`}`);
}
if (values.write) writeFileSync(join(root, 'bench', 'results', 'packages.json'), `${JSON.stringify(result, null, 2)}\n`);
process.exitCode = [...result.installers, ...result.runtimes].every(({ ok }) => ok) ? 0 : 1;
