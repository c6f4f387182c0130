// What the tests share: scratch folders, the command line, fake and real models.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { backendOf, type BackendName } from '../src/backends/index.js';
import { cachedPath } from '../src/base/index.js';
import { sha256 } from '../src/files.js';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const cli = join(root, 'dist', 'cli', 'main.js');

/** A folder that is gone when the test is over. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A study file, and the folder of the test that it lies in. */
export function writtenStudy(study: object): { path: string; folder: string } {
  const folder = scratch();
  const path = join(folder, 'study.json');
  writeFileSync(path, JSON.stringify(study));
  return { path, folder };
}

/** Sets an environment variable for one test. */
export function setEnv(name: string, value: string | undefined): void {
  const before = process.env[name];
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env[name];
    else process.env[name] = to;
  };
  set(value);
  onTestFinished(() => set(before));
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Sent after so many milliseconds. */
  kill?: { after: number; signal: NodeJS.Signals };
  /** Called with everything said on standard error so far. */
  onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
  /** What standard input holds; nothing when it is left out. */
  input?: string;
  /** Runs under `bash -c "<this>; exec …"`. */
  shell?: string;
}

/** Runs the built command line. */
export async function tiresias(args: string[], options: CliOptions = {}): Promise<Exit> {
  const [command, rest] =
    options.shell === undefined ? [process.execPath, [cli, ...args]] : ['bash', ['-c', `${options.shell}; exec "$0" "$@"`, process.execPath, cli, ...args]];
  const child = spawn(command, rest, { cwd: options.cwd ?? root, env: { ...process.env, ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] });
  // It may end before it has read everything.
  child.stdin.on('error', () => {}).end(options.input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onStderr?.(stderr, (signal) => child.kill(signal));
  });
  const timer = options.kill && setTimeout(() => child.kill(options.kill!.signal), options.kill.after);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** All files of a folder and of those that links in it lead to, relative path → SHA-256. */
export function contents(folder: string): Record<string, string> {
  const files = (path: string): string[] => (statSync(path).isDirectory() ? readdirSync(path).sort().flatMap((name) => files(join(path, name))) : [path]);
  return Object.fromEntries(files(folder).sort().map((path) => [path.slice(folder.length + 1), sha256(readFileSync(path))]));
}

// Named once: a test may set another cache.
const smollm2 = process.env['TIRESIAS_SMOLLM2'] || cachedPath('smollm2-135m-instruct');

/** The real base model; `npm test` fetches it. */
export function baseModel(): string {
  if (!existsSync(smollm2)) throw new Error('the base model is not in the cache: run `npm test`, which fetches it');
  return smollm2;
}

const gemma = process.env['TIRESIAS_GEMMA3'] || cachedPath('gemma-3-270m');

/** Gemma 3, where it was fetched before. */
export const gemma3 = (): string | undefined => (existsSync(gemma) ? gemma : undefined);

/** A wheel that holds one file, as pip expects it. */
export function makeWheel(folder: string, name: string, version: string, file: string, content: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}-${version}-py3-none-any.whl`);
  const script = `
import sys, zipfile
path, name, version, file, content = sys.argv[1:]
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr(f'{name}/{file}', content)
    info = f'{name}-{version}.dist-info'
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(f'{info}/RECORD', '')
`;
  execFileSync('python3', ['-c', script, path, name, version, file, content]);
  return path;
}

/** What a backend on a CPU says first. */
export const FIRST_LINE = (name: BackendName) => ({
  event: 'backend', contract: 2, name, version: '0.0.0', can: backendOf(name).can, bases: backendOf(name).bases, hardware: { kind: 'cpu', threads: 1, matmul_peak_gflops: 10 },
});

/**
 * Writes a script that stands in for a backend and says its first line. `body` sees `mode`, `config`, `say(object)` and node's `process`.
 */
export function fakeBackend(body: string, name: BackendName = 'candle'): string {
  const path = join(scratch(), 'fake-train.mjs');
  const head = `#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
const [mode, , file] = process.argv.slice(-3);
const config = JSON.parse(readFileSync(file, 'utf8'));
const say = (value) => process.stdout.write((typeof value === 'string' ? value : JSON.stringify(value)) + '\\n');
say(${JSON.stringify(FIRST_LINE(name))});
`;
  writeFileSync(path, head + body, { mode: 0o755 });
  setEnv(name === 'candle' ? 'TIRESIAS_TRAIN' : 'TIRESIAS_PEFT_PYTHON', path);
  return path;
}

/**
 * The tiger problem of Kaelbling, Littman and Cassandra (1998) with discount 0.95, heard by ears of some accuracy. As published it is
 * worth 19.3714 from 50:50.
 */
export function tiger(accuracy = 0.85, harm = -100): string {
  const [right, wrong] = [accuracy.toFixed(2), (1 - accuracy).toFixed(2)];
  return `discount: 0.95
states: left right
actions: listen open-left open-right
observations: hear-left hear-right
T: listen identity
T: open-left uniform
T: open-right uniform
O: listen
${right} ${wrong}
${wrong} ${right}
O: open-left uniform
O: open-right uniform
R: listen : * : * : * -1
R: open-left : left : * : * ${harm}
R: open-left : right : * : * 10
R: open-right : left : * : * 10
R: open-right : right : * : * ${harm}
`;
}
