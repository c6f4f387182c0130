// The thread in which a module draws: what it prints, throws later, leaves open or never ends is kept out of the process that asks.
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import seedrandom from 'seedrandom';
import type { Asked, Told } from './drawer.js';
import type { OwnFamily } from './module.js';

const { path } = workerData as { path: string };
const port = parentPort!;
const tell = (told: Told): void => port.postMessage(told);

/** An error in words, whatever was thrown, and where in the module: ` at machines.mjs:12:5`. */
function problemOf(error: unknown): string {
  let message: string;
  try {
    message = error instanceof Error ? error.message : String(error);
  } catch {
    message = 'something was thrown that cannot be shown';
  }
  const name = pathToFileURL(path).href.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = error instanceof Error ? new RegExp(`${name}:(\\d+)(?::(\\d+))?`).exec(error.stack ?? '') : null;
  return `${message}${found ? ` at ${basename(path)}:${found[1]}${found[2] === undefined ? '' : `:${found[2]}`}` : ''}`;
}

/** The first number that JSON cannot hold, and where it stands. */
function unwritable(value: unknown, at: string): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${at} is ${value}`;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = unwritable(inner, Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What `draw` gave as a text. */
function textOf(document: unknown): Told {
  if (typeof document === 'string') return { text: document };
  let text: string | undefined;
  try {
    text = JSON.stringify(document);
  } catch (error) {
    return { problem: `what draw gave cannot be written as JSON: ${problemOf(error)}` };
  }
  if (text === undefined) return { problem: `draw gave ${typeof document === 'function' ? 'a function' : String(document)}, and a model is wanted` };
  const found = unwritable(document, '$');
  return found === undefined ? { text } : { problem: `what draw gave is no model: ${found}` };
}

/** What keeps the default export from being a family, in words. */
function problemWith(own: Partial<OwnFamily> | undefined): string | undefined {
  if (typeof own?.draw !== 'function') return 'has no default export with a function draw';
  const { splits } = own;
  if (typeof splits !== 'object' || splits === null || Array.isArray(splits) || !('train' in splits)) return 'does not say how many tasks its splits have, train among them';
  for (const [split, count] of Object.entries(splits)) {
    if (!/^(?:train|test|validation|ood-.+)$/.test(split)) return `has a split ${JSON.stringify(split)}, which is not train, test, validation or ood-…`;
    if (!Number.isInteger(count) || count < 1 || count > 1_000_000) return `has ${String(count)} tasks in the split ${split}, which is not a whole number from 1 to 1000000`;
  }
  return undefined;
}

/** An error that nobody waits for: a timer's, or a promise's. */
const late = (error: unknown): void => {
  tell({ problem: `${problemOf(error)} (outside draw)` });
  process.exit(1);
};
process.on('uncaughtException', late);
process.on('unhandledRejection', late);

const own = await import(pathToFileURL(path).href).then(
  (module: { default?: Partial<OwnFamily> }) => module.default,
  (error: unknown) => {
    tell({ problem: `cannot be loaded (${problemOf(error)})` });
    process.exit(1);
  },
);
let problem: string | undefined;
let splits: Record<string, number> = {};
try {
  problem = problemWith(own);
  splits = { ...own?.splits };
} catch (error) {
  problem = `cannot be read (${problemOf(error)})`;
}
tell(problem === undefined ? { splits } : { problem });

port.on('message', ({ split, index, seed, options }: Asked) => {
  void (async () => {
    try {
      tell(textOf(await own!.draw!({ split, index, random: seedrandom(`${seed}/${split}/${index}`), options })));
    } catch (error) {
      tell({ problem: problemOf(error) });
    }
  })();
});
