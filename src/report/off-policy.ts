// What policies would have earned on the logs' own kept episodes: a section of the report of a family that was fitted to logs.
import type { OffPolicyPolicy, OffPolicyResults, Results } from '../results.js';
import type { EstimatorName } from '../logs/off-policy.js';
import type { TextTable } from './records.js';
import { clean, count, decimal } from './text.js';

/** The estimates that are shown, the least biased first. */
const SHOWN: readonly (readonly [EstimatorName, string])[] = [['wis', 'Weighted importance sampling'], ['dr', 'Doubly robust'], ['fqe', 'Fitted Q evaluation']];

/** What a reader must know before the numbers. */
export function offPolicyNote({ fitted, heldOut, discount, file, policies }: OffPolicyResults): string {
  const behaviour = policies[0]?.behaviour === 'logged' ? 'as logged' : 'estimated from counts, as if whoever acted went by what was seen alone';
  return `Models were fitted to ${count(fitted)} episodes of ${clean(file) || 'the logs'}; policies are held against ${count(heldOut)} others that nothing was fitted to, at a discount of ${decimal(discount)}. `
    + `Values are returns of the recorded steps, with 95% bootstrap intervals; probabilities of what was done are ${behaviour}. "In the model" are proven bounds in the fitted model, and no statement about the world. `
    + 'Fitted Q evaluation takes what was seen for the state. A number that the logs do not support is refused.';
}

/** One row a policy; the first is what was earned. */
export function offPolicyTable({ offPolicy }: Results): TextTable {
  const headings = ['Policy', 'In the model', ...SHOWN.map(([, label]) => label), 'Effective episodes', 'Steps that nobody did'];
  if (!offPolicy || offPolicy.policies.length === 0) return [headings, []];
  const { policies } = offPolicy;
  const earned = policies[0]!.estimates.find(({ estimator }) => estimator === 'on-policy');
  const behaviour = ['Who recorded them', '', ...SHOWN.map((_, i) => (i === 0 && earned?.value !== undefined ? withInterval(earned.value, earned.interval) : '')), count(policies[0]!.episodes), ''];
  return [headings, [behaviour, ...policies.map(row)]];
}

const withInterval = (value: number, [low, high]: readonly [number, number]): string => `${decimal(value)} [${decimal(low)}, ${decimal(high)}]`;

function row({ label, inModel, estimates, effective, unsupportedSteps }: OffPolicyPolicy): string[] {
  const cell = (name: EstimatorName): string => {
    const found = estimates.find(({ estimator }) => estimator === name);
    if (found === undefined) return '';
    return found.refused === undefined ? withInterval(found.value, found.interval) : `refused: ${REFUSED[found.refused.kind]}`;
  };
  return [clean(label), inModel === null ? '' : `${decimal(inModel[0])} to ${decimal(inModel[1])}`, ...SHOWN.map(([name]) => cell(name)), decimal(effective), `${decimal(100 * unsupportedSteps)} %`];
}

const REFUSED = {
  support: 'it does what nobody did', 'no-weight': 'no episode is possible under it', effective: 'too few episodes count', 'one-weight': 'one episode decides it',
  overflow: 'too large a number', undefined: 'no interval',
} as const;
