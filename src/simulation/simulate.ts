// What a policy earns over many episodes, in one model or against every nature of a cloud.
import { CALL_OPTIONS, checkModel, checkOptions, invalid, type Kind } from '../check.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type { Nature } from '../spec.js';
import type * as Addon from '../../native/index.cjs';

/** Who acts: a solution, α-vectors, or actions drawn uniformly. */
export type ActingPolicy = Addon.Solution | Addon.AlphaPolicy | 'random';

/** What all simulations of a policy take. */
export interface PlayOptions extends Addon.SimulateOptions {
  /**
   * A solution of the cloud that answers for nature: it plays `adversarial` nature, and under the other rules selects the model that
   * updates the decision-maker's beliefs. A solution that acts is its own adversary unless another is named; without one, beliefs
   * are updated by model 0.
   */
  adversary?: Addon.Solution | undefined;
}

/** Options of {@link simulate}. */
export interface SimulationOptions extends PlayOptions {
  /** Who picks the model of a cloud at each step: `fixed:M` (default `fixed:0`), `resampled` (uniformly) or `adversarial`. */
  nature?: Nature | undefined;
}

/** Options of {@link robustness}. */
export interface RobustnessOptions extends PlayOptions {
  /** Belief updates that an exact value may take at most (default 20,000); 0 for no exact values. */
  exactUpdates?: number | undefined;
}

const PLAY = {
  episodes: 'number', steps: 'number', seed: 'number', threads: 'number', adversary: 'object',
} as const satisfies Record<keyof PlayOptions, Kind>;

/**
 * The mean discounted return of a policy with its 95 % interval, over many episodes; of `'random'`, of actions drawn uniformly. The
 * same numbers for any number of threads. INVALID_POLICY when the policy is of another model; IMPOSSIBLE_OBSERVATION when a
 * decision-maker in a cloud sees what no model explains to them.
 */
export async function simulate(
  model: Addon.Model, policy: ActingPolicy, options: SimulationOptions & CallOptions<Addon.StageProgress>,
): Promise<Addon.Simulated> {
  check('simulate', model, options, { nature: 'string' });
  const [solution, vectors] = acting('simulate', policy);
  const { signal, onProgress, nature, adversary, ...rest } = options;
  return cancellable({ signal, onProgress }, (token, report) => native.simulate(model, rest, nature, solution, vectors, adversary, token, report));
}

/**
 * What a policy earns in a cloud whatever nature does: J_m for every fixed model and the worst of them, their average, a resampled
 * model, the adversary's answers, and nature's best response; simulated, and computed where few beliefs can be met. Errors as
 * {@link simulate}.
 */
export async function robustness(
  model: Addon.Model, policy: ActingPolicy, options: RobustnessOptions & CallOptions<Addon.StageProgress>,
): Promise<Addon.Robustness> {
  check('robustness', model, options, { exactUpdates: 'number' });
  const [solution, vectors] = acting('robustness', policy);
  const { signal, onProgress, exactUpdates = 20_000, adversary, ...rest } = options;
  return cancellable({ signal, onProgress }, (token, report) => native.robustness(model, rest, exactUpdates, solution, vectors, adversary, token, report));
}

function check(call: string, model: unknown, options: PlayOptions, more: Readonly<Record<string, Kind>>): void {
  checkModel(call, model);
  checkOptions(call, options, { ...PLAY, ...CALL_OPTIONS, ...more });
  checkModel(call, model, options.adversary);
  if (options.episodes === undefined) invalid(`${call}: the option episodes is needed`);
}

function acting(call: string, policy: ActingPolicy): [Addon.Solution | undefined, Addon.AlphaPolicy | undefined] {
  const solution = policy instanceof native.Solution ? policy : undefined;
  const vectors = policy instanceof native.AlphaPolicy ? policy : undefined;
  if (!solution && !vectors && policy !== 'random') invalid(`${call}: the policy is a Solution, an AlphaPolicy or 'random'`);
  return [solution, vectors];
}
