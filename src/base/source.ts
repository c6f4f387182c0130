// What a source of base models is: somewhere that a pretrained model is fetched from, or lies in.
import type { z as Zod } from 'zod';
import type { BaseSpec } from '../experiment.js';

/** What a base is on a disk: one GGUF file, or a folder as `transformers` writes it, with `config.json`, `*.safetensors` and `tokenizer.json`. */
export type BaseFormat = 'gguf' | 'safetensors';

/** A base model that exists and has been checked. */
export interface BaseModel {
  /** Its name. */
  name: string;
  /** What is at `path`. */
  format: BaseFormat;
  /** The GGUF file, or the folder. */
  path: string;
  /** What stands for it wherever a base's hash is asked for, 64 hexadecimal digits: of the file, or of the folder as docs/contracts.md defines it. */
  sha256: string;
}

/** Progress of something that has a size. */
export interface DetailedProgress {
  /** How much is done. */
  done: number;
  /** How much there is in all. */
  total: number;
  /** What is going on, for people: "downloading …". */
  detail: string;
}

/** How a base is fetched. */
export interface FetchOptions {
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
  /** Cache folder; the operating system's by default. */
  cache: string;
}

/** A base that is in the cache, or could be. */
export interface Listed {
  /** As results call it. */
  name: string;
  format: BaseFormat;
  /** Where it lies, or would. */
  path: string;
  /** Whether it is there and what it should be. */
  state: 'whole' | 'damaged' | 'absent';
  /** What fetches it, where it is not there. */
  remedy: string;
}

/** A source, as everything else knows it. */
export interface BaseSource<S extends BaseSpec> {
  /** The field that an experiment's `base` of this source has, and of no other. */
  readonly key: 'name' | 'path' | 'hub';
  /** What is written in an experiment, for messages. */
  readonly example: string;
  /** What an experiment may say. */
  schema(z: typeof Zod): Zod.ZodType<S>;
  /** The format, told before anything is fetched. */
  format(spec: S): BaseFormat;
  /** Finds the base, fetching it into the cache when it is not there or not whole, and checks its hash. */
  resolve(spec: S, options: FetchOptions): Promise<BaseModel>;
  /** What the cache holds of it, and what it knows by name. */
  list(cache: string): Promise<Listed[]>;
}
