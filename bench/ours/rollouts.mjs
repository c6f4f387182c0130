// Recorded rollouts of the energy MDP through the addon: states, observations, actions and rewards, 17 bytes a step, into the
// typed arrays of the call before (`--memory kept`) or into new ones each time (`fresh`). The floor fills arrays of the same sizes,
// kept or new alike.
import { rolloutSync, solveSync } from '../../dist/index.js';
import { argumentsOf, energy, rates, report } from './measure.mjs';

const EPISODES = 4096;

const { behaviour, memory, seconds, threads } = argumentsOf('behaviour', 'memory', 'threads');
const model = energy('mdp');
const solution = solveSync(model);
const steps = EPISODES * model.horizon;

let seed = 0;
const options = () => ({ behaviour, episodes: EPISODES, seed: seed++, threads: Number(threads) });
const into = memory === 'kept' ? rolloutSync(model, options(), solution) : undefined;
const work = () => rolloutSync(model, { ...options(), into }, solution);
const arrays = () => [new Uint32Array(steps), new Int32Array(steps), new Uint8Array(steps), new Float64Array(steps)];
const kept = arrays();
const floor = () => (memory === 'kept' ? kept : arrays()).map((array) => array.fill(seed));
report({ ...(await rates(steps, seconds, work, floor)), unit: 'steps/s' });
