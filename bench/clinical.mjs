// What the clinical family has to decide, and how hard it is: `node bench/clinical.mjs [tasks] [split]`.
//
// Values of its POMDPs under the oracle, each task's best and worst constant action and random actions; then the certified gap of
// its APOMDPs (M = 3, α = 1) for 2 % of each task's span, the best less the worst achievable value.
import { Model, drawTask, solveSync } from '../dist/index.js';

const [tasks = 40, split = 'test'] = [process.argv[2] && Number(process.argv[2]), process.argv[3]];
const SECONDS = 30;
const draw = (index, regime) => drawTask('clinical', { split, index, seed: 0, regime, horizon: 12, models: 3, alpha: 1 }).model;

/** The value of a policy that takes action a with probability mix[a] whatever it sees. */
function blind(model, mix) {
  const { start, reward, dynamics } = JSON.parse(model.toJson());
  let belief = start;
  let total = 0;
  for (let month = 0; month < model.horizon; month++) {
    const next = belief.map(() => 0);
    mix.forEach((share, a) => belief.forEach((p, s) => {
      total += share * p * reward.state_action[a][s];
      for (const [to, q] of Object.entries(dynamics[0].transition[a][s])) next[to] += share * p * q;
    }));
    belief = next;
  }
  return total;
}

/** The same game with what is earned and who is kind turned round: its value is minus the worst achievable one. */
function turned(model) {
  const document = JSON.parse(model.toJson());
  document.reward.state_action = document.reward.state_action.map((row) => row.map((r) => -r));
  return Model.fromJson(JSON.stringify({ ...document, alpha: 1 - document.alpha }));
}

const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
const quantile = (list, p) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(p * list.length))];
const rows = Array.from({ length: tasks }, (_, index) => {
  const [pomdp, apomdp] = [draw(index, 'pomdp'), draw(index, 'apomdp')];
  const constants = [0, 1, 2, 3].map((a) => blind(draw(index, 'mdp'), [0, 1, 2, 3].map((b) => Number(a === b))));
  const rough = { gap: 0.1, timeSeconds: 3, threads: 1 };
  const span = solveSync(apomdp, rough).value + solveSync(turned(apomdp), rough).value;
  const before = process.cpuUsage();
  const solution = solveSync(apomdp, { gap: 0.02 * span, timeSeconds: SECONDS, threads: 1 });
  const { user, system } = process.cpuUsage(before);
  return {
    oracle: solveSync(pomdp, { gap: 0.005 }).value, best: Math.max(...constants), worst: Math.min(...constants), random: blind(draw(index, 'mdp'), [0.25, 0.25, 0.25, 0.25]),
    span, gap: (solution.upper - solution.lower) / span, cpu: (user + system) / 1e6, stopped: solution.stopped,
  };
});
const of = (key) => rows.map((row) => row[key]);
console.log(`clinical, ${tasks} tasks of ${split}, 12 months`);
console.log(`POMDP, mean value: oracle ${mean(of('oracle')).toFixed(3)}, best constant action ${mean(of('best')).toFixed(3)}, random ${mean(of('random')).toFixed(3)}, worst constant action ${mean(of('worst')).toFixed(3)}`);
console.log(`APOMDP: span median ${quantile(of('span'), 0.5).toFixed(3)}; 2 % of it within ${SECONDS} s: ${rows.filter(({ stopped }) => stopped === 'converged').length} of ${tasks}, largest gap ${(100 * Math.max(...of('gap'))).toFixed(2)} %`);
console.log(`processor seconds a task: median ${quantile(of('cpu'), 0.5).toFixed(2)}, 90 % below ${quantile(of('cpu'), 0.9).toFixed(2)}, most ${Math.max(...of('cpu')).toFixed(2)}`);
