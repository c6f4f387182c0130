// Bounds on the best value of a model file, what to do first, and what each action would cost. `node examples/solve.mjs [FILE]`
import { readFileSync } from 'node:fs';
import { Model, solve } from '@tiresias-rl/tiresias';

const file = process.argv[2] ?? new URL('tiger.json', import.meta.url);
const model = Model.fromJson(readFileSync(file, 'utf8'));
const solution = await solve(model, { gap: 0.001, timeSeconds: 10 });

console.log(`${model.kind}: the best value lies in [${solution.lower.toFixed(3)}, ${solution.upper.toFixed(3)}] (${solution.stopped})`);
const start = model.start();
console.log(`first: ${model.actionName(solution.action(0, start))}`);
for (let action = 0; action < model.actions; action++) {
  console.log(`  ${model.actionName(action)} loses at most ${solution.regretBound(0, start, action).toFixed(3)}`);
}
