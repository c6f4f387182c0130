import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { takeLock } from '../src/lock.js';
import { root, scratch } from './support.js';

function dead(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  return new Promise((resolve) => child.once('close', () => resolve(child.pid!)));
}

afterEach(() => void vi.useRealTimers());

describe('the lock of a run', () => {
  it('is held by one at a time', async () => {
    const path = join(scratch(), 'run.lock');
    const release = await takeLock(path);
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'RUN_LOCKED', exitCode: 75, details: { pid: process.pid } });
    await release();
    expect(existsSync(path)).toBe(false);
    await (await takeLock(path))();
  });

  it('of a dead process is taken over', async () => {
    const folder = scratch();
    const path = join(folder, 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: await dead(), host: hostname(), began: '1' }));
    const release = await takeLock(path);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a dead process whose number another one now has is taken over', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), began: 'long ago' }));
    await (await takeLock(path))();
  });

  it.runIf(process.platform === 'linux')('of a process that ended but was not waited for is taken over', async () => {
    // The shell becomes a process that never waits for the child it had.
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void parent.kill());
    const pid = Number(await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve)));
    const fields = () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
    await vi.waitFor(() => expect(fields()[0]).toBe('Z'), 5000);
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, JSON.stringify({ pid, host: hostname(), began: fields()[19] }));
    await (await takeLock(path))();
  });

  it('that is damaged is taken over', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, '');
    await (await takeLock(path))();
  });

  it('of another machine is respected', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: await dead(), host: 'elsewhere', began: '1' }));
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'RUN_LOCKED', message: expect.stringMatching(`on elsewhere.*gone for good, delete ${path}$`) });
  });

  it('of another machine that fell silent is taken over', async () => {
    const folder = scratch();
    const path = join(folder, 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' }));
    const ago = (seconds: number) => utimesSync(path, new Date(Date.now() - 1000 * seconds), new Date(Date.now() - 1000 * seconds));
    ago(100);
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    ago(200);
    const release = await takeLock(path);
    expect(readFileSync(path, 'utf8')).toContain(hostname());
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is written to while it is held, and stays one lock', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const path = join(scratch(), 'run.lock');
    const release = await takeLock(path);
    utimesSync(path, 0, 0);
    await vi.advanceTimersByTimeAsync(61_000);
    await vi.waitFor(() => expect(statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 60_000));
    // Three beats, one and the same white space.
    expect(readFileSync(path, 'utf8')).toMatch(/\} $/);
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await release();
    expect(existsSync(path)).toBe(false);
  });

  it('that another took over is neither written to nor removed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const path = join(scratch(), 'run.lock');
    const release = await takeLock(path);
    rmSync(path);
    const theirs = JSON.stringify({ pid: 1, host: 'elsewhere', began: '1' });
    writeFileSync(path, theirs);
    await vi.advanceTimersByTimeAsync(61_000);
    await release();
    expect(readFileSync(path, 'utf8')).toBe(theirs);
  });

  it('goes to exactly one of many who take a stale one over at once', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: await dead(), host: hostname(), began: '1' }));
    const script = `import { takeLock } from '${root}/dist/lock.js';
      await takeLock(${JSON.stringify(path)}).then(() => { console.log('got it'); setTimeout(() => {}, 3000); }, (error) => console.log(error.code));`;
    const said = await Promise.all(
      Array.from({ length: 6 }, () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
        return new Promise<string>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim())));
      }),
    );
    expect(said.filter((text) => text === 'got it')).toHaveLength(1);
    expect(said.filter((text) => text === 'RUN_LOCKED')).toHaveLength(5);
  });
});
