// A Redis of the tests' own: Debian's `redis-server`, on a socket of its own, started and ended by whoever asks.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A running Redis. */
export interface TestRedis {
  url: string;
  stop(): Promise<void>;
  /** Begins again with what was written. */
  start(): Promise<void>;
  /** Stops for good, and nothing stays. */
  end(): Promise<void>;
}

const has = () => spawnSync('redis-server', ['--version']).status === 0;

/** Installs Debian's package where there is none yet and that can be done. */
function installed(): boolean {
  if (has()) return true;
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 90_000 });
  return has();
}

let said = false;

/** Whether there is a Redis to test with; where there is none, says so loudly. */
export function redisThere(): boolean {
  const there = installed();
  if (!there && !said) {
    said = true;
    process.stderr.write('\nSKIPPED: the tests of the Redis store. There is no redis-server and it could not be installed: apt-get install redis-server\n\n');
  }
  return there;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts one that writes every change to the disk before it answers. */
export async function startRedis(): Promise<TestRedis> {
  const [folder, port] = [mkdtempSync(join(tmpdir(), 'tiresias-redis-')), await freePort()];
  let child: ChildProcess | undefined;
  const start = async () => {
    child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--databases', '1000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let log = '';
    child.stdout!.on('data', (text: Buffer) => (log += text.toString()));
    for (let i = 0; !log.includes('Ready to accept connections'); i++) {
      if (i > 400 || child.exitCode !== null) throw new Error(`redis-server did not start: ${log}`);
      await sleep(25);
    }
  };
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child!.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  return { url: `redis://127.0.0.1:${port}`, start, stop, end: () => stop().then(() => rmSync(folder, { recursive: true, force: true })) };
}
