// Packs what is published: `npm run pack`, after `npm run build`. The main package has no native code; each platform's package has the addon and the trainer.
// Here that is this platform's; with `--artifacts FOLDER` also those whose files lie in FOLDER/<platform>. `--out FOLDER` says where to (packed), and
// `--release` refuses to leave a platform or the third-party notices out. `napi pre-publish` would write the same dependencies, but wants every
// platform at once and publishes what nobody has installed yet.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { platform } from '../dist/platform.js';

const { values } = parseArgs({ options: { out: { type: 'string', default: 'packed' }, artifacts: { type: 'string' }, release: { type: 'boolean', default: false } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(values.out);
const staged = join(out, 'staged');
const NOTICES = 'THIRD-PARTY-NOTICES.md';
const LEGAL = ['LICENSE-APACHE', 'LICENSE-MIT', ...(existsSync(join(root, NOTICES)) ? [NOTICES] : [])];
const manifest = readJson(join(root, 'package.json'));

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** Without shell scripts: what runs is npm's own program, which has another name on Windows. */
function npmPack(folder, ...args) {
  const npm = process.env.npm_execpath;
  const [program, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  return JSON.parse(execFileSync(program, [...first, 'pack', '--ignore-scripts', '--json', ...args], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26, shell: npm === undefined && process.platform === 'win32' }))[0];
}

/** The addon and the trainer of a platform, or nothing where one of them was not built. */
function built(name) {
  const addon = `tiresias.${name}.node`;
  const trainer = name.startsWith('win32') ? 'tiresias-train.exe' : 'tiresias-train';
  const places = [
    ...(values.artifacts ? [[join(values.artifacts, name, addon), join(values.artifacts, name, trainer)]] : []),
    ...(name === platform() ? [[join(root, 'native', addon), join(root, 'native', 'bin', trainer)]] : []),
  ];
  return places.find((files) => files.every((file) => existsSync(file)));
}

function packPlatform(name) {
  const files = built(name);
  if (!files) return undefined;
  const folder = join(staged, 'npm', name);
  for (const file of files) {
    const to = join(folder, file.split(/[\\/]/).at(-1));
    copy(file, to);
    chmodSync(to, 0o755);
  }
  for (const file of LEGAL) copy(join(root, file), join(folder, file));
  const own = readJson(join(folder, 'package.json'));
  writeJson(join(folder, 'package.json'), { ...own, description: `The native code of ${manifest.name} for ${name}.`, files: [...files.map((file) => file.split(/[\\/]/).at(-1)), ...LEGAL] });
  return npmPack(folder, '--pack-destination', out);
}

function packMain(platforms) {
  const folder = join(staged, 'main');
  const native = (path) => path.startsWith('native/bin/') || path.endsWith('.node');
  for (const { path } of npmPack(root, '--dry-run').files) if (!native(path)) copy(join(root, path), join(folder, path));
  for (const file of LEGAL) copy(join(root, file), join(folder, file));
  // What needs a checkout is left out: an installed package runs no script.
  const { scripts: _, devDependencies: __, overrides: ___, workspaces: ____, ...published } = manifest;
  const own = Object.fromEntries(platforms.map((name) => [`${manifest.name}-${name}`, manifest.version]));
  writeJson(join(folder, 'package.json'), {
    ...published, files: [...manifest.files.filter((pattern) => !native(pattern) && pattern !== 'native/bin'), ...LEGAL.filter((file) => !manifest.files.includes(file))],
    optionalDependencies: { ...manifest.optionalDependencies, ...own },
  });
  return npmPack(folder, '--pack-destination', out);
}

rmSync(staged, { recursive: true, force: true });
writeJson(join(staged, 'package.json'), manifest);
execFileSync(process.execPath, [join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js'), 'create-npm-dirs'], { cwd: staged, stdio: 'ignore' });
const platforms = readdirSync(join(staged, 'npm'));
const packed = platforms.map((name) => [name, packPlatform(name)]);
const missing = packed.filter(([, one]) => !one).map(([name]) => name);
if (values.release && (missing.length > 0 || !LEGAL.includes(NOTICES))) {
  console.error(`not fit for a release: ${[...missing.map((name) => `nothing was built for ${name}`), ...(LEGAL.includes(NOTICES) ? [] : [`${NOTICES} is missing (npm run notices)`])].join('; ')}`);
  process.exit(1);
}
for (const one of [...packed.map(([, one]) => one), packMain(platforms)].filter(Boolean)) console.log(`${join(values.out, one.filename)}  ${(one.size / 1e6).toFixed(1)} MB`);
if (missing.length > 0) console.log(`not built here, but by the release workflow: ${missing.join(', ')}`);
