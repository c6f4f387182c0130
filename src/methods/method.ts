// What a method is: who acts in evaluation episodes, what the project knows of it, and how it is started.
import type { Ability } from '../backends/index.js';
import type { BaseFile, TrainConfig } from '../train/contract.js';
import type { Experiment, MethodSetting } from '../experiment.js';
import type { Episodes } from '../library.js';
import type { Histories, Regime } from '../spec.js';

/** Methods that belong together in a report. */
export type MethodGroup = 'reference' | 'language' | 'network' | 'imitation' | 'model' | 'value' | 'own';

/** How {@link Player.play} plays. */
export interface PlayOptions {
  /** A number for the first row, by which drawn decisions are the same however rows are cut into batches. */
  firstRow: number;
  /** Stops it; the call then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told the share that is done. */
  onProgress?: ((share: number) => void) | undefined;
}

/** Someone who acts, started and ready. */
export interface Player {
  /** Plays every episode from its start to its end, and gives them as they then are: the same object, or one that shares its tasks. */
  play(episodes: Episodes, options: PlayOptions): Promise<Episodes>;
  /** Frees what it holds. */
  end(): Promise<void>;
}

/** What a method is started for. */
export interface MethodUse {
  /** Its place in the experiment. */
  setting: MethodSetting;
  /** The experiment. */
  experiment: Experiment;
  /** The regime that it acts in. */
  regime: Regime;
  /** The split and tasks it acts on are the experiment's evaluation. Worker threads. */
  threads: number;
  /** The pretrained model, where one was asked for. */
  base?: (BaseFile & { sha256: string }) | undefined;
  /** Folder of what was trained for this method and regime, where something was. */
  trained?: string | undefined;
  /** Stops the start. */
  signal?: AbortSignal | undefined;
}

/** What a run trains for a method, on the experiment's dataset. */
export interface Training {
  /** Whose ids the dataset is written in: the base model's tokenizer, or the compact one of the experiment's templates. */
  vocabulary: 'base' | 'compact';
  /** Where it learns from an algorithm's learning histories instead of the oracle. */
  histories?: Histories | undefined;
  /** What its backend must be able to do, if more than to train adapters: one that cannot leaves it to another. */
  ability?: Ability | undefined;
  /** The trainer's configuration, from what the experiment says for all; `vocabularySize` is the number of the tokenizer's ids. */
  config(own: TrainConfig, experiment: Experiment, vocabularySize: number): TrainConfig;
}

/** What a method needs made before it can act. */
export interface MethodNeeds {
  /** The pretrained model. */
  base: boolean;
  /** What has to be trained for it, if anything. */
  training?: Training | undefined;
}

/** A method, as everything else knows it. */
export interface Method {
  /** Its name in experiments. */
  readonly name: string;
  /** What a report calls it. */
  readonly label: string;
  /** Its place in a report. */
  readonly group: MethodGroup;
  /** What it does, in one sentence. */
  readonly summary: string;
  /** Where it comes from. */
  readonly source: string;
  /** Where it can be used. */
  readonly regimes: readonly Regime[];
  /** Whether it cannot act without support trajectories. */
  readonly needsSupport: boolean;
  /** What it is told of a task beyond its form, its support and its history. */
  readonly knows: 'nothing' | 'family' | 'task';
  /** JSON Schema of its options. */
  readonly options: object;
  /** What it needs made before, under these options. */
  needs(setting: MethodSetting): MethodNeeds;
  /** Throws a TiresiasError that names method and remedy when its options are wrong. Called before anything is computed. */
  check?(use: MethodUse): Promise<void>;
  /** What decides its actions besides the experiment's tasks and its options, as plain JSON: hashes of files, say. */
  identity(use: MethodUse): Promise<object>;
  /** Makes it ready to act. */
  start(use: MethodUse): Promise<Player>;
}

/** Needs nothing. */
export const nothing = (): MethodNeeds => ({ base: false });

/** Every regime. */
export const EVERYWHERE: readonly Regime[] = ['mdp', 'pomdp', 'apomdp'];

/** The schema of a method without options. */
export const NO_OPTIONS = { type: 'object', properties: {}, additionalProperties: false } as const;

/** A player who asks `act` for one action a row at every stage. */
export function stepping(act: (episodes: Episodes) => Uint8Array | Promise<Uint8Array>): Player {
  return {
    async play(episodes, { signal, onProgress }) {
      episodes.reset();
      while (!episodes.done) {
        signal?.throwIfAborted();
        episodes.step(await act(episodes));
        onProgress?.(episodes.stage / episodes.horizon);
      }
      return episodes;
    },
    end: async () => {},
  };
}
