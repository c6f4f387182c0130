/**
 * Tiresias: decision problems under uncertainty and ambiguity, their oracles, few-shot datasets labelled by them, and how
 * far a language model's in-context policy is from optimal.
 *
 * Calls that take long come in pairs, `solveSync` and `solve`; the asynchronous one takes an `AbortSignal` and an
 * `onProgress` callback and leaves the event loop free. Whatever fails throws a {@link TiresiasError} with a stable `code`.
 */
export * from './library.js';
export { solveBatch, solveEach, type BatchOptions, type Solved } from './solve-batch.js';
export { explain, explanationInWords, type Explanation } from './explain.js';
export { TiresiasError } from './errors.js';
export { version } from './version.js';
export { resolveBaseModel, type BaseModel, type ResolveOptions } from './base-model.js';
export { loadExperiment, parseExperiment, experimentJsonSchema, type Experiment, type ExperimentInput, type Regime } from './experiment.js';
export type { EpisodesSpec, ShardSpec, TaskSpec } from './spec.js';
export { makeDataset, type MakeOptions } from './dataset/make.js';
export { readManifest, type DatasetConfig, type Manifest, type Shard, type Summary } from './dataset/manifest.js';
export { exampleInWords } from './dataset/words.js';
export { streamExamples, type ExampleBatch, type StreamOptions, type StreamSpec } from './dataset/stream.js';
export { datasetExample, datasetStats, verifyDataset, type DatasetStats } from './dataset/inspect.js';
export { train, type TrainOptions } from './train/process.js';
export { Decider, type DeciderOptions } from './train/decider.js';
export type { DecideConfig, DoneEvent, TrainConfig, TrainEvent } from './train/contract.js';
export { ModelMethod, oracleMethod, play, randomMethod, type Method } from './evaluate/methods.js';
export { evaluateRegime, type EvaluateOptions } from './evaluate/index.js';
export { bcaInterval } from './evaluate/bootstrap.js';
export { runExperiment, type RunOptions, type RunOutcome } from './run/index.js';
export type { ProgressEvent } from './progress.js';
export { resultsSchema, type MethodResult, type RegimeResult, type Results, type TrainingResult } from './results.js';
