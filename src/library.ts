// The addon's calls in the library's own style: objects instead of JSON text, AbortSignals, progress callbacks.
import { CALL_OPTIONS, GOAL_OPTIONS, SOLVE_OPTIONS, checkModel, checkOptions, checkTokenizer, checkWhole, type Kind } from './check.js';
import { checkShardSync, checkShards } from './dataset/open.js';
import { cancellable, native, stoppable, type CallOptions } from './native.js';
import { camelKeys } from './case.js';
import { specJson, templateJson, type EpisodesSpec, type FamilyName, type Regime, type ShardSpec, type TaskSpec, type SplitName, type Template, type WholeTemplate } from './spec.js';
import type * as Addon from '../native/index.cjs';

export type { CallOptions } from './native.js';
export type { Template, WholeTemplate } from './spec.js';
export type {
  DrawnTask, FamilyInfo, SplitInfo, Parameter, SolveOptions, SolveProgress, StageProgress, ShardReport, ShardExample, Ragged, Outcome, Support, AgentInfo,
  TrajectoryBatch, Assessment, Successor, EncodeOptions, EncodedBatch, ModelFileOptions, ModelWarning, LoadedModel, PolicyFileOptions, Simulated, MeanReturn,
  Robustness, StaticWorstCase, PolicyGraph, PolicyNode, StateTable, GoalOptions, GoalSolution,
} from '../native/index.cjs';
export { BeliefBatch, type BeliefBatchOptions, type BeliefUpdate, type BeliefUpdateOptions, type Level, type Precision } from './simulation/beliefs.js';
export { Environments, type EnvironmentsOptions, type EnvironmentsStep, type ResetOptions } from './simulation/environments.js';
export { rollout, rolloutSync, type AsyncPolicy, type Column, type Columns, type DefaultColumn, type Policy, type PolicyBatch, type RolloutOptions, type Rollouts } from './simulation/rollout.js';
export { robustness, simulate, type ActingPolicy, type PlayOptions, type RobustnessOptions, type SimulationOptions } from './simulation/simulate.js';

/** A validated MDP, POMDP or APOMDP. Immutable. */
export const Model = native.Model;
export type Model = Addon.Model;
/** Bounds on the optimal value and a policy that attains the lower one. */
export const Solution = native.Solution;
export type Solution = Addon.Solution;
/** α-vectors with their actions: the policies of pomdp-solve (`.alpha`) and of APPL (XML). */
export const AlphaPolicy = native.AlphaPolicy;
export type AlphaPolicy = Addon.AlphaPolicy;
/** Reads a policy graph of pomdp-solve (`.pg`) as nodes, merged while the value at the start keeps within a loss; see `AlphaPolicy.graph`. */
export const readPolicyGraph = native.readPolicyGraph;
/** Bayes filter of one acting decision-maker. */
export const BeliefTracker = native.BeliefTracker;
export type BeliefTracker = Addon.BeliefTracker;
/** A language model's tokenizer, from its GGUF file or its `tokenizer.json`; `encodeBatch` takes many texts at once. */
export const Tokenizer = native.Tokenizer;
export type Tokenizer = Addon.Tokenizer;
/** Writes the ids of few-shot examples without running the tokenizer; see {@link compileEncoder}. */
export const Encoder = native.Encoder;
export type Encoder = Addon.Encoder;
/** Evaluation episodes, stepped together; see {@link createEpisodes}. */
export const Episodes = native.Episodes;
export type Episodes = Addon.Episodes;
/** What a language model reads of episodes: `new Prompts(episodes, tokenizer)`. */
export const Prompts = native.Prompts;
export type Prompts = Addon.Prompts;
/** A method that acts without a network; see {@link createAgents}. */
export const Agents = native.Agents;
export type Agents = Addon.Agents;

/** The methods that act without a network: what each does, needs and takes. */
export const agentList = native.agentList;

/** All task families with their splits and regimes. */
export const families = native.families;

/** The solvers that `solver` may name, with what each treats and where it comes from. */
export const solvers = native.solvers;
export type { SolverInfo } from '../native/index.cjs';

/** A family, built in or loaded. Throws UNKNOWN_NAME. */
export const familyInfo = native.familyInfo;

/**
 * Makes a folder of model files (a file a task, a subfolder a split), or a document, a family (docs/your-own-family.md). Its name, `models:` or
 * `json:` and a hash of what was read, is then a family's wherever one is asked for in this process. Throws INVALID_MODEL_FILE or IO, with the file.
 */
export const loadFamily = native.loadFamily;

/** The classic problems of the literature that {@link classicModel} builds, with the parameters that their names take. */
export const classics = native.classics;
export type { ClassicInfo } from '../native/index.cjs';
/** A classic problem by its name, with parameters after a colon: `tiger`, `rock-sample:7,8`, `maze:hallway`. Throws UNKNOWN_NAME. */
export const classicModel = native.classicModel;

/** What names a task of a family, and how its model is shaped. */
export interface TaskRequest {
  /** "train", "test" or one of the family's out-of-distribution splits. */
  split?: SplitName | undefined;
  /** Index within the split. */
  index: number;
  /** Seed of everything that is drawn (default 0). */
  seed?: number | undefined;
  /** Whether states are seen, and whether there is a cloud (default `mdp`). */
  regime?: Regime | undefined;
  /** Number of decisions; the family's own when it is left out. */
  horizon?: number | undefined;
  /** Size of an APOMDP's cloud. */
  models?: number | undefined;
  /** Ambiguity attitude of an APOMDP: 1 is max-min. */
  alpha?: number | undefined;
}

const TASK = {
  split: 'string', index: 'number', seed: 'number', regime: ['mdp', 'pomdp', 'apomdp'], horizon: 'number', models: 'number', alpha: 'number',
} as const satisfies Record<keyof TaskRequest, Kind>;

/** Draws a task; the same request gives the same model, bit for bit. Throws UNKNOWN_NAME for a family or a split that does not exist. */
export function drawTask(family: FamilyName, request: TaskRequest): Addon.DrawnTask {
  checkOptions('drawTask', request, TASK);
  checkWhole('drawTask', request, ['index', 'seed', 'horizon', 'models']);
  const { split = 'train', index, seed = 0, regime = 'mdp', horizon, models = 3, alpha = 1 } = request;
  return native.drawTask(family, JSON.stringify({ split, index, seed, regime, horizon, models, alpha }));
}

/**
 * Solves a model on the calling thread: blocks until it converges or meets a limit.
 * Values are in units of reward, summed (and discounted) over the horizon.
 */
export function solveSync(model: Model, options: Addon.SolveOptions = {}): Solution {
  checkModel('solveSync', model);
  checkOptions('solveSync', options, SOLVE_OPTIONS);
  return native.solveSync(model, options);
}

/** What only `solve` takes. */
export interface StopOption {
  /** Ends the solve early with what it has: it resolves, with `stopped: 'cancelled'`, where an aborted `signal` makes it reject. */
  stop?: AbortSignal | undefined;
}

/** Solves a model in the background, on a thread of the library's own (see `configure`). */
export async function solve(model: Model, options: Addon.SolveOptions & CallOptions<Addon.SolveProgress> & StopOption = {}): Promise<Solution> {
  checkModel('solve', model);
  checkOptions('solve', options, { ...SOLVE_OPTIONS, ...CALL_OPTIONS, stop: 'signal' });
  const { signal, onProgress = () => {}, stop, ...rest } = options;
  return cancellable({ signal, onProgress }, (token, report) => stoppable(stop, token, () => native.solve(model, rest, token, report)));
}

/**
 * Bounds the value of an objective on a model in Storm's explicit DRN format, which has no discount, on the calling thread. The objective is written as PRISM and
 * Storm do: `Pmax=? [F "goal"]`, `Rmin=? [F "goal"]`; `docs/indefinite-horizon.md` has them all. Throws UNKNOWN_NAME for a label or a reward that the
 * model has not, INVALID_ARGUMENT where the expected reward is infinite.
 */
export function solveGoalSync(path: string, objective: string, options: Addon.GoalOptions = {}): Addon.GoalSolution {
  checkOptions('solveGoalSync', options, GOAL_OPTIONS);
  return native.solveGoalSync(path, objective, options);
}

/** The same in the background, on a thread of the library's own (see `configure`). The file is read before it returns. */
export async function solveGoal(path: string, objective: string, options: Addon.GoalOptions & CallOptions<Addon.SolveProgress> & StopOption = {}): Promise<Addon.GoalSolution> {
  checkOptions('solveGoal', options, { ...GOAL_OPTIONS, ...CALL_OPTIONS, stop: 'signal' });
  const { signal, onProgress = () => {}, stop, ...rest } = options;
  return cancellable({ signal, onProgress }, (token, report) => stoppable(stop, token, () => native.solveGoal(path, objective, rest, token, report)));
}

/** The family's few-shot template for a regime. Throws UNKNOWN_NAME. */
export function defaultTemplate(family: FamilyName, regime: Regime): WholeTemplate {
  return camelKeys(JSON.parse(native.defaultTemplate(family, regime))) as WholeTemplate;
}

/**
 * Turns a template into ids, once, for a tokenizer and the numbers of observations (states, for an MDP) and actions. The
 * encoder then writes whole batches of examples without the tokenizer, and compiling proves that its ids are the
 * tokenizer's own. Throws ENCODE_FAILED with the two neighbours that the tokenizer merges, if there are any.
 */
export function compileEncoder(template: Template, tokenizer: Tokenizer, observations: number, actions: number): Encoder {
  checkTokenizer('compileEncoder', tokenizer);
  return native.compileEncoder(templateJson(template), tokenizer, observations, actions);
}

/** The native vocabulary of some templates, for models trained from scratch: one id a digit and one id a literal. */
export function compactTokenizer(templates: readonly Template[]): Tokenizer {
  return native.compactTokenizer(templates.map(templateJson));
}

/** Checks a specification without drawing anything. Throws INVALID_ARGUMENT. */
export function checkSpec({ family, split, seed, regime, horizon, models, alpha, nature, support, solver, template, labels }: TaskSpec & Pick<ShardSpec, 'labels'>): void {
  native.checkSpec(specJson({ family, split, seed, regime, horizon, models, alpha, nature, support, solver, template, labels, tasks: 1 }));
}

/** Makes one whole shard of a dataset: draws tasks, solves them, rolls out, encodes, writes. */
export async function makeShard(spec: ShardSpec, tokenizer: Tokenizer, path: string, options: CallOptions<Addon.StageProgress> = {}): Promise<Addon.ShardReport> {
  checkTokenizer('makeShard', tokenizer);
  checkOptions('makeShard', options, CALL_OPTIONS);
  return cancellable(options, (token, report) => native.makeShard(specJson(spec), tokenizer, path, token, report));
}

/** What calls take that only read. */
export interface ThreadsOption {
  /** Worker threads (default: one a core). */
  threads?: number | undefined;
}

/**
 * Reads every row of a dataset's shards: how many there are, repeat, and how good their labels are. A shard that lies in a dataset's
 * folder is held against the manifest there: throws DATASET_CORRUPT.
 */
export async function scanShards(paths: readonly string[], options: ThreadsOption & CallOptions<Addon.StageProgress> = {}): Promise<Addon.Scan> {
  checkOptions('scanShards', options, { threads: 'number', ...CALL_OPTIONS });
  const { threads, ...call } = options;
  await checkShards(paths, options.signal);
  return cancellable(call, (token, report) => native.scanShards([...paths], threads, token, report));
}

/** Reads one example of a shard, by its row. A shard that lies in a dataset's folder is held against the manifest there: throws DATASET_CORRUPT. */
export function readExample(path: string, row: number): Addon.ShardExample {
  checkShardSync(path);
  return native.readExample(path, row);
}

/** Draws and solves the tasks of an evaluation, and draws their support trajectories. */
export async function createEpisodes(spec: EpisodesSpec, options: CallOptions<Addon.StageProgress> = {}): Promise<Episodes> {
  checkOptions('createEpisodes', options, CALL_OPTIONS);
  return cancellable(options, (token, report) => native.createEpisodes(specJson(spec), token, report));
}

/**
 * Makes a method that acts without a network (see {@link agentList}) for the tasks of a specification, whose `firstTask`, `tasks`,
 * `episodesPerTask` and `queryNature` do not matter. Throws UNKNOWN_NAME, and INVALID_ARGUMENT for options, regime or support that the
 * method does not take.
 */
export async function createAgents(spec: EpisodesSpec, name: string, options: Record<string, unknown> = {}): Promise<Agents> {
  return native.createAgents(specJson(spec), name, JSON.stringify(options));
}

/**
 * The episodes, played from start to end by a method that acts without a network, in one call and on all threads. They share tasks and
 * support with `episodes`, which stay as they are.
 */
export async function played(episodes: Episodes, agents: Agents, options: CallOptions<Addon.StageProgress> = {}): Promise<Episodes> {
  checkOptions('played', options, CALL_OPTIONS);
  return cancellable(options, (token, report) => episodes.played(agents, token, report));
}
