/// <reference lib="esnext.disposable" preserve="true" />
// (Native objects can be disposed of; a consumer's own lib may be too old to know the word.)
/**
 * Tiresias: decision problems under uncertainty and ambiguity, their oracles, few-shot datasets labelled by them, and how
 * far a language model's in-context policy is from optimal.
 *
 * Calls that take long come in pairs, `solveSync` and `solve`; the asynchronous one takes an `AbortSignal` and an
 * `onProgress` callback and leaves the event loop free. Whatever fails throws a {@link TiresiasError} with a stable `code`.
 */
export * from './library.js';
export { loadPolicy, policyFromHandle, type DecideManyOptions, type DecideManyCallOptions, type LoadedPolicy, type PolicyHandle, type Reloaded, type SessionStart, type SharedPolicy } from './serve/policy.js';
export type { Step } from './serve/replay.js';
export type { LanguageModelOptions, LanguageModelPolicy, LanguageModelStart, SupportStepNamed } from './serve/language-model/policy.js';
export type { LanguageModelDecision, LanguageModelSession } from './serve/language-model/session.js';
export type { LanguageModelSessionState } from './serve/language-model/state.js';
export { savePolicy, type ModelPlace, type SavePolicyOptions } from './serve/policy-file.js';
export type { DecideOptions, Decision, Observed, Session } from './serve/session.js';
export type { OnImpossible, SessionState, SparseBelief } from './serve/session-state.js';
export type { Name } from './serve/names.js';
export {
  loadStatic, playStatic, solveStatic, type Controller, type ControllerNode, type PurePlan, type StaticFirst, type StaticOptions, type StaticPlan, type StaticPlayer, type StaticSolution,
  type StaticStats, type WeightedPlan,
} from './static-form.js';
export {
  loadRobust, playRobust, solveRobust, type DrawnNode, type RobustOptions, type RobustPlayer, type RobustSolution, type RobustStats, type StochasticController,
} from './robust-pomdp.js';
export {
  Trajectories, importArrays, importLogs, inferLogs, logsReport, logsSource, type ImportOptions, type InferOptions, type LogsColumns, type LogsSource,
} from './logs/import.js';
export { splitLogs, type SplitLogs, type SplitOptions } from './logs/split.js';
export { importMinari, type MinariProgress } from './logs/minari.js';
export { firstBeliefs } from './logs/first.js';
export type { GuessedColumn, InferredLogs, LogsReport, ObservationSymbols } from './logs/report.js';
export type { ActionColumn, LogsFormat, LogsSchema, ObservationColumn, RewardColumn } from './logs/schema.js';
export { labelLogs, type LabelOptions } from './logs/label.js';
export { fitLogs, type FitAmbiguity, type FitOptions, type FitSettings, type FittedLogs, type MdpFitReport, type PomdpFitReport } from './logs/fit.js';
export {
  followPolicy, offPolicy, type EstimatorName, type FollowOptions, type GivenEstimate, type RefusedEstimate, type OffPolicyAssumption, type OffPolicyEstimate, type OffPolicyOptions, type OffPolicyRefusal, type OffPolicyResult, type OffPolicyTarget,
  type OverlapGap,
} from './logs/off-policy.js';
export { solveBatch, solveEach, type AtOnceOption, type BatchOptions, type Solved, type SolvedModel, type UnsolvedModel } from './solve-batch.js';
export { configure, jobs, type Jobs, type Settings } from './jobs.js';
export { explain, explanationInWords, type ExplainedAction, type ExplainedStep, type ExplainOptions, type Explanation } from './explain.js';
export { TiresiasError, type ErrorOptions } from './errors.js';
export { version } from './version.js';
export { resolveBaseModel, type BaseFormat, type BaseModel, type DetailedProgress, type FetchOptions, type ModelName, type ResolveOptions, type Wheel, type WheelSource } from './base/index.js';
export {
  loadExperiment, parseExperiment, experimentJsonSchema,
  type BaseSpec, type DatasetSettings, type Deployment, type EvaluationSettings, type Experiment, type ExperimentInput, type FamilyDocument, type FamilyFolder, type FileBase, type HubBase, type LearningSchedule,
  type LogsOrigin, type LoraSettings, type LoraTarget, type MethodSetting, type NamedBase, type OptimizerSettings, type OracleSettings,
  type QuerySettings, type SupportSettings, type TemplateSettings, type TrainingSettings,
} from './experiment.js';
export type {
  Behaviour, EpisodesSpec, FamilyName, Histories, Labels, Nature, QueryBehaviour, QueryNature, Regime, ShardFormat, ShardSpec, SplitName, SupportNature, TaskSpec,
} from './spec.js';
export { makeDataset } from './dataset/make.js';
export type { MakeOptions } from './dataset/shards.js';
export { makeDatasetPart, type DatasetPart } from './dataset/part.js';
export { assembleDataset, type AssembleOptions } from './dataset/assemble.js';
export type { Part } from './parts.js';
export { readManifest, type DatasetConfig, type Identity, type Manifest, type Shard, type ShardTotals, type Summary, type TokenizerIdentity } from './dataset/manifest.js';
export { makeRecordsDataset, type RecordsDatasetConfig, type RecordsIdentity, type RecordsLabels, type RecordsSource, type StepLabels } from './dataset/records.js';
export { exampleInWords } from './dataset/words.js';
export { streamExamples, type ExampleBatch, type StreamOptions, type StreamSpec } from './dataset/stream.js';
export { datasetExample, datasetStats, verifyDataset, type DatasetStats } from './dataset/inspect.js';
export { train, type TrainOptions } from './train/process.js';
export { estimateTraining, type EstimateOptions } from './train/estimate.js';
export type { Ability, Arithmetic, BackendName, ChosenArithmetic, Launch, Launcher } from './backends/index.js';
export { Decider, type DeciderOptions, type OpenedSessions, type TokenRows } from './train/decider.js';
export type {
  Architecture, BackendEvent, BaseFile, CheckpointEvent, CpuHardware, CudaHardware, DataFile, DecideConfig, DoneEvent, DptArchitecture, ErrorEvent, EstimateEvent, LlamaArchitecture, MemoryEstimate, OptimizerConfig, StartEvent, StepEvent, TrainConfig, TrainEvent,
} from './train/contract.js';
export { methods, type Method, type MethodGroup, type MethodNeeds, type MethodUse, type OwnAgent, type OwnContext, type OwnMethod, type Player, type PlayOptions, type Training } from './methods/index.js';
export { evaluatePart, evaluateRegime, type EvaluateOptions, type EvaluationPart } from './evaluate/index.js';
export { bcaInterval, bcaTest, type BootstrapOptions, type BootstrapTest, type Interval, type Statistic, type Units } from './evaluate/bootstrap.js';
export { runExperiment, type RunOptions, type RunOutcome } from './run/index.js';
export { reproduce, reproducePart, type Reproduced, type ReproduceOptions, type StudyPart } from './study/reproduce.js';
export { assembleStudy } from './study/assemble.js';
export { cellsOf, loadStudy, parseStudy, studyNames, theoryCellsOf, type Axis, type Budget, type Cell, type LoadedStudy, type Place, type Study } from './study/study.js';
export { bench, type Benched, type BenchOptions } from './bench/bench.js';
export type { BenchBound, BenchComparison, Contradiction, Verdict } from './bench/compare.js';
export type { BoundsPoint } from './bench/output.js';
export type { BenchProfile, ProfileLine } from './bench/profile.js';
export type { BenchHole, BenchModelInfo, BenchResults, BenchSolver } from './bench/results.js';
export type { BenchRow, Outcome } from './bench/row.js';
export type { CellFile, DoneCell, FailedCell, StudyResults } from './study/results.js';
export type { TheoryCell } from './theory/cells.js';
export type { TheoryActed, TheoryBound, TheoryEstimate, TheoryGaussian, TheoryLayer, TheoryParts, TheoryPoint, TheoryResult } from './theory/results.js';
export type { TheorySetting, TheoryTraining } from './theory/setting.js';
export { Store, type Entry, type Kind, type Listed, type Named, type PruneOptions } from './store.js';
export type { ReportPaths } from './report/index.js';
export type { ProgressEvent } from './progress.js';
export {
  parseResults,
  type CloudResult, type StaticResult, type ComparisonResult, type CurvePoint, type DatasetResult, type Interval95, type MachineInfo, type MethodResult, type RegimeResult, type Results, type StageResult,
  type Trace, type TraceStep, type TrainingResult,
} from './results.js';
