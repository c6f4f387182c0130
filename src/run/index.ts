// A whole experiment: base model → datasets → training → evaluation → report. Run again, it does only what is not done yet.
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { Manifest } from '../dataset/manifest.js';
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { io, makeFolder, sha256, writeJson } from '../files.js';
import { canonicalJson } from '../json.js';
import { Tokenizer, checkSpec, drawTask, families, familyInfo } from '../library.js';
import { takeLock } from '../lock.js';
import { checkMethods, needBase, trainingSeed, trainingsOf, withSeeds, type Training } from '../methods/index.js';
import { experimentTokenizer } from '../methods/language-model.js';
import type { ProgressEvent } from '../progress.js';
import type { ReportPaths } from '../report/index.js';
import { parseResults, type RegimeResult, type Results, type TrainingResult } from '../results.js';
import { writeSealed } from '../seal.js';
import { isOwnFamily } from '../spec.js';
import { baseStage } from '../stages/base.js';
import { datasetConfig, datasetStage, recordsDataset, recordsStage } from '../stages/dataset.js';
import { evaluateStage } from '../stages/evaluate.js';
import { offPolicyStage } from '../stages/off-policy.js';
import { reportStage } from '../stages/report.js';
import { learnedIn, shardsOf, streamOf, trainConfig, trainStage } from '../stages/train.js';
import { Store, type Named } from '../store.js';
import { meant } from '../suggest.js';
import { taskSpec } from '../spec.js';
import { version } from '../version.js';
import { make, type Context, type Made } from './make.js';

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
  await io(`make ${folder}`, () => makeFolder(folder));
  const release = await takeLock(join(folder, 'run.lock'));
  try {
    await writeJson(join(folder, 'experiment.json'), experiment);
    const store = options.store === undefined ? Store.of(folder) : new Store(options.store);
    // What the run named before stays named until it has come to its end.
    const before = await store.namedBy(folder);
    const named: Named[] = [];
    const threads = options.threads ?? experiment.threads ?? availableParallelism();
    const results = await allStages(experiment, {
      folder, store, threads,
      name: async (one) => {
        named.push(one);
        await store.name(folder, [...before, ...named]);
      },
      how: (stage) => ({ threads, signal: options.signal, onProgress: (event) => options.onProgress?.({ stage, ...event }) }),
    });
    await writeSealed(join(folder, 'results.json'), results);
    await store.name(folder, named);
    const { report } = await reportStage(folder);
    return { results, folder, report };
  } catch (error) {
    // A signal may surface as some library's own abort error; the caller sees its reason.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

/** `written` is the experiment as it stands in the file. */
async function allStages(written: Experiment, context: Context): Promise<Results> {
  const experiment = await withSeeds(written);
  const { methods } = experiment.evaluation;
  // Only what a method acts by is made: a language model is not fetched for an experiment without one.
  const base = (await needBase(methods)) ? await make(context, 'base-model', undefined, (how) => baseStage(experiment.base, how)) : undefined;
  const needed = await trainingsOf(methods);
  const tokenizers = new Map<Training['vocabulary'], Tokenizer>();
  for (const [, { vocabulary }] of needed) tokenizers.set(vocabulary, vocabulary === 'base' ? Tokenizer.fromBase(base!.result.path) : experimentTokenizer(experiment));

  const datasets: MadeDataset[] = [];
  const stream = experiment.training.data === 'stream';
  const kinds = new Map(stream ? [] : needed.map(([, training]) => [kindName(training), training]));
  for (const [kind, of] of kinds) {
    for (const regime of experiment.regimes) {
      const name = kind === 'base' ? regime : `${kind}-${regime}`;
      const tokenizer = tokenizers.get(of.vocabulary)!;
      // Learning histories are simulated, whatever the others learn from.
      const recorded = experiment.dataset.from === 'records' && !of.histories ? await recordsDataset(experiment) : undefined;
      const config = datasetConfig(experiment, regime, of.histories);
      const made = await make(context, `dataset-${name}`, join('dataset', name), (how) => (recorded ? recordsStage(recorded, tokenizer, how) : datasetStage(config, tokenizer, how)));
      datasets.push({ ...made, regime, of });
    }
  }

  const trainings: Made<TrainingResult>[] = [];
  const trained = new Map<Regime, Record<string, string>>(experiment.regimes.map((regime) => [regime, {}]));
  for (const [setting, training] of needed) {
    for (const regimes of trainedTogether(experiment)) {
      const name = trainingName(experiment, setting.name, regimes);
      const its = datasets.filter(({ of, regime }) => kindName(of) === kindName(training) && regimes.includes(regime));
      const data = its.flatMap(({ folder, result }) => shardsOf(folder, result));
      const own = {
        ...trainConfig(experiment, base?.result, data, '', context.threads, training.ability),
        seed: trainingSeed(setting, experiment), ...(stream && { stream: streamOf(experiment, training, regimes) }),
      };
      const config = training.config(own, experiment, tokenizers.get(training.vocabulary)!.vocabularySize);
      const { maxTokens } = experiment.training;
      const made = await make(context, `train-${name}`, join('train', name), (how) => trainStage(config, { ...how, maxTokens }));
      // Another run may have another name for it.
      trainings.push({ ...made, result: { ...made.result, name, regimes: [...regimes] } });
      for (const regime of regimes) trained.get(regime)![setting.name] = join(made.folder, learnedIn(config));
    }
  }

  const evaluations: [Regime, Made<RegimeResult>][] = [];
  for (const regime of experiment.regimes) {
    const options = { base: base?.result, trained: trained.get(regime), store: context.store };
    evaluations.push([regime, await make(context, `evaluate-${regime}`, join('evaluation', regime), (how) => evaluateStage(experiment, regime, { ...how, ...options }))]);
  }

  // A family that was fitted to logs has one regime.
  const [regime] = experiment.regimes;
  const offPolicy = experiment.logs && (await make(context, 'off-policy', 'off-policy', (how) => offPolicyStage(experiment, regime!, { ...how, trained: trained.get(regime!) ?? {}, base: base?.result.path })));

  const stages = [...(base ? [base] : []), ...datasets, ...trainings, ...evaluations.map(([, made]) => made), ...(offPolicy ? [offPolicy] : [])];
  return parseResults({
    schema: 'tiresias.results/3',
    name: experiment.name,
    version,
    machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
    experiment: { ...written },
    actions: actionNames(experiment),
    ...(base && { baseModel: { name: base.result.name, sha256: base.result.sha256 } }),
    datasets: datasets.map(({ regime, of, result, seconds }) => {
      const { config: { labels }, totals } = result;
      return { regime, vocabulary: of.histories ? `${of.vocabulary}, histories` : of.vocabulary, ...(labels && { labelledBy: labels }), ...('records' in result.config && { from: 'records' }), ...totals, seconds };
    }),
    training: trainings.map(({ result }) => result),
    stages: stages.map(({ name, key, seconds, peakBytes }) => ({ name, key, seconds, peakRssBytes: peakBytes })),
    regimes: Object.fromEntries(evaluations.map(([regime, { result }]) => [regime, result])),
    ...(offPolicy && { offPolicy: offPolicy.result }),
  } satisfies Results);
}

/** A dataset that a stage made. */
interface MadeDataset extends Made<Manifest> {
  regime: Regime;
  of: DataKind;
}

/** What tells an experiment's datasets of one regime apart. */
type DataKind = Pick<Training, 'vocabulary' | 'histories'>;

/** A name of a kind of dataset. */
const kindName = ({ vocabulary, histories }: DataKind): string => (histories ? `${vocabulary}-histories-${sha256(canonicalJson(histories)).slice(0, 8)}` : vocabulary);

/** The regimes that share a training: all, or each has its own. */
const trainedTogether = ({ regimes, training }: Experiment): Regime[][] => (training.adapter === 'joint' ? [regimes] : regimes.map((regime) => [regime]));

/** `joint` or the regime for the fine-tuned model, as ever; others begin with the name of their method. */
function trainingName({ training }: Experiment, method: string, regimes: readonly Regime[]): string {
  const scope = training.adapter === 'joint' ? 'joint' : regimes[0]!;
  return method === 'sft' ? scope : `${method.replaceAll(':', '+')}-${scope}`;
}

function actionNames(experiment: Experiment): string[] {
  const { family, seed, horizon, dataset, regimes } = experiment;
  const { model } = drawTask(family, { split: dataset.split, index: 0, seed, horizon, regime: regimes[0] });
  return Array.from({ length: model.actions }, (_, a) => model.actionName(a));
}

/** Families and splits live in the addon; a wrong name is found before any work begins. */
function checkNames(experiment: Experiment): void {
  const known = families();
  const family = isOwnFamily(experiment.family) ? familyInfo(experiment.family) : known.find(({ name }) => name === experiment.family);
  const fail = (path: string, name: string, list: readonly { name: string }[]): never => {
    throw new TiresiasError('INVALID_EXPERIMENT', `the experiment is not valid:\n  $.${path}: ${JSON.stringify(name)} does not exist; expected one of ${list.map((item) => item.name).join(', ')}${meant(name, list.map((item) => item.name))}`);
  };
  if (!family) return fail('family', experiment.family, known);
  for (const regime of experiment.regimes) {
    if (!family.regimes.includes(regime)) fail('regimes', regime, family.regimes.map((name) => ({ name })));
  }
  // What labels what is found out before any work begins, too.
  if (experiment.dataset.from !== 'records') {
    for (const regime of experiment.regimes) checkSpec({ ...taskSpec(experiment, regime, experiment.dataset.split), labels: experiment.dataset.labels });
  }
  for (const path of ['dataset', 'evaluation'] as const) {
    const { split } = experiment[path];
    if (!family.splits.some(({ name }) => name === split)) fail(`${path}.split`, split, family.splits);
  }
}
