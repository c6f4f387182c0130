// What an adapter's prompts look like: left beside what was learned, so that whoever acts with the adapter writes the prompts that it was taught.
import { join } from 'node:path';
import type { z as Zod } from 'zod';
import { recordsOf } from '../dataset/open.js';
import type { DatasetConfig } from '../dataset/manifest.js';
import { recordsName, type RecordsDatasetConfig } from '../dataset/records.js';
import { TiresiasError } from '../errors.js';
import { readText, sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import { defaultTemplate, drawTask } from '../library.js';
import { unseal, writeSealed } from '../seal.js';
import type { FamilyName, Regime, WholeTemplate } from '../spec.js';
import type { TrainConfig } from './contract.js';

/** Name of the file, in the adapter's folder. */
export const PROMPTS = 'prompts.json';

/** One kind of prompt that an adapter was taught. */
export interface PromptForm {
  /** The tasks' family, or the records that it learned from. */
  family: FamilyName | `records:${string}`;
  /** Whether states are seen, and whether there is a cloud. */
  regime: Regime;
  /** Decisions of an episode; of the longest, where there were several lengths. */
  horizon: number;
  /** How trajectories are laid out. */
  template: WholeTemplate;
  /** Names of the actions, by number. */
  actions: string[];
  /** Names of what can be seen, by number: of the states, where these are seen. */
  observations: string[];
}

/** The document `prompts.json`. */
export interface PromptForms {
  /** Format and version of the file. */
  schema: 'tiresias.prompts/1';
  /** Every kind of prompt. */
  forms: PromptForm[];
}

/** What tells one form from another: all but how long its episodes are. */
export const formHash = (form: PromptForm): string => sha256(canonicalJson({ ...form, horizon: undefined }));

/** The forms of what a training learns from; none where its files say nothing of themselves. */
function formsOf({ data, stream }: Pick<TrainConfig, 'data' | 'stream'>): PromptForm[] {
  const configs = stream?.specs ?? [...new Set(recordsOf(data.map(({ path }) => path)).flatMap((record) => (record ? [record.dataset] : [])))].map(({ manifest }) => manifest.config);
  const forms = new Map<string, PromptForm>();
  for (const config of configs) {
    const form = 'records' in config ? formOfRecords(config) : formOfTasks(config);
    const key = formHash(form);
    const known = forms.get(key);
    forms.set(key, { ...form, horizon: Math.max(form.horizon, known?.horizon ?? 0) });
  }
  return [...forms.values()];
}

function formOfTasks({ family, regime, split, seed, horizon, models, alpha, template }: Pick<DatasetConfig, 'family' | 'regime' | 'split' | 'seed' | 'horizon' | 'models' | 'alpha' | 'template'>): PromptForm {
  const { model } = drawTask(family, { split, index: 0, seed, regime, horizon, models, alpha });
  const names = (count: number, nameOf: (i: number) => string) => Array.from({ length: count }, (_, i) => nameOf(i));
  return {
    family, regime, horizon, template: { ...defaultTemplate(family, regime), ...template } as WholeTemplate,
    actions: names(model.actions, (i) => model.actionName(i)),
    observations: model.observations === 0 ? names(model.states, (i) => model.stateName(i)) : names(model.observations, (i) => model.observationName(i)),
  };
}

const formOfRecords = (config: RecordsDatasetConfig): PromptForm => {
  const { records: { longest, actions, observations }, regime, template } = config;
  return { family: recordsName(config), regime, horizon: longest, template, actions, observations };
};

/** Writes `prompts.json` into the folder of an adapter, where it is known what it learned from. */
export async function writePromptForms(folder: string, config: Pick<TrainConfig, 'data' | 'stream'>): Promise<void> {
  const forms = formsOf(config);
  if (forms.length > 0) await writeSealed(join(folder, PROMPTS), { schema: 'tiresias.prompts/1', forms } satisfies PromptForms);
}

const schema = lazy(() => {
  const z = zod();
  const names = z.array(z.string()).min(1);
  const template = z.strictObject({
    header: z.string(), supportMarker: z.string(), queryMarker: z.string(), observationWidth: z.int(), actionWidth: z.literal(1), rewardWidth: z.int(), rewardScale: z.number(), rewardOffset: z.int(),
    missing: z.string(), queryReward: z.enum(['shown', 'hidden']),
  }) satisfies Zod.ZodType<WholeTemplate>;
  const form = z.strictObject({ family: z.string() as unknown as Zod.ZodType<FamilyName>, regime: z.enum(['mdp', 'pomdp', 'apomdp']), horizon: z.int().min(1), template, actions: names, observations: names });
  return z.strictObject({ seal: z.string(), schema: z.literal('tiresias.prompts/1'), forms: z.array(form).min(1) });
});

const MEND = 'run the same `tiresias train` again, which writes it beside the adapter';

/** The forms that an adapter's folder tells of. Throws INVALID_POLICY where it tells of none, or the file is damaged. */
export async function readPromptForms(folder: string): Promise<PromptForm[]> {
  const path = join(folder, PROMPTS);
  let text: string;
  try {
    text = await readText(path);
  } catch (cause) {
    throw new TiresiasError('INVALID_POLICY', `${folder} does not say what its prompts look like: it has no ${PROMPTS}; ${MEND}`, { cause, details: { folder } });
  }
  const parsed = schema().safeParse(unseal(text, path, 'INVALID_POLICY', MEND));
  if (!parsed.success) throw new TiresiasError('INVALID_POLICY', `${path} is of another version, or none of ours:\n${zod().prettifyError(parsed.error)}`, { cause: parsed.error });
  return parsed.data.forms;
}
