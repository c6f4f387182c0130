// Writes a family of one's own: machines that wear out, each with numbers of its own. `node examples/own-family.mjs machines`, then
// `tiresias solve --family machines --split test --tasks 20`. See docs/your-own-family.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import seedrandom from 'seedrandom';

const folder = process.argv[2] ?? 'machines';
const round = (x) => Math.round(x * 100) / 100;

/** A machine is good, worn or broken; one looks at what it makes. It runs, is inspected, or is repaired. */
function machine(random, index) {
  const between = (low, high) => round(low + (high - low) * random());
  const [wear, failure, miss] = [between(0.05, 0.3), between(0.1, 0.5), between(0.05, 0.3)];
  const repair = Math.round(2 + 4 * random());
  const runs = [[round(1 - wear), wear, 0], [0, round(1 - failure), failure], [0, 0, 1]];
  const stays = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const blind = [[1, 0], [1, 0], [0, 1]];
  const sight = [[round(1 - miss), miss], [miss, round(1 - miss)], [0, 1]];
  return {
    schema: 'tiresias.model/1', name: `machine ${index}`, states: ['good', 'worn', 'broken'], actions: ['run', 'inspect', 'repair'], observations: ['fine', 'flawed'],
    horizon: 12, start: [1, 0, 0], reward: { state_action: [[2, 1, 0], [-0.5, -0.5, -0.5], [-repair, -repair, -repair]] },
    dynamics: [{ transition: [runs, stays, [[1, 0, 0], [1, 0, 0], [1, 0, 0]]], observation: [blind, sight, blind] }],
  };
}

for (const [split, count] of [['train', 80], ['test', 20]]) {
  const random = seedrandom(split);
  mkdirSync(join(folder, split), { recursive: true });
  for (let index = 0; index < count; index++) writeFileSync(join(folder, split, `${String(index).padStart(3, '0')}.json`), `${JSON.stringify(machine(random, index))}\n`);
}
console.log(`${folder}: 80 machines to train on, 20 to test on`);
