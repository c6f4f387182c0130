// Models, and clouds of models, from recorded decisions.
import { CALL_OPTIONS, checkOptions, invalid } from '../check.js';
import { Model } from '../library.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type * as Addon from '../../native/index.cjs';
import { checkTrajectories, type Trajectories } from './import.js';
import { leastWhereUnseen } from './unseen.js';

/** What can be put around a fitted model: models that the records leave possible, or sets around its rows. */
export type FitAmbiguity = 'posterior' | 'bootstrap' | 'l1' | 'interval';

/** What is fitted, and how. */
export interface FitSettings {
  /** The kind of model. `mdp`: what is seen is the state. `pomdp`: the states are hidden, and are found by expectation–maximisation. */
  kind: 'mdp' | 'pomdp';
  /** The name of the model. Default `fitted`. */
  name?: string;
  /** The number of hidden states of a POMDP; or a range, from which the likelihood of episodes that are left out chooses. Default 2. */
  states?: number | readonly [least: number, most: number];
  /** The weight of the prior of every distribution, as a number of transitions. Default 1. */
  weight?: number;
  /** The weight of the mean of all rewards in the mean reward of one state and action, as a number of rewards. Default 1. */
  rewardWeight?: number;
  /** The reward of an MDP for a state and action that no step has: the mean of all rewards, or the least reward, which keeps policies away from what nobody tried. Default `mean`. */
  unseenReward?: 'mean' | 'least';
  /** Whether rewards are used to find the hidden states. Default false, because beliefs do not use rewards either. */
  rewardsSeen?: boolean;
  /** The number of random starting points of expectation–maximisation. Default 8. */
  starts?: number;
  /** The largest number of iterations of expectation–maximisation. Default 500. */
  iterations?: number;
  /** Expectation–maximisation ends when an iteration improves the log-posterior by at most this much for each decision, in nats. Default 1e-6. */
  tolerance?: number;
  /** The discount factor of the model. Default 0.95, and 1 with a horizon. */
  discount?: number;
  /** The number of decisions of the model. Without it there is no end, which needs a discount below 1. */
  horizon?: number;
  /** The share of episodes that are left out of the fit, to measure how well the model predicts them. */
  heldOut?: number;
  /** Instead of `heldOut`: the episodes are divided into so many parts, and each part is left out once. */
  folds?: number;
  /** The seed of everything that is drawn at random. Default 0. */
  seed?: number;
  /** The ambiguity around the model. Default: none. The sets `l1` and `interval` go only around an MDP. */
  ambiguity?: FitAmbiguity;
  /** The number of models in the cloud. Default 10. */
  models?: number;
  /** The ambiguity attitude: 1 is max-min. Default 1. */
  alpha?: number;
  /** The probability with which the sets hold all true rows. Default 0.95. */
  coverage?: number;
}

/** Settings of {@link fitLogs}. */
export interface FitOptions extends FitSettings, CallOptions<Addon.FitProgress> {
  /** Threads; default one a core. No number depends on it. */
  threads?: number;
}

/** What a fit of an MDP found. */
export interface MdpFitReport {
  /** What was fitted. */
  kind: 'mdp';
  /** Number of episodes. */
  episodes: number;
  /** Number of decisions. */
  steps: number;
  /** Transitions that were counted. */
  transitions: number;
  /** Steps whose own state was not seen; they count for nothing. */
  unseen: number;
  /** Pairs of state and action that no step is of. */
  uncovered: number;
  /** The first of them. */
  uncoveredPairs: {
    /** The state. */
    state: string;
    /** What nobody did in it. */
    action: string;
  }[];
  /** Mean logarithm of the probability of a transition, in nats. */
  logLikelihood: number;
  /** The same of episodes left out; `null` where none were. */
  heldOut: number | null;
}

/** What a fit of a POMDP found. */
export interface PomdpFitReport {
  /** What was fitted. */
  kind: 'pomdp';
  /** Number of episodes. */
  episodes: number;
  /** Number of decisions. */
  steps: number;
  /** Observations that were there. */
  seen: number;
  /** Hidden states, without the one in which episodes end. */
  states: number;
  /** Actions that were never taken. */
  untaken: string[];
  /** Log-likelihood for each decision, in nats. */
  logLikelihood: number;
  /** The same of episodes left out; `null` where none were. */
  heldOut: number | null;
  /** Numbers of states that were held against each other. */
  candidates: {
    /** Hidden states. */
    states: number;
    /** Log-likelihood of episodes left out, for each decision. */
    heldOut: number;
    /** Standard error of its difference to the best. */
    error: number;
  }[];
  /** The log-posterior that each start reached. */
  starts: number[];
  /** Iterations of the best start. */
  iterations: number;
  /** Whether it ended because nothing improved. */
  converged: boolean;
  /** What is believed before the first action by the symbol seen then. */
  firstSymbols: {
    /** The symbol. */
    symbol: string;
    /** Episodes that begin with it. */
    episodes: number;
    /** Probability of each state of the model. */
    belief: number[];
  }[];
}

/** A fitted model and what is around it. */
export interface FittedLogs {
  /** The likeliest model. */
  model: Model;
  /** The cloud or the sets around it, as one model that `solve` treats as ambiguous. */
  ambiguous?: Model;
  /** The cloud's members. */
  members: Model[];
  /** What was found. */
  report: MdpFitReport | PomdpFitReport;
}

const SETTINGS = {
  kind: ['mdp', 'pomdp'], name: 'string', states: 'object', weight: 'number', rewardWeight: 'number', unseenReward: ['mean', 'least'], rewardsSeen: 'boolean', starts: 'number', iterations: 'number', tolerance: 'number',
  discount: 'number', horizon: 'number', heldOut: 'number', folds: 'number', seed: 'number', ambiguity: ['posterior', 'bootstrap', 'l1', 'interval'], models: 'number', alpha: 'number', coverage: 'number',
} as const;

/** The settings as the addon takes them. Throws `INVALID_ARGUMENT` for what makes no sense. */
function settingsText(call: string, settings: FitSettings): string {
  const { states, ...rest } = settings;
  if (rest.kind === undefined) throw invalid(`${call}: option kind is mdp or pomdp, and there is no default`);
  // In JSON a number that is none would become a default.
  const odd = Object.entries(rest).find(([, value]) => typeof value === 'number' && !Number.isFinite(value));
  if (odd !== undefined) throw invalid(`${call}: option ${odd[0]} is ${odd[1]}, which is no finite number`);
  if (rest.heldOut !== undefined && rest.folds !== undefined) throw invalid(`${call}: give one of the options heldOut and folds`);
  const sets = rest.ambiguity === 'l1' || rest.ambiguity === 'interval';
  if (sets && rest.alpha !== undefined && rest.alpha !== 1) throw invalid(`${call}: option alpha is for clouds (posterior, bootstrap); within sets nature does its worst`);
  const range = typeof states === 'number' ? [states, states] : states;
  return JSON.stringify({
    ...rest, name: rest.name ?? 'fitted', discount: rest.discount ?? (rest.horizon === undefined ? 0.95 : 1), seed: rest.seed ?? 0,
    ...(range !== undefined && { states: range }),
    // A range is chosen from by episodes left out.
    ...(range !== undefined && range[0] !== range[1] && rest.heldOut === undefined && rest.folds === undefined && { folds: 5 }),
  });
}

/**
 * Fits a model to recorded decisions: an MDP by counting, with a Dirichlet prior, or a POMDP by expectation–maximisation (Baum and Welch, with actions
 * as inputs); and around it a cloud (posterior draws, refits to resampled episodes) or sets with a stated coverage (Weissman et al. 2003;
 * Clopper and Pearson 1934). What it says holds of the world as far as the records show it. Throws `INVALID_ARGUMENT` and `INVALID_MODEL`.
 */
export async function fitLogs(trajectories: Trajectories, options: FitOptions): Promise<FittedLogs> {
  checkTrajectories('fitLogs', trajectories);
  const { states, ...others } = options ?? {};
  const { states: _, ...known } = SETTINGS;
  checkOptions('fitLogs', others, { ...known, ...CALL_OPTIONS, threads: 'number' });
  if (states !== undefined && typeof states !== 'number' && !(Array.isArray(states) && states.length === 2)) throw invalid('fitLogs: option states is a number or a pair [least, most]');
  const { signal, onProgress, threads, unseenReward = 'mean', ...settings } = options;
  if (unseenReward === 'least' && settings.kind === 'pomdp') throw invalid('fitLogs: option unseenReward is for an MDP: where states are hidden, it is unknown which pairs were not seen');
  const text = settingsText('fitLogs', settings);
  const found = await cancellable({ signal, onProgress }, (token, report) => native.fitLogs(trajectories, text, threads, token, report));
  const report = JSON.parse(found.report) as FittedLogs['report'];
  const rewarded = unseenReward === 'least' ? leastWhereUnseen(trajectories) : (json: string) => json;
  const model = (json: string) => Model.fromJson(rewarded(json));
  return { model: model(found.model), ...(found.ambiguous !== undefined && { ambiguous: model(found.ambiguous) }), members: found.members.map(model), report };
}
