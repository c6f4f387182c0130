// What is believed before the first action, where something was seen before it.
import { checkModel, invalid } from '../check.js';
import type { Model } from '../library.js';
import type { PomdpFitReport } from './fit.js';
import { checkTrajectories, type Trajectories } from './import.js';

/**
 * Beliefs after a first symbol as a fit found them, symbols × states, for {@link followPolicy}'s `first`: a POMDP's start knows nothing of what is seen before the first
 * action. Symbols that no fitted episode began with have the start. Throws `INVALID_ARGUMENT` where the report is of another model.
 */
export function firstBeliefs(report: PomdpFitReport, trajectories: Trajectories, model: Model): Float64Array {
  checkTrajectories('firstBeliefs', trajectories);
  checkModel('firstBeliefs', model);
  if (report?.kind !== 'pomdp' || !Array.isArray(report.firstSymbols)) throw invalid('firstBeliefs: the report is that of a fit of a POMDP (fitLogs)');
  const known = new Map(report.firstSymbols.map(({ symbol, belief }) => [symbol, belief]));
  const start = [...model.start()];
  const beliefs = trajectories.observations.map((symbol) => known.get(symbol) ?? start);
  const odd = beliefs.find((belief) => belief.length !== start.length);
  if (odd !== undefined) throw invalid(`firstBeliefs: a belief of the report has ${odd.length} states and the model ${start.length}: the report is of another model`);
  return Float64Array.from(beliefs.flat());
}
