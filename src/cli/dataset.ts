import { Command, Option } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { columns, digits, integer, invoke, local, newCommand, threadsOf, type CommonOptions, type Invocation } from './common.js';
import type { DetailedProgress } from '../base/index.js';
import type { Tokenizer } from '../library.js';
import type { Summary } from '../dataset/manifest.js';
import type { RecordsLabels } from '../dataset/records.js';
import type { Experiment } from '../experiment.js';
import { TiresiasError } from '../errors.js';
import { below, isStored } from '../object-store.js';
import { partName } from '../parts.js';
import type { Labels } from '../spec.js';
import type { RecordsDataset } from '../stages/dataset.js';
import type { How } from '../stages/stage.js';
import { chosenPart, withPart, type PartOptions } from './part.js';
import { familyNamed } from './task.js';
import { chosenExperiment, chosenRegimes, withConfig, type ExperimentOptions } from './experiment.js';

interface MakeCommandOptions extends ExperimentOptions, PartOptions {
  out: string;
  family?: string;
  regime?: string[];
  examples?: number;
  examplesPerTask?: number;
  shardExamples?: number;
  support?: number;
  horizon?: number;
  seed?: number;
  split?: string;
  format?: 'parquet' | 'jsonl' | 'safetensors';
  tokenizer?: string;
  labels?: Labels;
  logs?: string;
  schema?: string;
  fitted?: string;
}

/** The base model's own, unless the command line names another's: a GGUF file, a folder of safetensors, a tokenizer.json, or `compact`. */
async function chosenTokenizer(name: string | undefined, experiment: Experiment, recorded: RecordsDataset | undefined, how: How): Promise<Tokenizer> {
  const { Tokenizer, compactTokenizer } = await import('../library.js');
  const { experimentTokenizer } = await import('../methods/language-model.js');
  const { baseStage } = await import('../stages/base.js');
  if (name === 'compact') return recorded ? compactTokenizer([recorded.config.template]) : experimentTokenizer(experiment);
  if (name !== undefined) return name.endsWith('.json') ? Tokenizer.fromJson(name) : Tokenizer.fromBase(name);
  return Tokenizer.fromBase((await baseStage(experiment.base, how).work()).path);
}

/** The experiment with another family, or one of the user's own: in the regimes that it has, with its usual horizon. */
async function ofFamily(experiment: Experiment, wanted: string | undefined): Promise<Experiment> {
  if (wanted === undefined) return experiment;
  const { name: family, regimes, horizon, path } = await familyNamed(wanted);
  const kept = experiment.regimes.filter((regime) => regimes.includes(regime));
  // Records, where there were some, are of the other family.
  return { ...experiment, logs: undefined, family, regimes: kept.length === 0 && path !== undefined ? regimes : kept, horizon, ...(path !== undefined && { familyPath: path }) };
}

/** The experiment with the command line's settings in place of its own. */
function overridden(experiment: Experiment, options: MakeCommandOptions): unknown {
  const { horizon = experiment.horizon, seed = experiment.seed, support = experiment.support.trajectories } = options;
  const { examples, examplesPerTask, shardExamples, split, format, from, labels } = { ...experiment.dataset, ...given(options) };
  // Shards hold whole tasks.
  const whole = options.shardExamples ?? Math.max(1, Math.floor(shardExamples / examplesPerTask)) * examplesPerTask;
  const dataset = { examples, examplesPerTask, shardExamples: whole, split, format, ...(from && { from }), ...(labels && { labels }) };
  return { ...experiment, horizon, seed, support: { ...experiment.support, trajectories: support }, dataset };
}

const given = <T extends object>(options: T): T => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

const usage = (message: string): TiresiasError => new TiresiasError('USAGE', message);

function checkNoLogs({ schema, fitted }: MakeCommandOptions): void {
  if (schema !== undefined || fitted !== undefined) throw usage('--schema and --fitted go with --logs: name the records');
}

/** Refuses options that would be ignored. */
function checkLogs(options: MakeCommandOptions): void {
  const { fitted, labels } = options;
  if (fitted === undefined) throw usage('--logs needs --fitted, the folder that `tiresias fit` made of these records: what labels lose is said in its model');
  if (labels === 'static') throw usage('--labels static: a static policy says what to do after what it did itself, and records are of what somebody else did; use robust');
  const odd = (['family', 'regime', 'split', 'horizon', 'examplesPerTask'] as const).find((name) => options[name] !== undefined);
  if (odd !== undefined) throw usage(`--${odd.replace('examplesPerTask', 'examples-per-task')} does not go with --logs: records say that themselves`);
}

/** The dataset of records on the command line. */
async function namedRecords(experiment: Experiment, file: string, options: MakeCommandOptions, invocation: Invocation): Promise<RecordsDataset> {
  const { readLogs } = await import('./logs.js');
  const { readFitted } = await import('../logs/fitted-folder.js');
  const { firstBeliefs } = await import('../logs/first.js');
  const { logsReport } = await import('../logs/import.js');
  const { logsTemplate } = await import('../logs/printing.js');
  const { recordsIdentity, sourceIdentity } = await import('../dataset/records.js');
  const { Model } = await import('../library.js');
  const fitted = options.fitted!;
  const { logs: fittedTo, report } = await readFitted(fitted);
  const { trajectories, sha256, source } = await readLogs(file, options, invocation);
  // So that episodes that were set aside are never shown.
  if (sha256 !== fittedTo.sha256) throw new TiresiasError('INVALID_ARGUMENT', `${fitted} was fitted to ${fittedTo.file}, and ${file} holds something else: name the file that was fitted to, or fit again`, { details: { file, fitted } });
  const { labels = 'oracle', shardExamples, format } = experiment.dataset;
  const path = join(fitted, labels === 'robust' ? 'ambiguous.json' : 'model.json');
  if (labels === 'robust' && !existsSync(path)) throw new TiresiasError('INVALID_ARGUMENT', `${fitted} has nothing to be robust over: run \`tiresias fit\` again with --ambiguity`, { details: { fitted } });
  const { model } = Model.fromFile(path);
  const regime = report.kind;
  const from = { trajectories, model, ...(report.kind === 'pomdp' && { first: firstBeliefs(report, trajectories, model) }) };
  return {
    config: {
      records: recordsIdentity(trajectories, sha256, source), ...sourceIdentity(from), labels: labels as RecordsLabels, regime, seed: experiment.seed, support: { trajectories: experiment.support.trajectories }, solver: experiment.solver,
      template: logsTemplate(regime, model.observations === 0 ? model.states : model.observations, logsReport(trajectories).rewards), examples: options.examples ?? trajectories.episodes, shardExamples, format,
    },
    source: from,
  };
}

function makeCommand(): Command {
  return withPart(withConfig(
    newCommand('make', 'make labelled few-shot datasets: one folder for each regime', [
      'tiresias dataset make --config experiments/quickstart.json --out data',
      'tiresias dataset make --regime mdp --examples 1000000 --support 5 --horizon 10 --out data',
      'tiresias dataset make --family clinical --regime apomdp --examples 1000 --out clinical',
      'tiresias dataset make --family energy --regime apomdp --labels static --examples 1000 --out static',
      'tiresias dataset make --logs fit.parquet --fitted fitted --labels behaviour --out data',
      'tiresias dataset make --regime mdp --examples 1000000 --out data --shard 0 --of 3',
      'tiresias dataset make --regime mdp --examples 1000000 --out s3://bucket/data --shard 0 --of 3',
    ]),
  ))
    .requiredOption('-o, --out <folder>', 'where the datasets go: a folder, or s3://BUCKET/PREFIX, to be assembled')
    .option('--family <name>', 'draw from this family, or from a folder, a document or a module of your own, with its usual horizon')
    .option('--regime <name...>', 'only these regimes')
    .option('--examples <n>', 'examples in each regime', integer(1))
    .option('--examples-per-task <n>', 'examples that share a task and its oracle', integer(1))
    .option('--shard-examples <n>', 'examples in a file', integer(1))
    .option('--support <k>', 'trajectories before the query', integer(0))
    .option('--horizon <n>', 'number of decisions', integer(1))
    .option('--split <name>', 'of the family')
    .addOption(new Option('--labels <name>', "what decisions are labelled with: the task's oracle (when absent); the policy that is best in the worst case, where nature chooses anew at every decision (robust) or keeps to one model (static); or what was done (behaviour)").choices(['oracle', 'robust', 'static', 'behaviour']))
    .option('--logs <file>', 'make examples of recorded decisions: trajectories that `tiresias import` wrote, or a file of records with --schema')
    .option('--schema <file>', 'with --logs: what the columns of a file of records mean')
    .option('--fitted <folder>', 'with --logs: the folder of `tiresias fit` to these records, whose model labels them or judges what was done')
    .option('--tokenizer <name>', 'a .gguf file, a folder of safetensors, a tokenizer.json, or compact (one id a symbol); the base model\'s without it')
    .option('--format <name>', 'parquet, jsonl or safetensors')
    .action((options: MakeCommandOptions) =>
      invoke(options, async (invocation) => {
        const { progress, how, print } = invocation;
        if (options.logs === undefined) checkNoLogs(options);
        else checkLogs(options);
        const { parseExperiment } = await import('../experiment.js');
        const { checkSpec } = await import('../library.js');
        const { datasetConfig, datasetStage, recordsDataset, recordsStage } = await import('../stages/dataset.js');
        const stored = isStored(options.out);
        // A store has no locks and no journal: the whole is one part there.
        const part = chosenPart(options) ?? (stored ? { index: 0, of: 1 } : undefined);
        const chosen = await ofFamily(await chosenExperiment(options), options.family);
        const experiment = parseExperiment(overridden(chosen, options), 'the command line');
        const recorded = options.logs !== undefined ? await namedRecords(experiment, options.logs, options, invocation) : experiment.dataset.from === 'records' ? await recordsDataset(experiment) : undefined;
        if (recorded && part) throw new TiresiasError('USAGE', 'a dataset of records is made whole, in a folder: leave out --shard and --of, and name a folder');
        const tokenizer = await chosenTokenizer(options.tokenizer, experiment, recorded, how('base-model'));
        if (recorded) {
          const { config } = recorded;
          const folder = below(options.out, config.regime);
          const { totals } = await recordsStage(recorded, tokenizer, how(`dataset ${config.regime}`)).work(folder);
          progress.close();
          const { records: { episodes }, labels } = config;
          print([{ regime: config.regime, folder, ...totals }], `${folder}: ${totals.examples} examples of ${episodes} recorded episodes, ${totals.tokens} tokens, labels (${labels}) lose at most ${digits(totals.maxRegretBound)} in the model, ${digits(totals.meanRegretBound)} on average`);
          return;
        }
        const regimes = chosenRegimes(experiment, options.regime);
        // What labels mean nothing is said before a folder is begun.
        for (const regime of regimes) checkSpec(datasetConfig(experiment, regime));
        if (part) {
          const makePart = stored ? (await import('../dataset/stored.js')).makeStoredPart : (await import('../dataset/part.js')).makeDatasetPart;
          const parts = [];
          for (const regime of regimes) {
            const folder = below(options.out, regime);
            const { shards, shardsInAll } = await makePart(datasetConfig(experiment, regime), folder, part, { ...how(`dataset ${regime}`), tokenizer });
            parts.push({ regime, folder, ...part, shards: shards.length, shardsInAll, examples: shards.reduce((sum, shard) => sum + shard.examples, 0) });
          }
          progress.close();
          print(parts, parts.map((p) => `${p.folder}: ${partName(p)} is made, ${p.shards} of ${p.shardsInAll} shards, ${p.examples} examples`).join('\n'));
          return;
        }
        const made = [];
        for (const regime of regimes) {
          const folder = below(options.out, regime);
          const { totals } = await datasetStage(datasetConfig(experiment, regime), tokenizer, how(`dataset ${regime}`)).work(folder);
          made.push({ regime, folder, ...totals });
        }
        progress.close();
        print(made, made.map((d) => `${d.folder}: ${d.examples} examples of ${d.tasks} tasks, ${d.tokens} tokens, labels lose at most ${digits(d.maxRegretBound)}`).join('\n'));
      }),
    );
}

function assembleCommand(): Command {
  return newCommand('assemble', 'make a dataset of the parts that `dataset make --shard` left', [
    'tiresias dataset assemble data/mdp --out data/mdp',
    'tiresias dataset assemble part-0/mdp part-1/mdp part-2/mdp --out data/mdp',
    'tiresias dataset assemble s3://bucket/data/mdp',
  ], [])
    .argument('<folder...>', 'where the parts are, of one dataset: folders, or one place in an object store')
    .option('-o, --out <folder>', 'where the dataset goes; it may be one of the folders, and in an object store is where the parts are')
    .action((folders: string[], options: CommonOptions & { out?: string }) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { out = folders.length === 1 && isStored(folders[0]!) ? folders[0]! : undefined } = options;
        if (out === undefined) throw new TiresiasError('USAGE', 'say where the dataset goes: --out FOLDER');
        if ([...folders, out].some(isStored) && !(folders.length === 1 && folders[0] === out)) throw new TiresiasError('USAGE', 'in an object store a dataset is assembled where its parts are: name that one place, and no other --out');
        const how = { signal, onProgress: (event: DetailedProgress) => progress.show({ stage: 'assemble', ...event }) };
        const { totals, shards } = isStored(out) ? await (await import('../dataset/stored.js')).assembleStored(out, how) : await (await import('../dataset/assemble.js')).assembleDataset(folders, out, how);
        progress.close();
        print({ folder: out, shards: shards.length, ...totals }, `${out}: ${totals.examples} examples in ${shards.length} shards, every one as its part made it`);
      }),
    );
}

function verifyCommand(): Command {
  return newCommand('verify', 'check every file of a dataset against its manifest', ['tiresias dataset verify data/mdp'], [])
    .argument('<folder>')
    .action((folder: string, options: CommonOptions) =>
      invoke(options, async ({ print }) => {
        const { verifyDataset } = await import('../dataset/inspect.js');
        const { shards, totals } = await verifyDataset(await local(folder));
        print({ whole: true, shards: shards.length, ...totals }, `${folder} is whole: ${shards.length} shards, ${totals.examples} examples`);
      }),
    );
}

function statsCommand(): Command {
  return newCommand('stats', 'sizes, labels, regret bounds, returns and duplicates of a dataset', ['tiresias dataset stats data/mdp'], ['threads'])
    .argument('<folder>')
    .action((folder: string, options: CommonOptions) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { datasetStats } = await import('../dataset/inspect.js');
        const stats = await datasetStats(await local(folder, signal), {
          signal,
          threads: threadsOf(options),
          onProgress: ({ done, total }) => progress.show({ stage: 'stats', done, total, detail: 'shards read' }),
        });
        progress.close();
        const [median, most, nearlyAll] = stats.regretBoundQuantiles.map(digits);
        print(
          stats,
          columns([
            ['examples', `${stats.examples} of ${stats.tasks} tasks, ${stats.duplicates} of them repeated`],
            ['tokens', `${stats.tokens}, ${stats.tokensPerExample.toFixed(1)} an example (${stats.shortest} to ${stats.longest})`],
            ['labels', `${stats.labels}; by action ${stats.labelShares.map((share) => share.toFixed(3)).join(', ')}`],
            ['regret bound', `mean ${digits(stats.meanRegretBound)}, largest ${digits(stats.maxRegretBound)}; half below ${median}, 95% below ${most}, 99% below ${nearlyAll}`],
            ['support returns', returns(stats.supportReturns)],
            ['query returns', returns(stats.queryReturns)],
            ['bytes', String(stats.bytes)],
          ]),
        );
      }),
    );
}

function returns({ count, mean, deviation, min, max }: Summary): string {
  return count === 0 ? 'none' : `mean ${digits(mean)}, deviation ${digits(deviation)}, from ${digits(min!)} to ${digits(max!)}`;
}

function showCommand(): Command {
  return newCommand('show', 'tell one example in words', ['tiresias dataset show data/mdp --row 7', 'tiresias dataset show data/mdp --row 7 --text'], [])
    .argument('<folder>')
    .option('--row <n>', 'which example, from 0', integer(0), 0)
    .option('--text', 'as the language model reads it')
    .option('--family <path>', 'where the family lies, of a dataset of a family of your own')
    .action((folder: string, options: CommonOptions & { row: number; text?: true; family?: string }) =>
      invoke(options, async ({ print }) => {
        if (options.family !== undefined) await familyNamed(options.family);
        const { exampleOf } = await import('../dataset/inspect.js');
        const { Dataset } = await import('../dataset/open.js');
        const { exampleInWords } = await import('../dataset/words.js');
        const dataset = await Dataset.open(await local(folder));
        const example = await exampleOf(dataset, options.row);
        const { family, split, index, seed, regime, horizon, behaviour, prompt, completion, oracleActions, regretBounds } = example;
        const text = () =>
          `${family} ${split} ${index}, seed ${seed}: ${regime}, horizon ${horizon}, ${behaviour}, ${example.inputIds.length} tokens\n\n${prompt}\u2502${completion}\n` +
          columns([['oracle actions', oracleActions.join(' ')], ['regret bounds', regretBounds.map(digits).join(' ')]]);
        const words = options.text ? text() : exampleInWords(example, dataset.manifest.config);
        print({ ...example, inputIds: [...example.inputIds], labels: [...example.labels] }, words);
      }),
    );
}

export function datasetCommand(): Command {
  const dataset = new Command('dataset').description('make, check and look at few-shot datasets').addHelpText('after', '\nExample:\n  $ tiresias dataset make --config experiments/quickstart.json --out data');
  for (const command of [makeCommand(), assembleCommand(), verifyCommand(), statsCommand(), showCommand()]) dataset.addCommand(command);
  return dataset;
}
