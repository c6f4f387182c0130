// What a backend is: a program that trains and decides under the contract of docs/contracts.md, and what may be asked of it.

import type { BaseFormat } from '../base/source.js';

/** The backends that there are. */
export type BackendName = 'candle' | 'peft';

/** What a backend can do: train adapters over a base, decide with them, and train, or compute with, weights that are no pretrained base's. */
export type Ability = 'train' | 'decide' | 'full-parameter';

/** What is computed in: all in f32; weights and products in bf16; in addition the base's linear maps in 4-bit NormalFloat. */
export type Arithmetic = 'f32' | 'bf16' | 'nf4';

/** What is asked for: one of these, or whatever is fastest where it is computed. */
export type ChosenArithmetic = Arithmetic | 'auto';

/** What starts several processes of one training: one for each card, or for some cores each. */
export type Launcher = 'accelerate' | 'torchrun';

/** Several processes of one training. */
export interface Launch {
  /** What starts them. */
  launcher: Launcher;
  /** How many. */
  processes: number;
}

/** What starts a program. */
export interface Command {
  /** An executable file. */
  program: string;
  /** What comes before the mode and its options. */
  args: readonly string[];
  /** Environment variables beside this process's own. */
  env?: Readonly<Record<string, string>>;
}

/** Whether a backend is there, for people. */
export interface Health {
  ok: boolean;
  /** Where it is, or what is wrong. */
  found: string;
}

/** A backend, as everything else knows it. */
export interface Backend {
  /** Its name in experiments and configurations. */
  readonly name: BackendName;
  /** What it is, in a few words. */
  readonly summary: string;
  readonly can: readonly Ability[];
  /** File formats of bases that it reads: a GGUF file, a folder of safetensors. */
  readonly bases: readonly BaseFormat[];
  readonly devices: readonly ('cpu' | 'cuda')[];
  readonly arithmetic: readonly Arithmetic[];
  /** What can start several of its processes for one training; none where it trains in one. */
  readonly launchers: readonly Launcher[];
  /** Whether it says beforehand what a training would take. */
  readonly estimates: boolean;
  /** Whether it makes examples as training goes on. */
  readonly streams: boolean;
  /** What starts it, or several of it. Throws TRAINER_MISSING, with what to type, where it is not installed. */
  command(launch?: Launch): Command;
  /** A hash of its program: with the same and the same configuration it computes the same. */
  identity(signal?: AbortSignal): Promise<string>;
  /** Whether it is installed and starts. */
  health(): Promise<Health>;
  /** What to type to install it. */
  readonly remedy: string;
}
