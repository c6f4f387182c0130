// Stage evaluate: every method plays the test tasks of one regime, and is measured. It leaves the raw rows.
import { identity } from '../evaluate/identity.js';
import { evaluateRegime, type EvaluateOptions } from '../evaluate/index.js';
import type { Experiment, Regime } from '../experiment.js';
import { methodsIn } from '../methods/index.js';
import type { RegimeResult } from '../results.js';
import { version } from '../version.js';
import type { Stage } from './stage.js';

export function evaluateStage(experiment: Experiment, regime: Regime, options: Omit<EvaluateOptions, 'folder'>): Stage<RegimeResult> {
  const { base, trained, threads, signal } = options;
  const { resamples, reference = null } = experiment.evaluation;
  return {
    kind: 'evaluate',
    inputs: async () => {
      const madeFrom: object[] = [];
      for (const setting of methodsIn(experiment, regime)) {
        madeFrom.push({ name: setting.name, ...(await identity({ setting, experiment, regime, base, threads, signal, trained: trained?.[setting.name] })) });
      }
      return { version, regime, resamples, reference, madeFrom };
    },
    // The rows say themselves what made them, so none has to be removed when something changes.
    outputs: ['.'],
    mends: true,
    work: (folder) => evaluateRegime(experiment, regime, { ...options, folder }),
  };
}
