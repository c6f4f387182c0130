// What makes the rows of an evaluation: two evaluations whose identities are equal play the same episodes in the same way.
import { hashTree, sha256, sha256File } from '../files.js';
import { canonicalJson } from '../json.js';
import type { Experiment, Regime } from '../experiment.js';
import type { Tokenizer } from '../library.js';
import { taskSpec } from '../spec.js';
import { trainerPath } from '../train/binary.js';
import type { BaseFile } from '../train/contract.js';
import { version } from '../version.js';

/** Whether a method acts by a language model, and so needs one. */
export function needsModel(method: string): boolean {
  return method !== 'oracle' && method !== 'random';
}

/** What the methods of an evaluation act by. */
export interface Actors {
  /** What gives a prompt its ids. */
  tokenizer: Tokenizer;
  /** Needed for the methods `sft` and `icl`. */
  base?: (BaseFile & { sha256: string }) | undefined;
  /** The fine-tuned adapter's folder; needed for the method `sft`. */
  adapter?: string | undefined;
}

/** For each method, everything but nature that decides its rows, as plain JSON. Reads the adapter and the decider's program to hash them. */
export async function identities(experiment: Experiment, regime: Regime, { tokenizer, base, adapter }: Actors, signal?: AbortSignal): Promise<Map<string, object>> {
  const { split, tasks, episodes, epsilon, decision, methods } = experiment.evaluation;
  // How the rows would be cut into shards or batches, and the threads, change nothing in them.
  const play = { version, spec: taskSpec(experiment, regime, split), tasks, episodes, epsilon };
  // Another program may have another arithmetic, whatever version it says it is.
  const decider = methods.some(needsModel) ? await sha256File(trainerPath(), signal) : null;
  const adapterHash = adapter !== undefined && methods.includes('sft') ? await folderHash(adapter, signal) : null;
  return new Map(methods.map((method): [string, object] => {
    // The oracle and chance read no tokens.
    if (!needsModel(method)) return [method, { method, ...play }];
    const model = { decision, decider, tokenizer: tokenizer.sha256, base: base?.sha256 ?? null, adapter: method === 'sft' ? adapterHash : null };
    return [method, { method, ...play, ...model }];
  }));
}

/** One hash over the names and the bytes of all files in a folder. */
export async function folderHash(folder: string, signal?: AbortSignal): Promise<string> {
  return sha256(canonicalJson(await hashTree(folder, '.', signal)));
}
