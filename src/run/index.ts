// A whole experiment: base model → datasets → training → evaluation → report. Run again, it does only what is not done yet.
import { mkdir } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { io, writeJson } from '../files.js';
import { Tokenizer, drawTask, families } from '../library.js';
import { takeLock } from '../lock.js';
import { checkMethods, needBase, trainingSeed, trainingsOf, withSeeds, type Training } from '../methods/index.js';
import { experimentTokenizer } from '../methods/language-model.js';
import type { ProgressEvent } from '../progress.js';
import { writeReport, type ReportPaths } from '../report/index.js';
import { parseResults, type Results, type TrainingResult } from '../results.js';
import { writeSealed } from '../seal.js';
import { version } from '../version.js';
import { baseModelStage, datasetStage, evaluateStage, kindName, learnedFolder, trainStage, type Context, type Made, type MadeDataset } from './stages.js';
import { Store, type Named } from '../store.js';

/** How {@link runExperiment} runs. */
export interface RunOptions {
  /** The run's folder; `runs/<name>` by default. */
  folder?: string | undefined;
  /** Where results lie by content, shared by runs; TIRESIAS_STORE, or the folder `store` beside the run's, by default. */
  store?: string | undefined;
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
    const store = options.store === undefined ? Store.of(folder) : new Store(options.store);
    // What the run named before stays named until it has come to its end.
    const before = await store.namedBy(folder);
    const named: Named[] = [];
    const results = await allStages(experiment, {
      experiment: await withSeeds(experiment), folder, store,
      name: async (one) => {
        named.push(one);
        await store.name(folder, [...before, ...named]);
      },
      threads: options.threads ?? experiment.threads ?? availableParallelism(),
      signal: options.signal,
      report: (stage, event) => options.onProgress?.({ stage, ...event }),
    });
    await writeSealed(join(folder, 'results.json'), results);
    await store.name(folder, named);
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

/** `written` is the experiment as it stands in the file; the context's has a method for every training. */
async function allStages(written: Experiment, context: Context): Promise<Results> {
  const { experiment } = context;
  const { methods } = experiment.evaluation;
  // Only what a method acts by is made: a language model is not fetched for an experiment without one.
  const base = (await needBase(methods)) ? await baseModelStage(context) : undefined;
  const needed = await trainingsOf(methods);
  const tokenizers = new Map<Training['vocabulary'], Tokenizer>();
  for (const [, { vocabulary }] of needed) tokenizers.set(vocabulary, vocabulary === 'base' ? Tokenizer.fromBase(base!.result.path) : experimentTokenizer(experiment));
  const datasets: MadeDataset[] = [];
  const kinds = new Map(needed.map(([, { vocabulary, histories }]) => [kindName({ vocabulary, histories }), { vocabulary, histories }]));
  if (experiment.training.data === 'dataset') {
    for (const kind of kinds.values()) for (const regime of experiment.regimes) datasets.push(await datasetStage(context, regime, kind, tokenizers.get(kind.vocabulary)!));
  }

  const trainings: Made<TrainingResult>[] = [];
  const trained = new Map<Regime, Record<string, string>>(experiment.regimes.map((regime) => [regime, {}]));
  for (const [setting, training] of needed) {
    for (const regimes of trainedTogether(experiment)) {
      const name = trainingName(experiment, setting.name, regimes);
      const own = datasets.filter(({ regime, of }) => kindName(of) === kindName(training) && regimes.includes(regime));
      const made = await trainStage(context, name, training, trainingSeed(setting, experiment), base?.result, tokenizers.get(training.vocabulary)!.vocabularySize, regimes, own);
      trainings.push(made);
      for (const regime of regimes) trained.get(regime)![setting.name] = learnedFolder(context, made, training);
    }
  }
  const regimes = await inOrder(experiment.regimes, (regime) => evaluateStage(context, regime, base?.result, trained.get(regime)!));

  const stages = [...(base ? [base] : []), ...datasets, ...trainings, ...regimes.values()];
  return parseResults({
    schema: 'tiresias.results/3',
    name: experiment.name,
    version,
    machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
    experiment: { ...written },
    actions: actionNames(experiment),
    ...(base && { baseModel: { name: base.result.name, sha256: base.result.sha256 } }),
    datasets: datasets.map(({ regime, of, result, seconds }) => ({ regime, vocabulary: of.histories ? `${of.vocabulary}, histories` : of.vocabulary, ...result.totals, seconds })),
    training: trainings.map((outcome) => outcome.result),
    stages: stages.map(({ name, key, seconds, peakBytes }) => ({ name, key, seconds, peakRssBytes: peakBytes })),
    regimes: Object.fromEntries([...regimes].map(([regime, outcome]) => [regime, outcome.result])),
  } satisfies Results);
}

/** The regimes that share a training: all, or each has its own. */
const trainedTogether = ({ regimes, training }: Experiment): Regime[][] => (training.adapter === 'joint' ? [regimes] : regimes.map((regime) => [regime]));

/** `joint` or the regime for the fine-tuned model, as ever; others begin with the name of their method. */
function trainingName({ training }: Experiment, method: string, regimes: readonly Regime[]): string {
  const scope = training.adapter === 'joint' ? 'joint' : regimes[0]!;
  return method === 'sft' ? scope : `${method.replaceAll(':', '+')}-${scope}`;
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
