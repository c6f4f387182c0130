// Who acts in an episode. The oracle, chance and a language model are one kind of thing: begin, act, see, end.
import type { Episodes, Ragged } from '../library.js';
import type { Decider } from '../train/decider.js';

/** Who acts in evaluation episodes. */
export interface Method {
  /** Its name in results. */
  readonly name: string;
  /** At the start of a batch of episodes, which has been reset. */
  begin(episodes: Episodes): Promise<void>;
  /** One action for each row. */
  act(episodes: Episodes): Promise<Uint8Array> | Uint8Array;
  /** What the actions led to: the tokens up to the next action's place. Not called after the last stage. */
  see(next: Ragged): Promise<void>;
  /** After the last stage. */
  end(): Promise<void>;
}

const nothing = async () => {};

/** Acts as the oracle would. */
export const oracleMethod: Method = { name: 'oracle', begin: nothing, act: (episodes) => episodes.oracleActions(), see: nothing, end: nothing };

/** Draws every action uniformly. */
export const randomMethod: Method = { name: 'random', begin: nothing, act: (episodes) => episodes.randomActions(), see: nothing, end: nothing };

/** A language model that reads the few-shot prompt and takes the action it holds most likely; ties go to the lowest. */
export class ModelMethod implements Method {
  #sessions: number[] = [];
  #logprobs: number[][] = [];

  /** A method of that name that asks `decider`. */
  constructor(
    /** Its name in results. */
    readonly name: string,
    private readonly decider: Decider,
  ) {}

  /** Opens a session for each row. */
  async begin(episodes: Episodes): Promise<void> {
    const { sessions, logprobs } = await this.decider.open(rowsOf(episodes.prompts()), episodes.actionIds());
    this.#sessions = sessions;
    this.#logprobs = logprobs;
  }

  /** The likeliest action of each row. */
  act(): Uint8Array {
    return Uint8Array.from(this.#logprobs, largest);
  }

  /** Reads on to the next action's place. */
  async see(next: Ragged): Promise<void> {
    this.#logprobs = await this.decider.extend(this.#sessions, rowsOf(next));
  }

  /** Closes the sessions. */
  async end(): Promise<void> {
    await this.decider.close(this.#sessions);
    this.#sessions = [];
  }
}

/** Index of the largest value, the lowest on ties. */
export function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

function rowsOf({ ids, offsets }: Ragged): Uint32Array[] {
  return Array.from({ length: offsets.length - 1 }, (_, row) => ids.subarray(offsets[row], offsets[row + 1]));
}

/** Plays a batch from start to end; `onProgress` is told the share that is done. */
export async function play(episodes: Episodes, method: Method, signal?: AbortSignal, onProgress?: (share: number) => void): Promise<void> {
  episodes.reset();
  await method.begin(episodes);
  for (let t = 1; !episodes.done; t++) {
    signal?.throwIfAborted();
    const next = episodes.step(await method.act(episodes));
    if (!episodes.done) await method.see(next);
    onProgress?.(t / episodes.horizon);
  }
  await method.end();
}
