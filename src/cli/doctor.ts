import type { Command } from 'commander';
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { cacheFolder } from '../cache.js';
import { BACKENDS, type Backend } from '../backends/index.js';
import { listBases, type Listed } from '../base/index.js';
import { TiresiasError, messageOf } from '../errors.js';
import { makeFolder } from '../files.js';
import { platformHint } from '../platform.js';
import { runCommand } from '../subprocess.js';
import { invoke, newCommand, type CommonOptions } from './common.js';

/** `missing` stops the main job; `note` does not. */
interface Finding {
  what: string;
  state: 'ok' | 'note' | 'missing';
  found: string;
  remedy?: string;
}

const GIB = 2 ** 30;
const NEEDED_DISK = 1 * GIB;
const NEEDED_MEMORY = 3 * GIB;

const CHECKS: (() => Finding | Promise<Finding | Finding[]>)[] = [node, addon, ...BACKENDS.map((one) => () => backend(one)), python, bases, disk, memory];

export function doctorCommand(): Command {
  return newCommand('doctor', 'say what is missing on this machine and how to get it', ['tiresias doctor'], []).action((options: CommonOptions) =>
    invoke(options, async ({ print }) => {
      const findings: Finding[] = [];
      for (const check of CHECKS) findings.push(...[await check()].flat());
      const width = Math.max(...findings.map(({ what }) => what.length));
      const lines = findings.map(({ what, state, found, remedy }) => {
        const mark = { ok: 'ok     ', note: 'note   ', missing: 'MISSING' }[state];
        return `${mark}  ${what.padEnd(width)}  ${found}${remedy !== undefined && state !== 'ok' ? `\n${' '.repeat(width + 11)}→ ${remedy}` : ''}`;
      });
      const missing = findings.filter(({ state }) => state === 'missing').map(({ what }) => what);
      print({ ok: missing.length === 0, findings }, lines.join('\n'));
      // With --json the document above has said it all.
      if (missing.length > 0 && options.json) process.exitCode = new TiresiasError('SOMETHING_MISSING', '').exitCode;
      else if (missing.length > 0) throw new TiresiasError('SOMETHING_MISSING', `missing: ${missing.join(', ')}`);
    }),
  );
}

function node(): Finding {
  // As `engines` says: what can require() a module that is written for import.
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 23;
  return { what: 'Node', state: fits ? 'ok' : 'missing', found: process.version, remedy: 'install Node 20.19, 22.12 or later' };
}

async function addon(): Promise<Finding> {
  try {
    const { native } = await import('../native.js');
    return { what: 'native addon', state: 'ok', found: `version ${native.version()}` };
  } catch (error) {
    return { what: 'native addon', state: 'missing', found: messageOf(error), remedy: platformHint('npm run build:native') };
  }
}

/** The first backend is what an experiment goes to that names none; the others are for who wants them. */
async function backend(one: Backend): Promise<Finding> {
  const { ok, found } = await one.health();
  const state = ok ? 'ok' : one === BACKENDS[0] ? 'missing' : 'note';
  return { what: `backend ${one.name}`, state, found, remedy: `${one.remedy} (${one.summary})` };
}

async function python(): Promise<Finding> {
  const what = 'Python 3 with pip';
  const remedy = 'install Python 3 and pip; they fetch the base model, once';
  // Without it a model that is in the cache, or one's own, still works; the first is what an experiment goes to that names none.
  const state = (await bases())[0]!.state === 'ok' ? 'note' : 'missing';
  try {
    const { code, stdout, stderr } = await runCommand(process.env['TIRESIAS_PYTHON'] ?? 'python3', ['-m', 'pip', '--version']);
    if (code !== 0) return { what, state, found: stderr.trim().split('\n').at(-1) ?? '', remedy };
    return { what, state: 'ok', found: stdout.trim().replace(/ from .*/, '') };
  } catch (error) {
    return { what, state, found: messageOf(error), remedy };
  }
}

/** The bases that have a name and those that were downloaded; a folder of one's own lies where its experiment says. */
async function bases(): Promise<Finding[]> {
  return (await listBases()).map(base);
}

function base({ name, format, path, state, remedy }: Listed): Finding {
  const found = { whole: `${format} in ${path}`, damaged: `${path} is damaged`, absent: `not in the cache (${path})` }[state];
  return { what: `base ${name}`, state: state === 'whole' ? 'ok' : 'note', found, remedy };
}

async function disk(): Promise<Finding> {
  const folder = cacheFolder();
  const what = 'disk space';
  try {
    await makeFolder(folder);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    return { what, state: free >= NEEDED_DISK ? 'ok' : 'missing', found: `${(free / GIB).toFixed(1)} GiB free in ${folder}`, remedy: `free at least ${NEEDED_DISK / GIB} GiB, or set TIRESIAS_CACHE to a folder elsewhere` };
  } catch (error) {
    return { what, state: 'missing', found: messageOf(error), remedy: 'set TIRESIAS_CACHE to a folder that can be written' };
  }
}

function memory(): Finding {
  const found = `${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB free, ${availableParallelism()} cores`;
  return { what: 'memory', state: totalmem() >= NEEDED_MEMORY ? 'ok' : 'note', found, remedy: `training the default model wants about ${NEEDED_MEMORY / GIB} GiB` };
}
