import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder, sha256, sha256File, temporaryName, writeAtomic, writeJson, writeNew } from '../src/files.js';
import { root, scratch } from './support.js';

describe('writing a file', () => {
  it('replaces it whole, makes the folder, and leaves nothing beside it', async () => {
    const folder = join(scratch(), 'a', 'b');
    const path = join(folder, 'c.json');
    await writeJson(path, { x: 1 });
    await writeAtomic(path, new Uint8Array([1, 2, 3]));
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(readdirSync(folder)).toEqual(['c.json']);
    expect(await sha256File(path)).toBe(sha256(new Uint8Array([1, 2, 3])));
  });

  it('once is done by one of many, and by none where there is one', async () => {
    const folder = scratch();
    const path = join(folder, 'a.json');
    const wrote = await Promise.all(['0', '1', '2', '3', '4'].map((text) => writeNew(path, text)));
    expect(wrote.filter(Boolean)).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe(String(wrote.indexOf(true)));
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('sweeps up what the dead of this machine left, and nothing of another\'s', async () => {
    const folder = scratch();
    const dead = await new Promise<number>((resolve) => {
      const child = spawn(process.execPath, ['-e', '']);
      child.once('close', () => resolve(child.pid!));
    });
    const mine = temporaryName(join(folder, 'a.json')).replace(String(process.pid), String(dead));
    const theirs = join(folder, `.a.json.${dead}-000000.abc.tmp`);
    for (const path of [mine, theirs]) writeFileSync(path, '');
    await writeAtomic(join(folder, 'a.json'), 'x');
    expect(readdirSync(folder).sort()).toEqual([basename(theirs), 'a.json'].sort());
  });

  it('that cannot be made keeps the old one and says why', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), 'old');
    await expect(writeAtomic(join(folder, 'file', 'inside'), 'new')).rejects.toMatchObject({ name: 'TiresiasError', exitCode: 4 });
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('old');
  });

  it('on a full disk keeps the old one, leaves no part, and says so', async () => {
    const folder = scratch();
    const path = join(folder, 'big');
    writeFileSync(path, 'old');
    // A limit on the size of a file stands in for the disk's end.
    const script = `import { writeAtomic } from '${root}/dist/files.js';
      await writeAtomic(${JSON.stringify(path)}, 'x'.repeat(1 << 20)).catch((error) => { console.log(error.code); process.exitCode = error.exitCode; });`;
    const child = spawn('bash', ['-c', 'ulimit -f 64; exec "$0" --input-type=module -e "$1"', process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([output.trim(), code]).toEqual(['DISK_FULL', 4]);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['big']);
  });

  it('and being killed at any moment leaves a whole file', async () => {
    const folder = scratch();
    const path = join(folder, 'file');
    const script = `import { writeAtomic } from '${root}/dist/files.js';
      for (let i = 0; ; i++) { const c = String.fromCharCode(97 + i % 26); await writeAtomic(${JSON.stringify(path)}, c.repeat(300_000)); if (i === 0) console.log('going'); }`;
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const text = readFileSync(path, 'utf8');
      expect(text).toBe(text[0]!.repeat(300_000));
    }
  });
});

describe('making a folder', () => {
  it('makes those above it, whoever else makes them at the same time', async () => {
    const path = join(scratch(), 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 20 }, (_, i) => makeFolder(i % 2 === 0 ? path : join(path, `${i}`))));
    expect(readdirSync(path)).toHaveLength(10);
    expect(statSync(path).isDirectory()).toBe(true);
    await makeFolder(path);
  });

  it('says so where a file is in the way', async () => {
    const file = join(scratch(), 'file');
    writeFileSync(file, '');
    await expect(makeFolder(file)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolder(join(file, 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it.runIf(process.platform === 'linux')('ends where a system holds no folders of ours', async () => {
    await expect(makeFolder('/proc/tiresias/a')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
