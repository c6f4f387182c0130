// Datasets of recorded decisions: the query of an example is an episode of the records, its support are others of the same task. Nothing is simulated;
// what labels lose is said in the model that labels.
import { sha256 } from '../files.js';
import type { Model } from '../library.js';
import type { LogsSource, Trajectories } from '../logs/import.js';
import { cancellable, native, type CallOptions } from '../native.js';
import { specJson, type Labels, type Regime, type ShardFormat, type TaskSpec, type WholeTemplate } from '../spec.js';
import type * as Addon from '../../native/index.cjs';
import { makeShards } from './make.js';
import { readManifestIfWhole, type Manifest } from './manifest.js';
import { spans, type MakeOptions } from './shards.js';

/** What recorded decisions may be labelled with. */
export type RecordsLabels = Exclude<Labels, 'static'>;

/** The records that a dataset is made of. */
export interface RecordsIdentity {
  /** SHA-256 of the file that was read. */
  sha256: string;
  /** The file of records that it was made from; `null` where that is not known. */
  source: LogsSource | null;
  /** Number of episodes. */
  episodes: number;
  /** Number of decisions. */
  steps: number;
  /** Decisions of the longest episode. */
  longest: number;
  /** Names of what can be seen, by number: of the states, where these are seen. */
  observations: string[];
  /** Names of the actions, by number. */
  actions: string[];
}

/** Everything that decides the bytes of a dataset of records. */
export interface RecordsDatasetConfig {
  /** The records. */
  records: RecordsIdentity;
  /** SHA-256 of the model that labels, and in which regret bounds are. */
  model: string;
  /** SHA-256 of what is believed after a first symbol; `null` where nothing of the kind is. */
  first: string | null;
  /** What decisions are labelled with: what was done (`behaviour`), or what the policy does that is optimal in the model; `robust` where that is ambiguous. */
  labels: RecordsLabels;
  /** Whether what is seen is the state. */
  regime: Exclude<Regime, 'apomdp'>;
  /** Seed of everything that is drawn. */
  seed: number;
  /** The support of an example. */
  support: {
    /** Episodes before the query. */
    trajectories: number;
  };
  /** When the solver of the labels may stop. */
  solver: TaskSpec['solver'];
  /** How examples are laid out as text. */
  template: WholeTemplate;
  /** Examples in all. Each episode is a query once before any is again. */
  examples: number;
  /** Examples in a file. */
  shardExamples: number;
  /** What files are written as. */
  format: ShardFormat;
}

/** What a dataset of records is made from. */
export interface RecordsSource {
  /** The records. */
  trajectories: Trajectories;
  /** The model that labels, fitted to them. */
  model: Model;
  /** What is believed after a first symbol, symbols × states, where states are hidden; as `firstBeliefs` gives it. */
  first?: Float64Array | undefined;
}

/** What the labels of records say of every recorded step, one entry a step. */
export type StepLabels = Addon.StepLabels;

/** What rows call the records. */
export const recordsName = ({ records: { sha256 } }: Pick<RecordsDatasetConfig, 'records'>): `records:${string}` => `records:${sha256}`;

/** Which records these are. */
export const recordsIdentity = (trajectories: Trajectories, sha256: string, source: LogsSource | null): RecordsIdentity => {
  const { episodes, steps, longest, observations, actions } = trajectories;
  return { sha256, source, episodes, steps, longest, observations, actions };
};

/** What of a source decides the bytes of its dataset. */
export const sourceIdentity = ({ model, first }: RecordsSource): Pick<RecordsDatasetConfig, 'model' | 'first'> => ({ model: model.sha256(), first: first === undefined ? null : sha256(first.join()) });

/** Labels every recorded step, by a policy that is solved for the model. */
export function labelRecords(config: RecordsDatasetConfig, { trajectories, model, first }: RecordsSource, { threads, signal, onProgress }: CallOptions<Addon.StageProgress> & { threads: number }): Promise<Addon.LabelledRecords> {
  const { labels, regime, seed, support, solver, template, format } = config;
  const spec = specJson({ name: recordsName(config), regime, labels, seed, trajectories: support.trajectories, solver, template, format });
  return cancellable({ signal, onProgress }, (token, report) => native.labelRecords(trajectories, model, spec, first, threads, token, report));
}

/** Makes, or finishes, the dataset in `folder`. Refuses (DATASET_DIFFERS) a folder that holds another one. */
export async function makeRecordsDataset(config: RecordsDatasetConfig, source: RecordsSource, folder: string, options: MakeOptions): Promise<Manifest> {
  const { threads, tokenizer, signal } = options;
  const onProgress = ({ done, total }: Addon.StageProgress) => options.onProgress?.({ done: 0, total: config.examples, detail: `episode ${done} of ${total} labelled` });
  const label = () => labelRecords(config, source, { threads, signal, onProgress });
  // Once for all shards, and what keeps records from being labelled is said before a folder is begun; where a dataset is whole, nothing is labelled.
  let labelled = (await readManifestIfWhole(folder)) ? undefined : Promise.resolve(await label());
  try {
    return await makeShards(config, folder, options, spans(config), async ({ spec: { firstTask, tasks } }, path, how) => {
      const records = await (labelled ??= label());
      return cancellable(how, (token, report) => records.makeShard(tokenizer, path, firstTask, tasks, threads, token, report));
    });
  } finally {
    (await labelled?.catch(() => undefined))?.dispose();
  }
}
