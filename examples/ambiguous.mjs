// An ambiguous tiger: one of several models of the microphone holds, and nature picks the worst. `node examples/ambiguous.mjs`
import { readFileSync } from 'node:fs';
import { Model, explain, explanationInWords, robustness, solve } from '@tiresias-rl/tiresias';

const cloud = Model.fromJson(readFileSync(new URL('ambiguous-tiger.json', import.meta.url), 'utf8'));
const solution = await solve(cloud, { gap: 0.01, timeSeconds: 10 });
console.log(explanationInWords(explain(cloud, solution)));

const { fixed } = await robustness(cloud, solution, { episodes: 2000, seed: 1 });
fixed.forEach(({ mean }, m) => console.log(`if model ${m} is true it earns about ${mean.toFixed(2)}`));
