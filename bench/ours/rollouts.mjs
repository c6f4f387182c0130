// Recorded rollouts of the energy MDP through the addon: states, observations, actions and rewards, 17 bytes a step, in new
// typed arrays each time. The floor makes arrays of the same sizes and fills them.
import { rolloutSync, solveSync } from '../../dist/index.js';
import { argumentsOf, energy, rates, report } from './measure.mjs';

const EPISODES = 4096;

const { behaviour, seconds, threads } = argumentsOf('behaviour', 'threads');
const model = energy('mdp');
const solution = solveSync(model);
const steps = EPISODES * model.horizon;

let seed = 0;
const work = () => rolloutSync(model, { behaviour, episodes: EPISODES, seed: seed++, threads: Number(threads) }, solution);
const floor = () => [
  new Uint32Array(steps).fill(seed),
  new Int32Array(steps).fill(seed),
  new Uint8Array(steps).fill(seed),
  new Float64Array(steps).fill(seed),
];
report({ ...(await rates(steps, seconds, work, floor)), unit: 'steps/s' });
