/* Draft of the addon's interface; replaced by the generated file once the addon builds. */
export declare function version(): string
export declare function families(): Array<FamilyInfo>
export interface SplitInfo { name: string; description: string }
export interface FamilyInfo { name: string; description: string; splits: Array<SplitInfo>; regimes: Array<string> }
/** `request` = {"split","index","seed","regime","horizon","models","alpha"} as JSON. */
export declare function drawTask(family: string, request: string): DrawnTask
export interface Parameter { name: string; value: number }
export interface DrawnTask { model: Model; trueModel: number; parameters: Array<Parameter> }

/** Cancels the native calls it was handed to. */
export declare class CancelToken { constructor(); cancel(): void; get cancelled(): boolean }

export declare class Model {
  static fromJson(text: string): Model
  toJson(): string
  sha256(): string
  get name(): string
  /** "mdp" | "robust-mdp" | "pomdp" | "apomdp" */
  get kind(): string
  get states(): number
  get actions(): number
  /** 0 when the state itself is observed. */
  get observations(): number
  get models(): number
  get discount(): number
  get horizon(): number | null
  get alpha(): number
  stateName(i: number): string
  actionName(i: number): string
  observationName(i: number): string
  start(): Float64Array
}

export interface SolveOptions { gap?: number; timeSeconds?: number; memoryBytes?: number; threads?: number; horizon?: number; alpha?: number; solver?: string }
export interface SolveProgress { lower: number; upper: number; iterations: number; seconds: number }
export declare class Solution {
  get lower(): number
  get upper(): number
  get value(): number
  get seconds(): number
  get iterations(): number
  get size(): number
  get solver(): string
  /** "converged" | "time" | "memory" | "cancelled" */
  get stopped(): string
  action(stage: number, belief: Float64Array): number
  qValues(stage: number, belief: Float64Array): Float64Array
  /** [lower, upper] */
  bounds(stage: number, belief: Float64Array): Array<number>
  regretBound(stage: number, belief: Float64Array, action: number): number
  optimalActions(stage: number, belief: Float64Array, epsilon: number): Array<number>
  worstModel(stage: number, belief: Float64Array, action: number): number
  save(): Buffer
  static load(bytes: Buffer, model: Model): Solution
}
export declare function solveSync(model: Model, options?: SolveOptions): Solution
export declare function solve(model: Model, options?: SolveOptions, cancel?: CancelToken, onProgress?: (p: SolveProgress) => void): Promise<Solution>

/** Bayes filter of one acting decision-maker. */
export declare class BeliefTracker {
  constructor(model: Model, solution?: Solution)
  /** Returns the likelihood of the observation. */
  update(action: number, observation: number): number
  belief(): Float64Array
  get stage(): number
  /** The model of the cloud that made the last update. */
  get model(): number
  reset(): void
}

export interface RolloutOptions {
  /** "oracle" | "random" | "epsilon:x" | "mixture:oracle=0.5,random=0.5" */
  behaviour: string
  episodes: number
  seed: number
  horizon?: number
  /** "fixed:m" | "resampled" | "adversarial" */
  nature?: string
  threads?: number
  /** Also return beliefs. */
  beliefs?: boolean
}
/** Row-major arrays, `episodes × horizon`. */
export interface Rollouts {
  episodes: number
  horizon: number
  states: Uint32Array
  actions: Uint8Array
  /** -1 before the first observation of a partially observed model. What the decision-maker sees before acting. */
  observations: Int32Array
  rewards: Float64Array
  /** Discounted return of each episode. */
  returns: Float64Array
  beliefs?: Float64Array
}
export declare function rolloutSync(model: Model, options: RolloutOptions, solution?: Solution): Rollouts
export declare function rollout(model: Model, options: RolloutOptions, solution?: Solution, cancel?: CancelToken): Promise<Rollouts>

export declare class Tokenizer {
  static fromGguf(path: string): Tokenizer
  static fromJson(path: string): Tokenizer
  encode(text: string): Uint32Array
  decode(ids: Uint32Array): string
  get name(): string
  get sha256(): string
}
/** The family's default few-shot template for a regime, as JSON. */
export declare function defaultTemplate(family: string, regime: string): string

export interface StageProgress { done: number; total: number; phase: string }
export interface ShardReport {
  path: string
  examples: number
  tasks: number
  tokens: number
  labels: number
  bytes: number
  sha256: string
  tokenizerSha: string
  templateSha: string
  seconds: number
  solveSeconds: number
  /** Largest and mean regret bound over all labels. */
  maxRegretBound: number
  meanRegretBound: number
  labelCounts: Array<number>
}
/** Makes one whole shard: tasks → oracles → rollouts → ids → file (written under a temporary name, renamed when whole). `spec` is a ShardSpec as JSON. */
export declare function makeShard(spec: string, tokenizer: Tokenizer, path: string, cancel?: CancelToken, onProgress?: (p: StageProgress) => void): Promise<ShardReport>
export interface ShardExample { inputIds: Int32Array; labels: Int32Array; prompt: string; completion: string; family: string; split: string; index: number; seed: number; regime: string; horizon: number; behaviour: string; oracleActions: Array<number>; regretBounds: Array<number> }
export declare function readExample(path: string, row: number): ShardExample
export declare function fileSha256(path: string): Promise<string>

export interface Ragged { ids: Uint32Array; /** length rows + 1 */ offsets: Uint32Array }
/** Evaluation episodes of one regime, stepped together. Rows = tasks × episodes, task-major. */
export declare class Episodes {
  /** `spec` is an EpisodesSpec as JSON. Solves the oracles (in parallel) and draws the support. */
  static create(spec: string, tokenizer: Tokenizer, cancel?: CancelToken, onProgress?: (p: StageProgress) => void): Promise<Episodes>
  get rows(): number
  get tasks(): number
  get actions(): number
  get horizon(): number
  /** Token id of each action. */
  actionIds(): Uint32Array
  /** Each row's few-shot prompt up to the place of the first action. */
  prompts(): Ragged
  /** What the oracle would do now in each row. */
  oracleActions(): Uint8Array
  /** Uniform random actions from the episode's own stream (common random numbers). */
  randomActions(): Uint8Array
  /** Acts in every row; returns the ids that lead to the next action's place (empty rows when the horizon is over). */
  step(actions: Uint8Array): Ragged
  get done(): boolean
  /** Back to the start of every episode, same random numbers. */
  reset(): void
  outcome(): Outcome
}
/** Per row, length `rows`, unless said otherwise. */
export interface Outcome {
  tasks: number
  episodes: number
  horizon: number
  returns: Float64Array
  /** Sum over steps of V_t - Q_t(action): an unbiased, low-variance estimate of V* - V^pi (performance difference identity). */
  regrets: Float64Array
  /** rows × horizon */
  stepRegrets: Float64Array
  /** Share of decisions in the ε-optimal action set. */
  agreement: Float64Array
  /** Per task: optimal value at the start, its certified bounds, and the value of the uniform random policy (NaN when it has no closed form). */
  optimal: Float64Array
  lower: Float64Array
  upper: Float64Array
  randomValue: Float64Array
  /** rows × horizon: what happened, for traces. */
  states: Uint32Array
  observations: Int32Array
  actions: Uint8Array
  oracleActions: Uint8Array
  rewards: Float64Array
}
/** Beliefs of row `row` so far, (steps × states). */
