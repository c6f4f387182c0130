// An adapter's folder whose trainer and decider are made up and keep the contract. The decider says what it was asked, and its log-probabilities are a hash of all that a
// session has read: a session that is given another's text, or is told something twice, cannot hide.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPolicy, parseExperiment, train, type LanguageModelOptions, type LanguageModelPolicy, type Regime } from '../src/index.js';
import { streamOf, trainConfig } from '../src/stages/train.js';
import { fakeBackend } from './support.js';
import { byteModel } from './tokenizer-files.js';

const BACKEND = (folder: string) => `
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
const at = (name) => ${JSON.stringify(folder)} + '/' + name;
if (mode === 'train') {
  mkdirSync(config.output + '/adapter', { recursive: true });
  writeFileSync(config.output + '/adapter/adapter_config.json', '{}');
  say({ event: 'done', step: 1, adapter: 'adapter', loss: 1, tokens: 1, seconds: 1, tokens_per_second: 1, peak_rss_bytes: 1 });
} else {
  const log = (what) => appendFileSync(at('log'), JSON.stringify({ pid: process.pid, ...what }) + '\\n');
  if (existsSync(at('refuse'))) { say({ event: 'error', code: 'BASE_MODEL_CORRUPT', message: 'gone bad', exit: 3 }); process.exit(3); }
  // Noted first: whoever hears that it is ready finds it in the log.
  log({ op: 'start' });
  say({ event: 'ready', contract: 2, vocabulary: 256, context: 400, adapter: true });
  const sessions = new Map();
  let next = 0;
  const row = ({ ids, candidates }) => candidates.map((c) => -((ids.reduce((sum, id, i) => (31 * sum + id * (i + 1)) % 9973, 7) * (c + 1)) % 1009) / 100);
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, op, ...body } = JSON.parse(line);
    log({ op, rows: (body.contexts ?? body.sessions).length, tokens: (body.contexts ?? body.tokens ?? []).map((ids) => ids.length) });
    if (op !== 'close') {
      // One death for one file.
      if (existsSync(at('crash'))) { rmSync(at('crash')); process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); }
      await new Promise((resolve) => setTimeout(resolve, existsSync(at('slow')) ? Number(readFileSync(at('slow'), 'utf8')) : 0));
    }
    if (op === 'open') {
      const made = body.contexts.map((ids) => { sessions.set(next, { ids, candidates: body.candidates }); return next++; });
      say({ id, sessions: made, logprobs: made.map((s) => row(sessions.get(s))) });
    } else if (op === 'extend') {
      body.sessions.forEach((s, i) => sessions.get(s).ids.push(...body.tokens[i]));
      say({ id, logprobs: body.sessions.map((s) => row(sessions.get(s))) });
    } else { body.sessions.forEach((s) => sessions.delete(s)); say({ id, closed: body.sessions.length }); }
  }
}
`;

/** A line of what the decider says it was asked. */
export interface Asked {
  pid: number;
  op: 'start' | 'open' | 'extend' | 'close';
  rows?: number;
  tokens?: number[];
}

/** An adapter of the energy family in `folder`, trained by the stand-in. */
export async function fakeAdapter(folder: string, regimes: Regime[] = ['pomdp'], horizon = 5) {
  const model = join(folder, 'bytes.gguf');
  writeFileSync(model, byteModel());
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'x', horizon, models: 2, support: { trajectories: 1 } });
  fakeBackend(BACKEND(folder));
  const output = join(folder, 'out');
  // Examples that nobody makes: only what they are like is asked.
  await train({ ...trainConfig(experiment, { path: model }, [], output, 1), stream: streamOf(experiment, { vocabulary: 'base', config: (own) => own }, regimes) });
  const file = (name: string) => join(folder, name);
  return {
    adapter: join(output, 'adapter'), output, model,
    /** What the deciders were asked so far. */
    asked: (): Asked[] => (existsSync(file('log')) ? readFileSync(file('log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Asked) : []),
    /** The decider dies over the next request. */
    crashNext: () => writeFileSync(file('crash'), ''),
    /** A decider that starts now refuses to. */
    refuseStarts: (yes = true) => (yes ? writeFileSync(file('refuse'), '') : rmSync(file('refuse'))),
    /** Each answer takes so long. */
    slow: (milliseconds: number) => writeFileSync(file('slow'), String(milliseconds)),
    /** The adapter is another one. */
    change: () => appendFileSync(join(output, 'adapter', 'adapter_config.json'), ' '),
    load: (options: LanguageModelOptions = {}): Promise<LanguageModelPolicy> => loadPolicy(output, options),
  };
}

/** Whether a process is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
