// Every export takes any arguments: the process lives, errors are TiresiasErrors, calls return.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './support.js';

const seconds = process.env['TIRESIAS_PROMISES'] === 'full' ? 60 : 15;

describe('exports of the addon and of the library', () => {
  it('stand random arguments, right and wrong', { timeout: (seconds + 240) * 1000 }, async () => {
    const child = spawn(process.execPath, [join(root, 'test', 'fuzz', 'exports.mjs'), '--seconds', String(seconds)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code, said).toBe(0);
    expect(said).toMatch(/^\d{3,} calls of \d+ seeds, clean$/m);
  });
});
