// docs/serving.md, as it is typed.
import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import ts from 'typescript5';
import { blocksOf, freePort } from './pages.js';
import { cli, root, scratch } from './support.js';

const run = promisify(execFile);
const page = readFileSync(join(root, 'docs', 'serving.md'), 'utf8');
const blocks = blocksOf(page);

it('says what happens', { timeout: 120_000 }, async () => {
  const folder = scratch();
  const [solve, serve, asked] = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
  const shell = (text: string) => text.replaceAll('npx tiresias', `'${process.execPath}' '${cli}'`);
  await run('bash', ['-ec', shell(solve!)], { cwd: folder });
  // The library.
  const [code] = blocks.filter(({ language }) => language === 'js').map(({ text }) => text);
  writeFileSync(join(folder, 'five.mjs'), code!.replace("from '@tiresias-rl/tiresias'", `from ${JSON.stringify(join(root, 'dist', 'index.js'))}`));
  expect((await run(process.execPath, ['five.mjs'], { cwd: folder })).stdout).toBe('listen 0\n');
  // The server, at a port that is free here.
  const port = await freePort();
  const server = spawn('bash', ['-c', `exec ${shell(serve!).trim()} --port ${port} --json`], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void server.kill('SIGKILL'));
  await new Promise((resolve) => server.stdout.once('data', resolve));
  const { stdout } = await run('bash', ['-ec', asked!.replaceAll('localhost:8080', `localhost:${port}`)], { cwd: folder });
  const answers = stdout.replaceAll('}{', '}\n{').split('\n').map((line) => JSON.parse(line) as object);
  const [shown] = blocks.filter(({ language }) => language === 'json').map(({ text }) => JSON.parse(text) as { decision: object });
  expect(answers).toHaveLength(3);
  // The bounds are one machine's to the last digit.
  const rounded = (value: unknown) => JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'number' ? Math.round(inner * 1e6) / 1e6 : inner))) as object;
  expect(rounded(answers[1])).toEqual(rounded(shown));
  expect(answers[2]).toMatchObject({ version: 2, decision: { name: 'listen' } });
});

it('has a typed client that compiles, and would not with a misspelt member', { timeout: 120_000 }, () => {
  const [client] = blocks.filter(({ language }) => language === 'ts').map(({ text }) => text.replace("'@tiresias-rl/tiresias/client'", JSON.stringify(join(root, 'src', 'serve', 'http', 'client-types.js'))));
  const complaints = (text: string) => {
    const file = join(scratch(), 'client.mts');
    writeFileSync(file, text);
    const program = ts.createProgram([file], { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'], types: [] });
    return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
  };
  expect(complaints(client!)).toEqual([]);
  expect(complaints(`${client!}\nvoid observe('', 'a', { action: 'listen', observaton: 'hear-left' });`)).toEqual([expect.stringContaining('observaton')]);
});

it('is linked from the README, and names every route that there is', () => {
  expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain('docs/serving.md');
  const server = readFileSync(join(root, 'src', 'serve', 'http', 'server.ts'), 'utf8');
  const routes = [...server.matchAll(/app\.(?:get|put|post|delete)\('([^']+)'/g)].map(([, path]) => path!.replace(':policy', 'NAME').replace(':id', 'ID'));
  expect(routes.length).toBeGreaterThan(12);
  for (const route of routes) expect(page, route).toContain(route);
});
