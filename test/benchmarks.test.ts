// docs/benchmarks: every result is on the page with its command and its date, and a result that nobody has described is shown as it lies.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root, scratch } from './support.js';

const page = readFileSync(join(root, 'docs', 'benchmarks', 'README.md'), 'utf8');
const results = readdirSync(join(root, 'bench', 'results')).filter((name) => name.endsWith('.json'));
const read = (file: string) => JSON.parse(readFileSync(join(root, 'bench', 'results', file), 'utf8')) as Record<string, any>;

describe('other documents', () => {
  it.each(readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')))('%s holds no dated measurement', (name) => {
    const prose = readFileSync(join(root, 'docs', name), 'utf8').replace(/^```[^]*?^```$/gm, '');
    expect(prose.match(/\b20\d\d-\d\d-\d\d\b/g) ?? []).toEqual([]);
  });
});

describe('the page of benchmarks', () => {
  it.each(results)('shows %s with its command and its date', (file) => {
    const data = read(file);
    const parts = 'command' in data ? [data] : 'about' in data ? [data['about']] : Object.values(data);
    expect(parts.length).toBeGreaterThan(0);
    const sections = page.split(/^## /m).filter((section) => section.includes(`(../../bench/results/${file})`));
    for (const { command, date } of parts) expect(sections.filter((section) => section.includes(`\`${command}\`, ${date.slice(0, 10)}`))).toHaveLength(1);
  });

  it('divides what stands beside one another', () => {
    const [ours, peer] = read('train.json')['figures'];
    const ratio = ours.tokensPerProcessorSecond / peer.tokensPerProcessorSecond;
    expect(page).toContain(`| ${ours.who} | ${ours.arithmetic} | ${Math.round(ours.tokensPerProcessorSecond)} | ${ratio.toFixed(2)} × |`);
  });

  it('shows a result that nobody has described as it lies', async () => {
    const folder = scratch();
    for (const path of ['scripts/benchmarks-page.mjs', 'bench/results']) cpSync(join(root, path), join(folder, path), { recursive: true });
    for (const path of ['dist', 'node_modules', 'package.json']) symlinkSync(join(root, path), join(folder, path));
    mkdirSync(join(folder, 'docs', 'benchmarks'), { recursive: true });
    writeFileSync(join(folder, 'bench', 'results', 'new-one.json'), JSON.stringify({ command: 'npm run bench:new', date: '2027-01-02', machine: { cpu: 'A', cores: 3 }, rows: [{ name: 'first', seconds: 1.2345 }] }));
    await promisify(execFile)(process.execPath, [join(folder, 'scripts', 'benchmarks-page.mjs')]);
    const written = readFileSync(join(folder, 'docs', 'benchmarks', 'README.md'), 'utf8');
    expect(written).toContain('| rows 0 seconds | 1.23 |');
    expect(written).toContain('`npm run bench:new`, 2027-01-02, 3 cores of A. Result: [new-one.json](../../bench/results/new-one.json).');
  });
});
