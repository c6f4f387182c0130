// Few-shot examples to ids through the addon: 2,048 examples of 5 trajectories of 20 steps, ids and labels into typed
// arrays that are kept. The floor fills as much of them. Writes the same examples as text, and the ids that
// they must give, for the peers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer, compileEncoder, defaultTemplate } from '../../dist/index.js';
import { argumentsOf, rates, report } from './measure.mjs';

const [EXAMPLES, TRAJECTORIES, HORIZON] = [2048, 5, 20];

const { inputs, gguf, seconds } = argumentsOf('gguf');
const tokenizer = Tokenizer.fromGguf(gguf);
const encoder = compileEncoder(defaultTemplate('energy', 'mdp'), tokenizer, 10, 3);
const steps = EXAMPLES * TRAJECTORIES * HORIZON;
const below = (n) => Math.floor(n * Math.random());
const batch = {
  observations: Int32Array.from({ length: steps }, () => below(10)),
  actions: Uint8Array.from({ length: steps }, () => below(3)),
  rewards: Float64Array.from({ length: steps }, () => (below(51) - 20) / 10),
  steps: Uint32Array.from({ length: EXAMPLES * TRAJECTORIES + 1 }, (_, i) => i * HORIZON),
  examples: Uint32Array.from({ length: EXAMPLES + 1 }, (_, i) => i * TRAJECTORIES),
};
const { ids, texts } = encoder.encodeBatch(batch, { texts: true });
writeFileSync(join(inputs, 'texts.json'), JSON.stringify(texts));
writeFileSync(join(inputs, 'ids.json'), JSON.stringify([...ids]));

const room = 8 * steps + 64 * EXAMPLES;
const out = [new Uint32Array(room), new Int32Array(room), new Uint32Array(EXAMPLES + 1)];
const work = () => encoder.encodeBatchInto(batch, ...out);
const kept = [out[0].subarray(0, ids.length), out[1].subarray(0, ids.length)];
const floor = () => kept.map((array) => array.fill(7));
report({ ...(await rates(ids.length, seconds, work, floor)), unit: 'ids/s' });
