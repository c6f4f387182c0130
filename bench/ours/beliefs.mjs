// 4,096 beliefs of the energy POMDP updated together through the addon, with log-likelihoods. The observations are those of
// simulated episodes. The floor writes as many beliefs and log-likelihoods.
import * as tiresias from '../../dist/index.js';
import { argumentsOf, energy, rates, report } from './measure.mjs';

const COUNT = 4096;
const STAGES = 100;

const { precision, seconds } = argumentsOf('precision');
if (!tiresias.BeliefBatch || !tiresias.Environments) report({ reason: 'the addon has no batch of beliefs yet' });
else {
  const model = energy('pomdp');
  const environments = new tiresias.Environments(model, { count: COUNT, seed: 0, horizon: STAGES, threads: 1 });
  environments.reset();
  const history = Array.from({ length: STAGES }, () => {
    const actions = Uint8Array.from({ length: COUNT }, () => Math.floor(model.actions * Math.random()));
    return { actions, observations: environments.step(actions).observations };
  });
  const batch = new tiresias.BeliefBatch(model, { count: COUNT, precision, threads: 1 });
  const logLikelihoods = new Float64Array(COUNT);

  const work = () => {
    batch.reset();
    for (const { actions, observations } of history) batch.update(actions, observations, { logLikelihoods });
  };
  const beliefs = precision === 'f32' ? new Float32Array(COUNT * model.states) : new Float64Array(COUNT * model.states);
  const floor = () => {
    for (let t = 0; t < STAGES; t++) {
      beliefs.fill(t);
      logLikelihoods.fill(t);
    }
  };
  report({ ...(await rates(COUNT * STAGES, seconds, work, floor)), unit: 'updates/s' });
}
