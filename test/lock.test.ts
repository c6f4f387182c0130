import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeLock } from '../src/lock.js';
import { root, scratch } from './support.js';

function dead(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  return new Promise((resolve) => child.once('close', () => resolve(child.pid!)));
}

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

  it('that is damaged is taken over', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, '');
    await (await takeLock(path))();
  });

  it('of another machine is respected', async () => {
    const path = join(scratch(), 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: await dead(), host: 'elsewhere', began: '1' }));
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
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
