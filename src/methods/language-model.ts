// A language model that reads the few-shot prompt and acts by the log-probabilities of the actions' tokens.
import { able, backendOf, type Ability } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import type { Experiment } from '../experiment.js';
import { seedrandom } from '../lazy.js';
import { Prompts, Tokenizer, compactTokenizer, defaultTemplate, type Episodes, type Ragged, type WholeTemplate } from '../library.js';
import type { DecideConfig } from '../train/contract.js';
import { Decider } from '../train/decider.js';
import type { MethodUse, PlayOptions, Player } from './method.js';

/** How an action is taken from its log-probabilities. */
export interface Decision {
  /** The likeliest (ties go to the lowest), or a draw. */
  decision: 'greedy' | 'sample';
  /** Draws are from probabilities raised to the power of its inverse. */
  temperature: number;
  /** Names the random numbers of draws. */
  seed: string;
}

/** Plays by a decider, whose contexts are the episodes in `tokenizer`'s ids. */
export class LanguageModel implements Player {
  /** Ends `decider` when it is ended itself. */
  constructor(
    private readonly decider: Decider,
    private readonly tokenizer: Tokenizer,
    private readonly how: Decision,
  ) {}

  /** Opens a session a row, reads what each action led to, and closes them. */
  async play(episodes: Episodes, { firstRow, signal, onProgress }: PlayOptions): Promise<Episodes> {
    episodes.reset();
    const prompts = new Prompts(episodes, this.tokenizer);
    try {
      let { sessions, logprobs } = await this.decider.open(rowsOf(prompts.open(episodes)), prompts.actionIds());
      while (true) {
        signal?.throwIfAborted();
        const stage = episodes.stage;
        episodes.step(Uint8Array.from(logprobs, (row, i) => this.#choose(row, firstRow + i, stage)));
        onProgress?.(episodes.stage / episodes.horizon);
        if (episodes.done) break;
        logprobs = await this.decider.extend(sessions, rowsOf(prompts.next(episodes)));
      }
      await this.decider.close(sessions);
      return episodes;
    } finally {
      prompts.dispose();
    }
  }

  /** Ends the process. */
  async end(): Promise<void> {
    await this.decider.end();
  }

  #choose(logprobs: readonly number[], row: number, stage: number): number {
    const { decision, temperature, seed } = this.how;
    return decision === 'greedy' ? largest(logprobs) : drawn(logprobs, temperature, seedrandom()(`${seed}/${row}/${stage}`)());
  }
}

/** Index of the largest value, the lowest on ties. */
export function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

/** The index at which the cumulative probability passes `u` in [0, 1), of probabilities in proportion to `exp(logprob / temperature)`. */
export function drawn(logprobs: readonly number[], temperature: number, u: number): number {
  const top = Math.max(...logprobs);
  const weights = logprobs.map((value) => Math.exp((value - top) / temperature));
  let left = u * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return i;
  }
  return weights.findLastIndex((weight) => weight > 0);
}

/** Starts a decider that has an ability on some model, whose prompts are in `tokenizer`'s ids. */
export async function startDecider(
  { experiment, regime, setting, threads, signal }: MethodUse, model: Pick<DecideConfig, 'base' | 'adapter' | 'model'>, tokenizer: Tokenizer, need: Ability = 'decide',
): Promise<Player> {
  const { decision, temperature } = experiment.evaluation;
  const decider = await Decider.start({ ...able(experiment.training, need), ...model, threads }, { signal });
  return new LanguageModel(decider, tokenizer, { decision, temperature, seed: `${experiment.seed}/decide/${regime}/${setting.name}` });
}

/** What decides a model's actions besides the prompt, with hashes of the model; reads the decider's program to hash it. */
export async function modelIdentity({ experiment, setting, signal }: MethodUse, model: object, need: Ability = 'decide'): Promise<object> {
  const { decision, temperature } = experiment.evaluation;
  const drawn = decision === 'sample' ? { temperature, drawnBy: setting.name } : {};
  // Another program may have another arithmetic, whatever version it says it is.
  const choice = able(experiment.training, need);
  return { decision, ...drawn, ...choice, decider: await backendOf(choice.backend).identity(signal), ...model };
}

/** The pretrained model. Throws USAGE without one. */
export function baseOf({ base, setting }: MethodUse): NonNullable<MethodUse['base']> {
  if (!base) throw new TiresiasError('USAGE', `the method ${setting.name} needs a base model`);
  return base;
}

/** The pretrained model's tokenizer. */
export const baseTokenizer = (use: MethodUse): Tokenizer => Tokenizer.fromBase(baseOf(use).path);

/** What was trained for a method. Throws USAGE where nothing was. */
export function trainedFor({ trained, setting }: MethodUse): string {
  if (trained === undefined) throw new TiresiasError('USAGE', `the method ${setting.name} needs something trained for it; give its folder, run the experiment with \`tiresias run\`, or leave the method out`);
  return trained;
}

/** The templates of an experiment, regime by regime. */
export const experimentTemplates = ({ family, regimes, templates }: Experiment): WholeTemplate[] =>
  regimes.map((regime) => ({ ...defaultTemplate(family, regime), ...templates[regime] }) as WholeTemplate);

/** The native vocabulary of an experiment: one id a symbol of its templates. */
export const experimentTokenizer = (experiment: Experiment): Tokenizer => compactTokenizer(experimentTemplates(experiment));

function rowsOf({ ids, offsets }: Ragged): Uint32Array[] {
  return Array.from({ length: offsets.length - 1 }, (_, row) => ids.subarray(offsets[row], offsets[row + 1]));
}
