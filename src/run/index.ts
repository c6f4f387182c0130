// A whole experiment: base model → datasets → training → evaluation → report. Run again, it does only what is not done yet.
import { mkdir } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { io, writeJson } from '../files.js';
import { Tokenizer, drawTask, families } from '../library.js';
import { takeLock } from '../lock.js';
import { checkMethods, neededBy } from '../methods/index.js';
import type { ProgressEvent } from '../progress.js';
import { writeReport, type ReportPaths } from '../report/index.js';
import { parseResults, type Results, type TrainingResult } from '../results.js';
import { writeSealed } from '../seal.js';
import { version } from '../version.js';
import type { StageOutcome } from './stage.js';
import { baseModelStage, datasetStage, evaluateStage, trainStage, type Context } from './stages.js';

/** How {@link runExperiment} runs. */
export interface RunOptions {
  /** The run's folder; `runs/<name>` by default. */
  folder?: string | undefined;
  /** Overrides the experiment's. */
  threads?: number | undefined;
  /** Stops the run at the next safe place; everything finished stays. Rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how far each stage has come. */
  onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What a run leaves. */
export interface RunOutcome {
  /** As in `results.json`. */
  results: Results;
  /** The run's folder. */
  folder: string;
  /** Where the report is. */
  report: ReportPaths;
}

/** Runs an experiment, or finishes one that was interrupted. Throws RUN_LOCKED when another process is at it. */
export async function runExperiment(experiment: Experiment, options: RunOptions = {}): Promise<RunOutcome> {
  const folder = resolve(options.folder ?? join('runs', experiment.name));
  checkNames(experiment);
  await checkMethods(experiment);
  await io(`make ${folder}`, () => mkdir(folder, { recursive: true }));
  const release = await takeLock(join(folder, 'run.lock'));
  try {
    await writeJson(join(folder, 'experiment.json'), experiment);
    const results = await allStages({
      experiment, folder,
      threads: options.threads ?? experiment.threads ?? availableParallelism(),
      signal: options.signal,
      report: (stage, event) => options.onProgress?.({ stage, ...event }),
    });
    await writeSealed(join(folder, 'results.json'), results);
    const report = await writeReport(results, join(folder, 'report'));
    return { results, folder, report };
  } catch (error) {
    // A signal may surface as some library's own abort error; the caller sees its reason.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

async function allStages(context: Context): Promise<Results> {
  const { experiment } = context;
  const needs = await neededBy(experiment.evaluation.methods);
  // Only what a method acts by is made: a language model is not fetched for an experiment without one.
  const base = needs.base ? await baseModelStage(context) : undefined;
  const tokenizer = base && needs.adapter ? Tokenizer.fromGguf(base.result.path) : undefined;
  const datasets = tokenizer ? await inOrder(experiment.regimes, (regime) => datasetStage(context, regime, tokenizer)) : new Map<Regime, never>();
  const trainings = base && needs.adapter ? await trainAll(context, base.result, datasets) : new Map<string, StageOutcome<TrainingResult>>();
  const regimes = await inOrder(experiment.regimes, (regime) => {
    const training = [...trainings.values()].find((outcome) => outcome.result.regimes.includes(regime));
    return evaluateStage(context, regime, base?.result, training);
  });

  const stages = [
    ...(base ? [['base-model', base] as const] : []),
    ...[...datasets].map(([regime, outcome]) => [`dataset-${regime}`, outcome] as const),
    ...[...trainings].map(([name, outcome]) => [`train-${name}`, outcome] as const),
    ...[...regimes].map(([regime, outcome]) => [`evaluate-${regime}`, outcome] as const),
  ];
  return parseResults({
    schema: 'tiresias.results/3',
    name: experiment.name,
    version,
    machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
    experiment: { ...experiment },
    actions: actionNames(experiment),
    ...(base && { baseModel: { name: base.result.name, sha256: base.result.sha256 } }),
    datasets: [...datasets].map(([regime, { result, seconds }]) => ({ regime, ...result.totals, seconds })),
    training: [...trainings.values()].map((outcome) => outcome.result),
    stages: stages.map(([name, outcome]) => ({ name, seconds: outcome.seconds, peakRssBytes: outcome.peakBytes })),
    regimes: Object.fromEntries([...regimes].map(([regime, outcome]) => [regime, outcome.result])),
  } satisfies Results);
}

/** One adapter for all regimes, or one each. */
async function trainAll(context: Context, base: Parameters<typeof trainStage>[3], datasets: ReadonlyMap<Regime, Awaited<ReturnType<typeof datasetStage>>>): Promise<Map<string, StageOutcome<TrainingResult>>> {
  const { experiment } = context;
  const groups: [string, Regime[]][] =
    experiment.training.adapter === 'joint' ? [['joint', experiment.regimes]] : experiment.regimes.map((regime) => [regime, [regime]]);
  const outcomes = await inOrder(groups, ([name, regimes]) => trainStage(context, name, regimes, base, regimes.map((regime) => datasets.get(regime)!)));
  return new Map([...outcomes].map(([[name], outcome]) => [name, outcome]));
}

/** One after the other: every stage has all cores to itself. */
async function inOrder<K, V>(keys: readonly K[], work: (key: K) => Promise<V>): Promise<Map<K, V>> {
  const done = new Map<K, V>();
  for (const key of keys) done.set(key, await work(key));
  return done;
}

function actionNames(experiment: Experiment): string[] {
  const { family, seed, horizon, dataset } = experiment;
  const { model } = drawTask(family, { split: dataset.split, index: 0, seed, horizon });
  return Array.from({ length: model.actions }, (_, a) => model.actionName(a));
}

/** Families and splits live in the addon; a wrong name is found before any work begins. */
function checkNames(experiment: Experiment): void {
  const known = families();
  const family = known.find(({ name }) => name === experiment.family);
  const fail = (path: string, name: string, list: readonly { name: string }[]): never => {
    throw new TiresiasError('INVALID_EXPERIMENT', `the experiment is not valid:\n  $.${path}: ${JSON.stringify(name)} does not exist; expected one of ${list.map((item) => item.name).join(', ')}`);
  };
  if (!family) return fail('family', experiment.family, known);
  for (const regime of experiment.regimes) {
    if (!family.regimes.includes(regime)) fail('regimes', regime, family.regimes.map((name) => ({ name })));
  }
  for (const path of ['dataset', 'evaluation'] as const) {
    const { split } = experiment[path];
    if (!family.splits.some(({ name }) => name === split)) fail(`${path}.split`, split, family.splits);
  }
}
