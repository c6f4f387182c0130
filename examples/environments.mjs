// A rule of your own, tried in a vector environment: perform as soon as the store is so full. Beside it the oracle and chance. `node examples/environments.mjs`
import { Environments, drawTask, rolloutSync, solveSync } from '@tiresias-rl/tiresias';

const { model } = drawTask('energy', { index: 0, regime: 'mdp', horizon: 10 });
const [harvest, perform] = ['harvest', 'perform'].map((name) => Array.from({ length: model.actions }, (_, a) => model.actionName(a)).indexOf(name));
const count = 1000;
const environments = new Environments(model, { count, seed: 1 });

/** What an episode earns on average under a rule that goes by the state seen. */
function played(rule) {
  let [seen, sum] = [environments.reset({ firstEpisode: 0 }), 0];
  for (let stage = 0; stage < 10; stage++) {
    const { observations, rewards } = environments.step(Uint8Array.from(seen, rule));
    seen = observations;
    for (const reward of rewards) sum += reward;
  }
  return sum / count;
}

const earned = Array.from({ length: model.states }, (_, level) => played((state) => (state >= level ? perform : harvest)));
const level = earned.indexOf(Math.max(...earned));
const mean = (behaviour, ...solution) => rolloutSync(model, { behaviour, episodes: count, seed: 1 }, ...solution).returns.reduce((sum, value) => sum + value, 0) / count;
console.log(`chance ${mean('random').toFixed(2)}`);
console.log(`rule   ${earned[level].toFixed(2)} (performs from level ${level} on)`);
console.log(`oracle ${mean('oracle', solveSync(model)).toFixed(2)}`);
