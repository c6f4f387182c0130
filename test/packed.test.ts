// What is published, as `npm run pack` makes it: two tarballs, installed into an empty folder on a PATH without Rust, imported, required and run.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLATFORMS, platform } from '../src/platform.js';
import { root } from './support.js';

const run = promisify(execFile);
const NAME = '@tiresias-rl/tiresias';
const folder = mkdtempSync(join(tmpdir(), 'tiresias-packed-'));
const modules = join(folder, 'node_modules');
const own = join(modules, `${NAME}-${platform()}`);
const packed = join(folder, 'packed');

/** Node and npm, and a shell for what npm starts; no Rust. */
const tools = join(folder, 'tools');
const env = { HOME: process.env['HOME'], PATH: tools, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] };

beforeAll(async () => {
  await run(process.execPath, [join(root, 'scripts', 'pack.mjs'), '--out', packed], { cwd: root });
  mkdirSync(tools);
  symlinkSync(process.execPath, join(tools, 'node'));
  symlinkSync('/bin/sh', join(tools, 'sh'));
  const npm = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
  const tarballs = readdirSync(packed).filter((name) => name.endsWith('.tgz')).map((name) => join(packed, name));
  await run(process.execPath, [npm, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', ...tarballs], { cwd: folder, env });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const node = async (...args: string[]): Promise<string> => (await run(process.execPath, args, { cwd: folder, env })).stdout;
const command = (...args: string[]): Promise<string> => node(join(modules, '.bin', 'tiresias'), ...args);
const readManifest = (path: string) => JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;

describe('the main package', () => {
  it('has no native code, and asks for that of every platform in its own version', () => {
    const files = readdirSync(join(modules, NAME), { recursive: true }) as string[];
    expect(files.filter((file) => file.endsWith('.node') || file.includes('tiresias-train'))).toEqual([]);
    expect(files.filter((file) => /^site\b|[\\/]\.vitepress\b/.test(file))).toEqual([]);
    const { optionalDependencies, version } = readManifest(join(modules, NAME));
    expect(Object.entries(optionalDependencies!).filter(([name]) => name.startsWith(NAME)).toSorted()).toEqual(PLATFORMS.map((one) => [`${NAME}-${one}`, version]).toSorted());
  });

  it('starts no build where it is installed', () => {
    expect(readManifest(join(modules, NAME))).not.toHaveProperty('scripts');
    expect(readManifest(join(modules, NAME))).not.toHaveProperty('workspaces');
  });
});

describe('the package of this platform', () => {
  it('holds the addon, the trainer and the licences, and says where it fits', () => {
    expect(readdirSync(own)).toEqual(expect.arrayContaining([`tiresias.${platform()}.node`, 'LICENSE-APACHE', 'LICENSE-MIT']));
    expect(readManifest(own)).toMatchObject({ os: [process.platform], cpu: [process.arch], version: readManifest(join(modules, NAME))['version'] });
  });
});

describe('installed without Rust', () => {
  it('is imported and required', async () => {
    const code = "const s = t.solveSync(t.drawTask('energy', { index: 0, horizon: 3 }).model); console.log(s.stopped)";
    expect(await node('--input-type=module', '-e', `import * as t from '${NAME}'; ${code}`)).toBe('converged\n');
    expect(await node('-e', `const t = require('${NAME}'); ${code}`)).toBe('converged\n');
  });

  it('solves a classic problem', async () => {
    expect(JSON.parse(await command('solve', 'tiger', '--horizon', '3', '--json'))).toMatchObject({ stopped: 'converged' });
  });

  it('finds its trainer', async () => {
    const { findings } = JSON.parse(await command('doctor', '--json').catch((error: { stdout: string }) => error.stdout)) as { findings: { what: string; state: string; found: string }[] };
    expect(findings.find(({ what }) => what === 'backend candle')).toMatchObject({ state: 'ok', found: expect.stringContaining(`${NAME}-${platform()}`) });
  });
});

describe('without the package of its platform', () => {
  it('says which platform this is, what to install, and how to build it', async () => {
    rmSync(own, { recursive: true });
    expect(existsSync(own)).toBe(false);
    const code = `import('${NAME}').catch((error) => console.log(error.code, error.message))`;
    const said = await node('-e', code);
    expect(said).toMatch(/^NATIVE_MISSING there is no native addon for /);
    for (const part of [platform(), `npm install ${NAME}-${platform()}@`, 'npm run build:native']) expect(said).toContain(part);
  });
});
