// Every export takes any arguments: the process lives, errors are TiresiasErrors, calls return.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compactTokenizer, defaultTemplate, makeShard, readExample } from '../src/index.js';
import { root, scratch } from './support.js';

const seconds = process.env['TIRESIAS_PROMISES'] === 'full' ? 60 : 15;

describe('exports of the addon and of the library', () => {
  it('stand random arguments, right and wrong', { timeout: (seconds + 240) * 1000 }, async () => {
    const child = spawn(process.execPath, [join(root, 'test', 'fuzz', 'exports.mjs'), '--seconds', String(seconds)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code, said).toBe(0);
    expect(said).toMatch(/^\d{3,} calls of \d+ seeds in \d+ processor seconds, clean$/m);
  });

  it('of a row far beyond the end say so at once', { timeout: 20_000 }, async () => {
    const path = join(scratch(), 'shard.jsonl');
    const spec = {
      family: 'energy', split: 'train', seed: 1, regime: 'mdp', horizon: 3, models: 1, alpha: 1, nature: 'fixed', support: { trajectories: 1, behaviour: 'oracle' }, query: { behaviour: 'oracle' }, solver: { gap: 1, timeSeconds: null },
      template: null, examplesPerTask: 1, firstTask: 0, tasks: 1, format: 'jsonl', threads: 1,
    } as const;
    await makeShard(spec, compactTokenizer([defaultTemplate('energy', 'mdp')]), path);
    expect(readExample(path, 0).index).toBe(0);
    expect(() => readExample(path, 2 ** 32 - 1)).toThrow(/has no row 4294967295/);
  });
});
