import { InvalidArgumentError, Option, type Command } from 'commander';
import { TiresiasError } from '../errors.js';
import type { FitAmbiguity, FitSettings, FittedLogs, MdpFitReport, PomdpFitReport } from '../logs/fit.js';
import { columns, integer, invoke, newCommand, number, threadsOf, type Invocation } from './common.js';
import { readLogs, withLogs, type LogsOptions } from './logs.js';
import { describeModel } from './task.js';

interface FitCommandOptions extends LogsOptions {
  kind: 'mdp' | 'pomdp';
  out: string;
  name?: string;
  states?: [number, number];
  weight?: number;
  unseenReward?: 'mean' | 'least';
  starts?: number;
  discount?: number;
  horizon?: number;
  heldOut?: number;
  folds?: number;
  ambiguity?: FitAmbiguity;
  models?: number;
  alpha?: number;
  coverage?: number;
}

/** What goes into the fit, in the order of its document. */
const SETTINGS = ['kind', 'name', 'states', 'weight', 'unseenReward', 'starts', 'discount', 'horizon', 'heldOut', 'folds', 'seed', 'ambiguity', 'models', 'alpha', 'coverage'] as const satisfies (keyof FitSettings)[];

export function fitCommand(): Command {
  return withLogs(newCommand('fit', 'fit a model to recorded decisions, and what the records leave possible around it', [
    'tiresias fit patients.parquet --kind mdp --horizon 10 --ambiguity l1 --coverage 0.9 --out fitted',
    'tiresias fit patients.parquet --kind pomdp --states 2..6 --ambiguity posterior --models 10 --out fitted',
    'tiresias fit patients.csv --schema schema.json --kind mdp --discount 0.95 --held-out 0.2 --out fitted',
  ]))
    .addOption(new Option('--kind <kind>', 'mdp: what is seen is the state; pomdp: states are hidden').choices(['mdp', 'pomdp']).makeOptionMandatory())
    .requiredOption('-o, --out <folder>', 'where model.json, ambiguous.json, members and fit.json go')
    .option('--name <name>', "the model's name; fitted when absent")
    .option('--states <n>', 'hidden states of a POMDP, or a range such as 2..6, of which episodes left out choose; 2 when absent', states)
    .option('--weight <x>', 'weight of the prior of every distribution, in transitions; 1 when absent', number(0))
    .addOption(new Option('--unseen-reward <which>', 'what an MDP earns for an action that nobody took in a state: the mean of all rewards (when absent) or the least').choices(['mean', 'least']))
    .option('--starts <n>', 'places that the search for a POMDP begins at; 8 when absent', integer(1))
    .option('--discount <x>', 'discount factor; 0.95 when absent, and 1 with --horizon', number(0, 1))
    .option('--horizon <n>', 'number of decisions', integer(1))
    .option('--held-out <x>', 'share of the episodes that are left out to see what the model says of them', number(0, 1))
    .option('--folds <n>', 'instead: leave every episode out once, in so many parts', integer(2))
    .addOption(new Option('--ambiguity <kind>', 'what is put around the model: posterior or bootstrap, a cloud; l1 or interval, sets around the rows of an MDP').choices(['posterior', 'bootstrap', 'l1', 'interval']))
    .option('--models <n>', 'models of the cloud; 10 when absent', integer(1))
    .option('--alpha <x>', 'ambiguity attitude: 1 is max-min, 0 max-max; 1 when absent', number(0, 1))
    .option('--coverage <x>', 'probability with which the sets hold the truth; 0.95 when absent', number(0, 1))
    .action((file: string, options: FitCommandOptions) =>
      invoke({ ...options, resumes: false }, async (invocation) => {
        checkTogether(options);
        const { fitLogs } = await import('../logs/fit.js');
        const { checkFolder, fitRequest, writeFitted } = await import('../logs/fitted-folder.js');
        const { signal, progress, print } = invocation;
        const { trajectories, ...logs } = await readLogs(file, options, invocation);
        const settings = Object.fromEntries(SETTINGS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))) as unknown as FitSettings;
        const request = fitRequest({ ...logs, episodes: trajectories.episodes, steps: trajectories.steps }, settings);
        await checkFolder(options.out, request);
        const fitted = await fitLogs(trajectories, { ...settings, signal, threads: threadsOf(options), onProgress: shownBy(progress) });
        await writeFitted(options.out, request, fitted);
        progress.close();
        print({ out: options.out, ...request, report: fitted.report }, inWords(file, options.out, fitted));
      }),
    );
}

/** `2` or `2..6`. */
function states(text: string): [number, number] {
  const [, least, most = least] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  if (least === undefined || Number(least) < 1 || Number(most) < Number(least)) throw new InvalidArgumentError('expected a number such as 2, or a range such as 2..6');
  return [Number(least), Number(most)];
}

/** Refuses options that would be ignored. */
function checkTogether({ kind, states: hidden, starts, unseenReward, heldOut, folds, ambiguity, models, alpha, coverage }: FitCommandOptions): void {
  const usage = (message: string) => new TiresiasError('USAGE', message);
  const cloud = ambiguity === 'posterior' || ambiguity === 'bootstrap';
  if (kind === 'mdp' && (hidden !== undefined || starts !== undefined)) throw usage('--states and --starts go with --kind pomdp: the states of an MDP are what is seen');
  if (kind === 'pomdp' && unseenReward !== undefined) throw usage('--unseen-reward goes with --kind mdp: where states are hidden, it is unknown which pairs were not seen');
  if (kind === 'pomdp' && ambiguity !== undefined && !cloud) throw usage(`--ambiguity ${ambiguity} goes with --kind mdp: around a POMDP there is posterior or bootstrap`);
  if (heldOut !== undefined && folds !== undefined) throw usage('--held-out or --folds, not both');
  if (models !== undefined && !cloud) throw usage('--models goes with --ambiguity posterior or bootstrap');
  if (coverage !== undefined && (ambiguity === undefined || cloud)) throw usage('--coverage goes with --ambiguity l1 or interval');
  if (alpha !== undefined && ambiguity === undefined) throw usage('--alpha goes with --ambiguity');
}

const PHASES = { choose: 'choosing the number of states', try: 'from every start', climb: 'from the best start', refit: 'members of the cloud' } as const;

function shownBy(progress: Invocation['progress']) {
  return ({ phase, done, total }: { phase: keyof typeof PHASES; done: number; total: number }) => progress.show({ stage: `fit ${phase}`, done, total, detail: `${PHASES[phase]}, ${done} of ${total}` });
}

function inWords(file: string, out: string, { model, ambiguous, members, report }: FittedLogs): string {
  return columns([
    ['records', `${file} (${report.episodes} episodes, ${report.steps} decisions)`],
    ['model', describeModel(model)],
    ...(report.kind === 'mdp' ? mdpRows(report) : pomdpRows(report)),
    ...(ambiguous ? [['around it', `${describeModel(ambiguous)}${members.length > 0 ? `, of ${members.length} members` : ''}`] as const] : []),
    ['written', out],
  ]);
}

const nats = (x: number | null) => (x === null ? 'minus infinity' : x.toFixed(4));

function likelihoodRows({ logLikelihood, heldOut }: MdpFitReport | PomdpFitReport, what: string): (readonly [string, string])[] {
  return [['log-likelihood', `${nats(logLikelihood)} a ${what}, in nats`], ...(heldOut === null ? [] : [['of those left out', nats(heldOut)] as const])];
}

function mdpRows(report: MdpFitReport): (readonly [string, string])[] {
  const { uncovered, uncoveredPairs, unseen, transitions } = report;
  const pairs = uncoveredPairs.slice(0, 8).map(({ state, action }) => `${action} in ${state}`).join(', ');
  return [
    ['transitions', `${transitions} counted${unseen > 0 ? `; ${unseen} decisions whose state was not seen count for nothing` : ''}`],
    ['without data', uncovered === 0 ? 'no pair of state and action' : `${uncovered} ${uncovered === 1 ? 'pair' : 'pairs'} of state and action, for which the prior stands: ${pairs}${uncovered > 8 ? ', …' : ''}`],
    ...likelihoodRows(report, 'transition'),
  ];
}

function pomdpRows(report: PomdpFitReport): (readonly [string, string])[] {
  const { states: hidden, candidates, untaken, iterations, converged, starts } = report;
  const compared = candidates.map(({ states: n, heldOut }) => `${n}: ${nats(heldOut)}`).join(', ');
  return [
    ['hidden states', candidates.length > 1 ? `${hidden}, chosen by the log-likelihood of episodes left out (${compared})` : String(hidden)],
    ['search', `${starts.length} starts, ${iterations} iterations of the best, ${converged ? 'which improve no more' : 'which still improved'}`],
    ...(untaken.length > 0 ? [['never taken', untaken.join(', ')] as const] : []),
    ...likelihoodRows(report, 'decision'),
  ];
}
