// What the addon is told to draw: the part of an experiment that one regime's shards and episodes share.
import { snakeKeys } from './case.js';
import type { Experiment } from './experiment.js';
import type { Spec } from './spec-types.js';

/** Whether states are seen (`mdp`) or not (`pomdp`), and whether there is a cloud of models besides (`apomdp`). */
export type Regime = Spec['regime'];
/** The task families that there are. */
export type FamilyName = Spec['family'];
/** Whether a family is one of somebody's own, a folder of models or a document, which a process knows once it has loaded it. */
export const isOwnFamily = (family: FamilyName): boolean => /^(?:models|json):/.test(family);
/** The splits of the families; not every family has every one out of distribution (see `families`). */
export type SplitName = Spec['split'];
/** Who acts: `oracle`, `random`, the oracle with random actions at the given rate, or a mixture such as `mixture:oracle=0.5,random=0.5`. */
export type Behaviour = 'oracle' | 'random' | `epsilon:${number}` | `mixture:${string}`;
/** Who acts in a query. */
export type QueryBehaviour = 'oracle' | `epsilon:${number}`;
/** Who picks the model of a cloud at each step: it is always model `M` (`fixed:M`), drawn uniformly, or the oracle's own answer. */
export type Nature = `fixed:${number}` | 'resampled' | 'adversarial';
/** Who picks the model of a cloud while trajectories are drawn: `fixed` is the task's hidden true model. */
export type SupportNature = Spec['nature'];
/** Who picks the model of a cloud in evaluation: the oracle's own nature, or always model `M`. */
export type QueryNature = 'oracle' | `fixed:${number}`;
/** Examples from the learning histories of tabular Q-learning; see the specification. */
export type Histories = NonNullable<Spec['histories']>;
/** What the decisions of a query are labelled with; see the specification. */
export type Labels = Spec['labels'];
/** What a shard is written as. */
export type ShardFormat = Spec['format'];

/**
 * How trajectories are laid out as text; what is left out keeps its default. An example is the header, for every support
 * trajectory the support marker and its steps, then the query marker and the query's steps. A step is the line `o,a,r`:
 * zero-padded decimals of fixed width. A reward is printed as `round(reward * rewardScale) + rewardOffset`.
 */
export interface Template {
  /** The text at the start of each example. */
  header?: string | undefined;
  /** The text before each support trajectory. */
  supportMarker?: string | undefined;
  /** The text before the query. */
  queryMarker?: string | undefined;
  /** The number of digits of an observation (of a state in an MDP). */
  observationWidth?: number | undefined;
  /** The number of digits of an action. Always 1, because an action is one token. */
  actionWidth?: 1 | undefined;
  /** The number of digits of a reward. */
  rewardWidth?: number | undefined;
  /** A reward is multiplied by this number, and then rounded. */
  rewardScale?: number | undefined;
  /** This number is added to a rounded reward, so that no printed number is negative. */
  rewardOffset?: number | undefined;
  /** The character that is printed where there is no observation, or where the reward is hidden. */
  missing?: string | undefined;
  /** Whether the query shows its rewards. Where the state is hidden the default is `hidden`, because a reward can tell more about the state than an observation. */
  queryReward?: 'shown' | 'hidden' | undefined;
}

/** A template with nothing left out. */
export type WholeTemplate = { [K in keyof Template]-?: NonNullable<Template[K]> };

/** Tasks, oracles and trajectories of one regime. */
export type TaskSpec = Pick<Spec, 'family' | 'split' | 'seed' | 'regime' | 'horizon' | 'models' | 'alpha' | 'nature' | 'support' | 'solver' | 'template'>;

/** A dataset's shard: tasks `firstTask` to `firstTask + tasks`, each with `examplesPerTask` examples. */
export type ShardSpec = TaskSpec & Pick<Spec, 'query' | 'firstTask' | 'tasks' | 'examplesPerTask' | 'format' | 'threads'> & {
  /** Examples from learning histories instead of the oracle's. */
  histories?: Histories | undefined;
  /** What labels the query's decisions: the task's oracle when left out. */
  labels?: Labels | undefined;
};

/** Evaluation episodes of tasks `firstTask` to `firstTask + tasks`. */
export type EpisodesSpec = TaskSpec & Pick<Spec, 'firstTask' | 'tasks' | 'episodesPerTask' | 'epsilon' | 'threads'> & {
  /** APOMDP only: who picks the model that acts in the query. */
  queryNature?: QueryNature | undefined;
  /** Whose policy `teacherActions` are, and with `static` also what regret to the static form is measured: the task's oracle when left out. */
  labels?: Labels | undefined;
};

/** The part of an experiment that one regime's tasks share. */
export function taskSpec(experiment: Experiment, regime: Regime, split: SplitName): TaskSpec {
  const { family, seed, horizon, models, alpha, nature, support, solver } = experiment;
  return { family, split, seed, regime, horizon, models, alpha, nature, support, solver, template: experiment.templates[regime] ?? null };
}

/** The labels whose policy an evaluation needs, as a field of its specification: for the method `teacher`, and of the static form for its value. */
export function evaluatedLabels({ dataset: { labels }, evaluation: { methods } }: Pick<Experiment, 'dataset' | 'evaluation'>): { labels?: Labels } {
  const asked = labels === 'static' || (labels === 'robust' && methods.some(({ method }) => method === 'teacher'));
  return asked ? { labels } : {};
}

/** A template as the addon reads it. */
export const templateJson = (template: Template): string => JSON.stringify(snakeKeys(template));

/** A specification as the addon reads it. */
export function specJson<S extends { template: Template | null }>(spec: S): string {
  return JSON.stringify({ ...spec, template: spec.template && snakeKeys(spec.template) });
}
