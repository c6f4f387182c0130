// Acts in the tiger problem: a belief is kept, a decision made, an observation taken in. `node examples/act.mjs`
import { BeliefTracker, classicModel, solve } from '@tiresias-rl/tiresias';

const model = classicModel('tiger');
const solution = await solve(model, { gap: 0.01 });
const tracker = new BeliefTracker(model, solution);

// What the world says; yours would be a sensor.
for (const heard of ['hear-left', 'hear-right', 'hear-left', 'hear-left']) {
  const { action, regretBound } = solution.decide(tracker.stage, tracker.belief());
  const belief = Array.from(tracker.belief(), (p) => p.toFixed(3)).join(', ');
  console.log(`belief ${belief}: ${model.actionName(action)} (loses at most ${regretBound.toFixed(2)}), then ${heard}`);
  const observation = [0, 1].find((o) => model.observationName(o) === heard);
  tracker.update(action, observation);
}
