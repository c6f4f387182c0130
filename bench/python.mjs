// The Python that the peers run in: a virtual environment in the user's cache folder, one try to install each peer.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../dist/cache.js';

const PEERS = fileURLToPath(new URL('peers', import.meta.url));
const FOLDER = join(cacheFolder(), 'bench-python');
const PYTHON = join(FOLDER, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const MINUTES = 5;

const tries = new Map();

/** Where Python with a peer's pinned requirements is, or why it is not. */
export function pythonWith(peer) {
  if (!tries.has(peer)) tries.set(peer, install(peer));
  return tries.get(peer);
}

function install(peer) {
  if (!existsSync(PYTHON)) {
    mkdirSync(FOLDER, { recursive: true });
    const made = run(process.env.PYTHON ?? 'python3', ['-m', 'venv', FOLDER]);
    if (made) return { reason: `no Python environment: ${made}` };
  }
  const requirements = join(PEERS, `requirements-${peer}.txt`);
  const wanted = readFileSync(requirements, 'utf8');
  const stamp = join(FOLDER, `installed-${peer}.txt`);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return { path: PYTHON };
  process.stderr.write(`installing ${peer} into ${FOLDER}\n`);
  const failed = run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  if (failed) return { reason: `does not install: ${failed}` };
  writeFileSync(stamp, wanted);
  return { path: PYTHON };
}

/** The last line that a failed command gave as its error; nothing when it succeeded. */
function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: MINUTES * 60_000 });
  if (status === 0) return undefined;
  if (error) return error.code === 'ETIMEDOUT' ? `not within ${MINUTES} minutes` : error.message;
  const lines = stderr.trim().split('\n');
  return (lines.findLast((line) => /error:/i.test(line)) ?? lines.at(-1) ?? `exit ${status}`).trim();
}
