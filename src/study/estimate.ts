// About how long a cell takes: what it will do, at rates that were measured (bench/results). Wrong by some factor on another machine, and where tasks are
// harder than those that were measured; what the first cell took corrects it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Experiment, MethodSetting, Regime } from '../experiment.js';
import { lazy } from '../lazy.js';
import { defaultTemplate, type WholeTemplate } from '../library.js';
import { methodOf, methodsIn } from '../methods/index.js';
import { COMMITTED } from './cells.js';
import type { Job } from './kind.js';

/** The files of `bench/results` that rates are taken from. */
export const RATES = ['methods.json', 'train-bf16.json', 'study-rates.json'] as const;

const read = (name: (typeof RATES)[number]): unknown => JSON.parse(readFileSync(join(COMMITTED, name), 'utf8'));

interface Rates {
  /** Microseconds an episode of 10 decisions, by regime and method; `world` is what drawing, solving and stepping take, once for all. */
  episodes: { regime: Regime; method: string; microsecondsAnEpisode: number }[];
  /** Tokens a second and thread of SmolLM2-135M. */
  language: Record<'train, recomputing activations' | 'train, keeping activations' | 'decide, 64 extensions by 8', Record<'f32' | 'amx', number>>;
  /** Training tokens a second and thread, by method. */
  networks: Record<string, number>;
}

const rates = lazy((): Rates => ({
  episodes: (read('methods.json') as { rows: Rates['episodes'] }).rows,
  language: (read('train-bf16.json') as { figures: Rates['language'] }).figures,
  networks: (read('study-rates.json') as { networks: Rates['networks'] }).networks,
}));

/** What a cell will have to do, beforehand, in words. */
export function work({ regimes, dataset, training, evaluation }: Experiment): string {
  const methods = evaluation.methods.length;
  return `${dataset.examples * regimes.length} examples, ${training.steps} steps of ${training.batchSize} a training, ${episodesOf({ evaluation })} episodes of ${methods} methods in ${regimes.join(', ')}`;
}

/** Seconds that a cell takes from nothing, about, with so many threads; undefined where a rate that it hangs on was never measured. */
export async function estimate(experiment: Experiment, threads: number): Promise<number | undefined> {
  const { regimes } = experiment;
  const parts = await Promise.all(regimes.flatMap((regime) => [
    worldSeconds(experiment, regime),
    ...methodsIn(experiment, regime).map((setting) => playSeconds(experiment, regime, setting)),
  ]));
  const trained = await Promise.all(experiment.evaluation.methods.map((setting) => trainSeconds(experiment, setting)));
  const all = [...parts, ...trained];
  return all.includes(undefined) ? undefined : all.reduce<number>((sum, one) => sum + one!, 0) / threads;
}

/** Tokens of an example or an episode's context: a letter each, near enough, in all our vocabularies. */
function tokens(experiment: Experiment, regime: Regime): number {
  const { family, templates, support, horizon } = experiment;
  const { observationWidth, rewardWidth, header } = { ...defaultTemplate(family, regime), ...templates[regime] } as WholeTemplate;
  return header.length + (support.trajectories + 1) * (2 + horizon * (observationWidth + rewardWidth + 4));
}

const episodesOf = ({ evaluation: { tasks, episodes, deployment } }: Pick<Experiment, 'evaluation'>): number => tasks * episodes * (deployment?.episodes ?? 1);

/** In a cloud every method also acts under each model alone. */
const worlds = (experiment: Experiment, regime: Regime): number => (regime === 'apomdp' ? 1 + experiment.models : 1);

const microseconds = (regime: Regime, method: string): number | undefined => rates().episodes.find((row) => row.regime === regime && row.method === method)?.microsecondsAnEpisode;

function worldSeconds(experiment: Experiment, regime: Regime): number {
  const drawn = experiment.dataset.examples + episodesOf(experiment) * worlds(experiment, regime);
  return (drawn * (experiment.horizon / 10) * microseconds(regime, 'world')!) / 1e6;
}

async function playSeconds(experiment: Experiment, regime: Regime, setting: MethodSetting): Promise<number | undefined> {
  const { base, training } = (await methodOf(setting)).needs(setting);
  const played = episodesOf(experiment) * worlds(experiment, regime);
  if (!base && !training) {
    // One of which nothing was measured is taken for one of the middle.
    return (played * (experiment.horizon / 10) * (microseconds(regime, setting.method) ?? microseconds(regime, 'empirical') ?? microseconds(regime, 'fqi')!)) / 1e6;
  }
  // A network decides at no less than the rate that it learns at.
  const rate = base ? language(experiment, 'decide, 64 extensions by 8') : rates().networks[setting.method];
  return rate && (seedsOf(experiment, setting, training !== undefined) * played * tokens(experiment, regime)) / rate;
}

async function trainSeconds(experiment: Experiment, setting: MethodSetting): Promise<number | undefined> {
  const { base, training } = (await methodOf(setting)).needs(setting);
  if (!training) return 0;
  const { regimes, training: { adapter, steps: usual, batchSize, gradientCheckpointing } } = experiment;
  const steps = (setting.options['steps'] as number | undefined) ?? usual;
  const rate = base ? language(experiment, gradientCheckpointing ? 'train, recomputing activations' : 'train, keeping activations') : rates().networks[setting.method];
  const mean = regimes.reduce((sum, regime) => sum + tokens(experiment, regime), 0) / regimes.length;
  const trainings = seedsOf(experiment, setting, true) * (adapter === 'joint' ? 1 : regimes.length);
  // A network that learns from some decisions of an example reads that share of it, near enough.
  const share = Math.min(1, ((setting.options['decisions'] as number | undefined) ?? experiment.horizon) / experiment.horizon);
  return rate && (trainings * steps * batchSize * mean * share) / rate;
}

const seedsOf = (experiment: Experiment, { seeds }: MethodSetting, trained: boolean): number => (trained ? (seeds ?? experiment.training.seeds) : 1);

/** Of a language model's work: measured for the backend candle and SmolLM2 alone. `auto` may come to f32, the slower one, and is taken for it. */
function language({ base, training: { backend, arithmetic = 'f32' } }: Experiment, what: keyof Rates['language']): number | undefined {
  if (backend !== 'candle' || !('name' in base) || !base.name.startsWith('smollm2-135m')) return undefined;
  return rates().language[what][arithmetic === 'bf16' ? 'amx' : 'f32'];
}

/** “about 12 min”. */
export function about(seconds: number | undefined): string {
  if (seconds === undefined) return 'time unknown';
  if (seconds < 50) return 'less than a minute';
  if (seconds < 90 * 60) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  return `about ${(seconds / 3600).toFixed(seconds < 36_000 ? 1 : 0)} h`;
}

/** What is left of a study: by the estimates of its cells and, once one is done, by how far off these were. */
export class Pace {
  readonly #running = new Map<string, number>();
  #expected = 0;
  #took = 0;

  /** Weights of the cells that are not done, seconds where `known`. */
  private constructor(private readonly waiting: Map<string, number>, private readonly known: boolean, private readonly now: () => number) {}

  /** Where a cell's time is unknown each counts as much as another, and nothing is said before one is done. */
  static async of(cells: readonly Pick<Job, 'name' | 'about'>[], threads: number, now: () => number = () => performance.now() / 1000): Promise<Pace> {
    const estimates = await Promise.all(cells.map((cell) => cell.about(threads)));
    const known = !estimates.includes(undefined);
    return new Pace(new Map(cells.map(({ name }, i) => [name, known ? estimates[i]! : 1])), known, now);
  }

  begins(name: string): void {
    this.#running.set(name, this.now());
  }

  ends(name: string): void {
    this.#took += this.now() - this.#running.get(name)!;
    this.#expected += this.waiting.get(name)!;
    this.#running.delete(name);
    this.waiting.delete(name);
  }

  /** Seconds that the cells which are not done take, one after the other. */
  get left(): number | undefined {
    if (!this.known && this.#expected === 0) return undefined;
    const factor = this.#expected > 0 ? this.#took / this.#expected : 1;
    const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, one) => total + one, 0);
    return Math.max(0, factor * sum(this.waiting.values()) - sum([...this.#running.values()].map((began) => this.now() - began)));
  }
}
