// A base model on the command line, in one word: what lies there, what has that name, or what the hub has.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TiresiasError, messageOf } from '../errors.js';
import { parseExperiment, type BaseSpec } from '../experiment.js';

/** `organisation/name`, with a file of it and a revision where they are wanted: `organisation/name/model.gguf@main`. */
const HUB = /^(?<hub>[\w.-]+\/[\w.-]+)(?:\/(?<file>.+\.gguf))?(?:@(?<revision>[^@]+))?$/;

/** The `base` of an experiment that a word means. What lies there comes first; `./` before a word says that a path is meant. */
export function baseOf(word: string): BaseSpec {
  const { hub, file, revision } = HUB.exec(word)?.groups ?? {};
  const isPath = /^(\.{0,2}\/|~|[A-Za-z]:)/.test(word) || (word.endsWith('.gguf') && file === undefined);
  if (!existsSync(word) && isPath) {
    throw new TiresiasError('BASE_MODEL_MISSING', `--model ${word}: no such file or folder; name a GGUF file, a folder of safetensors, or a model of the hub as organisation/name`, { details: { path: word } });
  }
  const base = existsSync(word) ? { path: resolve(word) } : hub === undefined ? { name: word } : { hub, ...(file !== undefined && { file }), ...(revision !== undefined && { revision }) };
  try {
    return parseExperiment({ schema: 'tiresias.experiment/1', name: 'model', base }).base;
  } catch (cause) {
    const [problem] = ((cause as TiresiasError).details['problems'] ?? []) as { problem: string }[];
    throw new TiresiasError('INVALID_ARGUMENT', `--model ${word}: no such file or folder, nor a model's name; ${problem?.problem ?? messageOf(cause)}`, { cause });
  }
}
