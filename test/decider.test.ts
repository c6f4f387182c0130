// The decide client against processes that keep, and break, the contract.
import { describe, expect, it, onTestFinished } from 'vitest';
import { Decider, type DeciderOptions } from '../src/train/decider.js';
import { fakeBackend, scratch, setEnv } from './support.js';

/** A decider whose "log-probabilities" are -(sum of the session's tokens) - candidate: wrong rows cannot hide. */
const ECHO = `
say({ event: 'ready', contract: 2, vocabulary: 100, context: 50, adapter: config.adapter !== undefined });
const sessions = new Map();
let next = 0;
const row = ({ sum, candidates }) => candidates.map((c) => -sum - c);
const add = (list) => list.reduce((a, b) => a + b, 0);
for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...body } = JSON.parse(line);
  const size = (body.contexts ?? body.sessions).length;
  if (size > 4) { say({ id, error: { code: 'TOO_MANY', message: 'too many rows: ' + size } }); continue; }
  if (op === 'open') {
    const made = body.contexts.map((context) => { sessions.set(next, { sum: add(context), candidates: body.candidates }); return next++; });
    say({ id, sessions: made, logprobs: made.map((s) => row(sessions.get(s))) });
  } else if (op === 'extend') {
    if (body.sessions.some((s) => !sessions.has(s))) { say({ id, error: { code: 'NO_SESSION', message: 'no such session' } }); continue; }
    body.sessions.forEach((s, i) => { sessions.get(s).sum += add(body.tokens[i]); });
    say({ id, logprobs: body.sessions.map((s) => row(sessions.get(s))) });
  } else { body.sessions.forEach((s) => sessions.delete(s)); say({ id, closed: size }); }
}
`;

async function start(body: string, options: DeciderOptions = {}): Promise<Decider> {
  setEnv('TIRESIAS_CACHE', scratch());
  fakeBackend(body);
  const decider = await Decider.start({ backend: 'candle', base: { path: 'm.gguf' }, threads: 1 }, options);
  onTestFinished(() => decider.end());
  return decider;
}

describe('a decider', () => {
  it('opens, extends and closes sessions, in parts that fit, each row its own', async () => {
    const decider = await start(ECHO, { batch: 4 });
    const contexts = Array.from({ length: 11 }, (_, i) => Uint32Array.from([i, 10 * i]));
    const { sessions, logprobs } = await decider.open(contexts, [1, 2]);
    expect(sessions).toHaveLength(11);
    expect(logprobs).toEqual(contexts.map((_, i) => [-11 * i - 1, -11 * i - 2]));
    const order = [10, 3, 7, 0, 5, 1];
    const rows = await decider.extend(order.map((i) => sessions[i]!), order.map((i) => [100 * i]));
    expect(rows).toEqual(order.map((i) => [-111 * i - 1, -111 * i - 2]));
    await decider.close(sessions.slice(0, 4));
    await decider.close([]);
    await decider.end();
  });

  it('answers requests that were sent together', async () => {
    const decider = await start(ECHO);
    const answers = await Promise.all([decider.open([[1]], [0]), decider.open([[2]], [0]), decider.open([[3]], [0])]);
    expect(answers.map(({ logprobs }) => logprobs[0]![0])).toEqual([-1, -2, -3]);
  });

  it('that refuses a request goes on serving', async () => {
    const decider = await start(ECHO);
    await expect(decider.extend([99], [[1]])).rejects.toMatchObject({ code: 'NO_SESSION' });
    await expect(decider.open([[5]], [1])).resolves.toMatchObject({ logprobs: [[-6]] });
  });

  it('that dies in the middle of a request rejects it, and every later one', async () => {
    const decider = await start(`say({ event: 'ready', contract: 2, vocabulary: 1, context: 1, adapter: false });
      for await (const line of createInterface({ input: process.stdin })) process.stderr.write('ouch', () => process.kill(process.pid, 'SIGKILL'));`);
    const died = { code: 'DECIDER_DIED', exitCode: 75, message: expect.stringMatching(/SIGKILL[^]*ouch/) };
    await expect(Promise.all([decider.open([[1]], [0]), decider.open([[2]], [0])])).rejects.toMatchObject(died);
    await expect(decider.open([[1]], [0])).rejects.toMatchObject(died);
  });

  it('that dies before it is ready fails to start', async () => {
    await expect(start('process.exitCode = 1;')).rejects.toMatchObject({ code: 'DECIDER_DIED' });
    await expect(start('process.exitCode = 0;')).rejects.toMatchObject({ code: 'DECIDER_DIED' });
    await expect(start(`say({ event: 'error', code: 'BASE_MODEL_CORRUPT', message: 'bad magic', exit: 3 }); process.exitCode = 3;`)).rejects.toMatchObject({
      code: 'BASE_MODEL_CORRUPT', message: 'bad magic', exitCode: 3,
    });
  });

  it.each([
    ['garbage', '"nonsense"'],
    ['an answer to what was not asked', '{ id: 77, closed: 1 }'],
    ['another kind of answer', '{ id: 1, closed: 1 }'],
    ['too few rows', '{ id: 1, sessions: [0], logprobs: [[0]] }'],
    ['an answer without numbers', '{ id: 1, sessions: [0, 1], logprobs: [["a"], [0]] }'],
  ])('that answers with %s breaks the contract', async (_, answer) => {
    const decider = await start(`say({ event: 'ready', contract: 2, vocabulary: 1, context: 1, adapter: false });
      for await (const line of createInterface({ input: process.stdin })) say(${answer});`);
    await expect(decider.open([[1], [2]], [0])).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  it('ends at once when the caller gives up', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const decider = await start(`say({ event: 'ready', contract: 2, vocabulary: 1, context: 1, adapter: false });
      process.on('SIGTERM', () => {});
      setInterval(() => {}, 1000);`, { signal: controller.signal });
    const pending = decider.open([[1]], [0]);
    setTimeout(() => controller.abort(reason), 50);
    await expect(pending).rejects.toBe(reason);
    await expect(decider.open([[1]], [0])).rejects.toBe(reason);
  });

  it('is ended by the caller once and for all', async () => {
    const decider = await start(ECHO);
    await decider.end();
    await expect(decider.open([[1]], [0])).rejects.toMatchObject({ code: 'USAGE' });
  });
});
