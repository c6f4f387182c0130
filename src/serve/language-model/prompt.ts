// What a model reads of a session: its support and its history as the adapter was taught to read them, in ids.
import { createHash } from 'node:crypto';
import { invalid } from '../../arguments.js';
import { TiresiasError } from '../../errors.js';
import { compileEncoder, type Encoder, type Tokenizer } from '../../library.js';
import { formHash, type PromptForm } from '../../train/prompts.js';
import { Names } from '../names.js';
import type { Context } from './worker.js';

/** A step of a trajectory, by numbers: what was seen before the action (null for nothing), the action, and the reward after it. */
export type SupportStep = [observation: number | null, action: number, reward: number];
/** A step of a session, by numbers: the action, what was seen after it, and the reward where the prompts show it. */
export type HistoryStep = [action: number, observation: number, reward: number | null];

/** What a session is to a model. */
export interface Told {
  /** Trajectories that it is shown first. */
  support: readonly (readonly SupportStep[])[];
  /** What was seen before the first action; null for nothing. */
  first: number | null;
  /** What was done since, and what came of it. */
  history: readonly HistoryStep[];
}

/** One form of prompts, ready to be written in a tokenizer's ids. */
export class Prompt {
  /** How it is written. */
  readonly form: PromptForm;
  /** What tells it from other forms. */
  readonly hash: string;
  /** The actions' names. */
  readonly actions: Names;
  /** The names of what is seen. */
  readonly observations: Names;
  readonly #encoder: Encoder;
  readonly #candidates: Uint32Array;

  /** Throws ENCODE_FAILED where the tokenizer does not go with the template. */
  constructor(form: PromptForm, tokenizer: Tokenizer) {
    this.form = form;
    this.hash = formHash(form);
    this.actions = new Names('action', form.actions.length, (i) => form.actions[i]!);
    this.observations = new Names(form.regime === 'mdp' ? 'state' : 'observation', form.observations.length, (i) => form.observations[i]!);
    this.#encoder = compileEncoder(form.template, tokenizer, form.observations.length, form.actions.length);
    this.#candidates = this.#encoder.actionIds;
  }

  /** Whether the rewards of a session stand in its prompt. */
  get showsRewards(): boolean {
    return this.form.template.queryReward === 'shown';
  }

  /**
   * The text up to the place of the next action. It is an example's of the dataset whose query has one more action, whatever that is, cut before it: so what is read
   * here is what was learned from, id by id. Throws INVALID_ARGUMENT for a number that the template cannot print.
   */
  context({ support, first, history }: Told): Context {
    const { rewardOffset, rewardScale } = this.form.template;
    const trajectories: SupportStep[][] = support.map((steps) => [...steps]);
    const seen = [first, ...history.map(([, observation]) => observation)];
    // Of the action that is not known yet only the place counts; its reward is one that can be printed.
    trajectories.push(seen.map((observation, t) => [observation, history[t]?.[0] ?? 0, history[t]?.[2] ?? -rewardOffset / rewardScale]));
    const steps = trajectories.flat();
    const ends = trajectories.map(((sum) => ({ length }) => (sum += length))(0));
    const { ids, labels } = this.#encoded({
      observations: Int32Array.from(steps, ([observation]) => observation ?? -1), actions: Uint8Array.from(steps, ([, action]) => action), rewards: Float64Array.from(steps, ([, , reward]) => reward),
      steps: Uint32Array.of(0, ...ends), examples: Uint32Array.of(0, trajectories.length),
    });
    const places: number[] = [];
    labels.forEach((label, at) => label >= 0 && places.push(at));
    return this.#named(ids, places);
  }

  #encoded(batch: Parameters<Encoder['encodeBatch']>[0]): { ids: Uint32Array; labels: Int32Array } {
    try {
      return this.#encoder.encodeBatch(batch);
    } catch (error) {
      if (error instanceof TiresiasError && error.code === 'ENCODE_FAILED') invalid(`the prompt cannot be written: ${error.message}`);
      throw error;
    }
  }

  /** A context with the hashes of its beginnings, one for each action. */
  #named(ids: Uint32Array, places: readonly number[]): Context {
    const hash = createHash('sha256').update(this.hash);
    const keys: string[] = [];
    let from = 0;
    for (const place of places) {
      hash.update(ids.subarray(from, place));
      keys.unshift(hash.copy().digest('base64'));
      from = place;
    }
    const [key, ...beginnings] = keys;
    return { ids: ids.slice(0, places.at(-1)), key: key!, beginnings, candidates: this.#candidates };
  }
}
