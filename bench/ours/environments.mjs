// The vector environment through the addon: 4,096 episodes of the energy MDP stepped by random actions from outside, starting
// again by themselves. Writes observations, rewards and two flags into arrays that are kept: 14 bytes a step, as is the floor.
import * as tiresias from '../../dist/index.js';
import { argumentsOf, energy, rates, report } from './measure.mjs';

const COUNT = 4096;
const STEPS = 50;

const { seconds } = argumentsOf();
if (!tiresias.Environments) report({ reason: 'the addon has no vector environment yet' });
else {
  const model = energy('mdp');
  const environments = new tiresias.Environments(model, { count: COUNT, seed: 0, autoReset: true, threads: 1 });
  environments.reset();
  const step = environments.newStep();
  const actions = Array.from({ length: STEPS }, () => Uint8Array.from({ length: COUNT }, () => Math.floor(model.actions * Math.random())));

  const work = () => {
    for (const chosen of actions) environments.stepInto(chosen, step);
  };
  const floor = () => {
    for (let t = 0; t < STEPS; t++) {
      step.observations.fill(t);
      step.rewards.fill(t);
      step.terminated.fill(t);
      step.truncated.fill(t);
    }
  };
  report({ ...(await rates(COUNT * STEPS, seconds, work, floor)), unit: 'steps/s' });
}
