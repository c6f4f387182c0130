// What a policy that is solved for a fitted model says of every recorded step.
import { CALL_OPTIONS, checkModel, checkOptions } from '../check.js';
import { labelRecords, recordsIdentity, sourceIdentity, type RecordsLabels, type StepLabels } from '../dataset/records.js';
import type { Model } from '../library.js';
import type { CallOptions } from '../native.js';
import type { StageProgress } from '../../native/index.cjs';
import { checkTrajectories, logsReport, type Trajectories } from './import.js';
import { logsTemplate } from './printing.js';

/** Settings of {@link labelLogs}. */
export interface LabelOptions extends CallOptions<StageProgress> {
  /** What steps are labelled with: what was done, or what the policy that is optimal in the model would have done (`robust` where the model is ambiguous). */
  labels: RecordsLabels;
  /** What is believed after a first symbol, as `firstBeliefs` gives it; left out, episodes begin with the model's start. */
  first?: Float64Array;
  /** Gap between its bounds at which the solver stops. Default 0.01. */
  gap?: number;
  /** Threads; no number depends on them. Default 1. */
  threads?: number;
}

/**
 * Labels every recorded step, and says what the label and what the recorded action lose at most: bounds in the model, and none in the world. Throws
 * `INVALID_ARGUMENT` where the model does not fit the records. O(steps · states²) after the solve.
 *
 * @example (await labelLogs(records, model, { labels: 'oracle' })).recordedRegretBounds
 */
export async function labelLogs(trajectories: Trajectories, model: Model, options: LabelOptions): Promise<StepLabels> {
  checkTrajectories('labelLogs', trajectories);
  checkModel('labelLogs', model);
  checkOptions('labelLogs', options, { labels: ['behaviour', 'oracle', 'robust'], first: 'object', gap: 'number', threads: 'number', ...CALL_OPTIONS });
  const { labels, first, gap = 0.01, threads = 1, signal, onProgress } = options;
  const regime = model.observations === 0 ? 'mdp' : 'pomdp';
  const template = logsTemplate(regime, model.observations || model.states, logsReport(trajectories).rewards);
  const source = { trajectories, model, first };
  const config = { records: recordsIdentity(trajectories, '', null), ...sourceIdentity(source), labels, regime, seed: 0, support: { trajectories: 0 }, solver: { gap, timeSeconds: null }, template, examples: 0, shardExamples: 1, format: 'parquet' } as const;
  const labelled = await labelRecords(config, source, { threads, signal, onProgress });
  try {
    return labelled.steps();
  } finally {
    labelled.dispose();
  }
}
