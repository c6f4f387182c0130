// Pages whose code is run as a reader types it, in order, in one empty folder; what they show is held against what is printed.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { cli, root, scratch } from './support.js';

const run = promisify(execFile);

/** A block of code: its language, its text, and the name of the file that the sentence before it says to save it as. */
export interface Block {
  language: string;
  text: string;
  file?: string | undefined;
}

/** The blocks of a page that say their language, in order. */
export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(({ 1: language, 2: text, index }) => {
    const before = page.slice(0, index).trimEnd().split('\n\n').at(-1)!;
    const file = (/\bSave this as `([^`]+)`:$/.exec(before) ?? /`([^`]+)` becomes:$/.exec(before))?.[1];
    return language === '' ? [] : [{ language: language!, text: text!, file }];
  });
}

/** An empty folder in which the package is installed. */
export function installedFolder(): string {
  const folder = scratch();
  mkdirSync(join(folder, 'node_modules', '@tiresias-rl'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', '@tiresias-rl', 'tiresias'));
  return folder;
}

/** A port that is free now. */
export const freePort = () => new Promise<number>((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number };
    server.close(() => resolve(port));
  });
});

/** What a page shows, block by block, and what was printed. */
export interface Typed {
  shown: string[];
  printed: string[];
}

/**
 * Does all that a page says: files are saved, commands are typed, a service runs on beside. Blocks of `text`, and of `json` without a file's name, show what the command before them
 * printed. With TIRESIAS_WRITE_DOCS=1 what was printed is written into the page instead.
 */
export async function typed(path: string, folder: string): Promise<Typed> {
  const page = readFileSync(path, 'utf8');
  const port = await freePort();
  const shell = (text: string) => text.replaceAll('npx tiresias', `'${process.execPath}' '${cli}'`).replaceAll('localhost:8080', `localhost:${port}`);
  const [shown, printed]: [string[], string[]] = [[], []];
  let said = '';
  for (const { language, text, file } of blocksOf(page)) {
    if (file !== undefined) writeFileSync(join(folder, file), text.replace('"npx", "tiresias"', JSON.stringify([process.execPath, cli]).slice(1, -1)).replaceAll('localhost:8080', `localhost:${port}`));
    else if (language === 'sh' && text.startsWith('npx tiresias serve')) await served(`${shell(text).trim()} --port ${port}`, port, folder);
    else if (language === 'sh') said = (await run('bash', ['-ec', shell(text)], { cwd: folder })).stdout;
    else if (language === 'text' || language === 'json') {
      shown.push(text);
      // A block ends with a line's end, whether what was printed does or not.
      printed.push(said.endsWith('\n') || said === '' ? said : `${said}\n`);
    }
  }
  if (process.env['TIRESIAS_WRITE_DOCS'] === '1') {
    let next = 0;
    const isAnswer = blocksOf(page).map(({ language, file }) => file === undefined && (language === 'text' || language === 'json'));
    let block = 0;
    writeFileSync(path, page.replace(/^```(\w+)\n[\s\S]*?^```$/gm, (whole, language: string) => (isAnswer[block++] ? `\`\`\`${language}\n${printed[next++]!}\`\`\`` : whole)));
    return { shown: printed, printed };
  }
  return { shown, printed };
}

async function served(command: string, port: number, folder: string): Promise<void> {
  const server = spawn('bash', ['-c', `exec ${command} --log-level silent`], { cwd: folder, stdio: 'ignore' });
  onTestFinished(() => void server.kill('SIGKILL'));
  await expect.poll(() => fetch(`http://localhost:${port}/ready`).then(({ ok }) => ok, () => false), { timeout: 30_000 }).toBe(true);
}

/** Text without what is another every time: seconds, how many times as fast, hashes of a build, the last digits of a bound, and the widths that go with them. */
export const lasting = (text: string): string => text
  .replaceAll(/\d+(?:\.\d+)?(?:e-?\d+)? s\b/g, '… s')
  .replaceAll(/\brow [0-9a-f]{12}\b/g, 'row …')
  .replaceAll(/time × [\d.e-]+/g, 'time × …')
  .replaceAll(/-?\d+\.\d{7,}/g, (number) => Number(number).toPrecision(7))
  .replaceAll(/ {2,}/g, ' ')
  .replaceAll(/-{2,}:?/g, '--');
