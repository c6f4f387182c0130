// The pretrained model as it is, on the prompt alone.
import { TiresiasError } from '../errors.js';
import { sha256File } from '../files.js';
import { Tokenizer } from '../library.js';
import { trainerPath } from '../train/binary.js';
import { Decider } from '../train/decider.js';
import { LanguageModel } from './language-model.js';
import { EVERYWHERE, NO_OPTIONS, type Method, type MethodUse, type Player } from './method.js';

export const icl: Method = {
  name: 'icl', label: 'In-context only', group: 'language', regimes: EVERYWHERE, needsSupport: false, knows: 'nothing', options: NO_OPTIONS,
  summary: 'The pretrained language model reads the same prompt without having been fine-tuned.',
  source: 'Zhang, Aghaei, Saghafian, “Large Language Models for Sequential Decision-Making”, arXiv 2605.09009, 2026.',
  needs: () => ({ base: true, adapter: false }),
  identity: async (use) => modelIdentity(use),
  start: async (use) => startModel(use),
};

/** What decides a model's actions besides the prompt; reads the decider's program to hash it. */
export async function modelIdentity({ experiment, setting, base, signal }: MethodUse): Promise<object> {
  const { decision, temperature } = experiment.evaluation;
  const drawn = decision === 'sample' ? { temperature, drawnBy: setting.name } : {};
  // Another program may have another arithmetic, whatever version it says it is.
  return { decision, ...drawn, decider: await sha256File(trainerPath(), signal), base: base?.sha256 ?? null };
}

/** Starts the decider on the base model, with an adapter or without. */
export async function startModel({ experiment, regime, setting, base, threads, signal }: MethodUse, adapter?: string): Promise<Player> {
  if (!base) throw new TiresiasError('USAGE', `the method ${setting.name} needs a base model`);
  const { decision, temperature } = experiment.evaluation;
  const decider = await Decider.start({ backend: 'candle', base, threads, ...(adapter !== undefined && { adapter }) }, { signal });
  return new LanguageModel(decider, Tokenizer.fromGguf(base.path), { decision, temperature, seed: `${experiment.seed}/decide/${regime}/${setting.name}` });
}
