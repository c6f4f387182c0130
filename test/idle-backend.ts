// A backend for `fakeBackend` where what is learned does not matter.

/** Trains by doing nothing; decides for the first action. */
export const IDLE_BACKEND = `
import { mkdirSync, writeFileSync, appendFileSync } from 'node:fs';
if (mode === 'train') {
  const line = (event) => { appendFileSync(config.output + '/metrics.jsonl', JSON.stringify(event) + '\\n'); say(event); };
  line({ event: 'start', parameters: 100, trainable: 10, examples: 8, resumed_from: 0, steps: config.steps, arithmetic: 'f32' });
  mkdirSync(config.output + '/adapter', { recursive: true });
  writeFileSync(config.output + '/adapter/adapter_config.json', '{}');
  writeFileSync(config.output + '/adapter/adapter_model.safetensors', JSON.stringify(config.seed));
  line({ event: 'done', step: config.steps, adapter: 'adapter', loss: 1, tokens: 200, seconds: 0.1, tokens_per_second: 2000, matmul_share: 0.3, peak_rss_bytes: 1000000 });
} else {
  say({ event: 'ready', contract: 2, vocabulary: 49152, context: 8192, adapter: config.adapter !== undefined });
  let next = 0;
  for await (const text of createInterface({ input: process.stdin })) {
    const { id, op, contexts, sessions } = JSON.parse(text);
    if (op === 'open') say({ id, sessions: contexts.map(() => next++), logprobs: contexts.map(() => [0, -1, -2]) });
    else if (op === 'extend') say({ id, logprobs: sessions.map(() => [0, -1, -2]) });
    else say({ id, closed: sessions.length });
  }
}
`;
