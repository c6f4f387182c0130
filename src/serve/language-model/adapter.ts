// The folder of an adapter: what it is, which base it is for, and what its prompts look like.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BACKEND_NAMES, type BackendName } from '../../backends/index.js';
import { TiresiasError } from '../../errors.js';
import { folderHash, readJsonIfWhole, sha256 } from '../../files.js';
import { canonicalJson } from '../../json.js';
import { readSealedIfWhole } from '../../seal.js';
import type { BaseFile } from '../../train/contract.js';
import { formHash, readPromptForms, type PromptForm } from '../../train/prompts.js';

/** An adapter and what decides with it. */
export interface AdapterFolder {
  /** The PEFT folder. */
  adapter: string;
  /** SHA-256 over its files. */
  policyHash: string;
  /** SHA-256 of the forms of its prompts. */
  modelHash: string;
  /** How its prompts are written, a form for each kind of task that it learned. */
  forms: PromptForm[];
  /** What it adapts. */
  base: BaseFile;
  /** The backend that trained it. */
  backend: BackendName;
}

/** What `tiresias.json` says, as far as it matters here. */
interface About {
  backend?: string;
  base?: { sha256?: string; random_weights?: number };
}

/** Reads what an adapter's folder says; `base` is where its base lies now. Throws INVALID_POLICY and BASE_MODEL_MISSING. */
export async function readAdapter(folder: string, base?: string): Promise<AdapterFolder> {
  const adapter = resolve([folder, join(folder, 'adapter')].find((path) => existsSync(join(path, 'adapter_config.json'))) ?? missing(folder));
  const forms = await readPromptForms(adapter);
  // Adapters of other programs have no such file; a damaged one is the decider's to refuse.
  const about = ((await readSealedIfWhole(join(adapter, 'tiresias.json'))) ?? {}) as About;
  const path = base ?? (await trainedOver(adapter));
  if (path === undefined || !existsSync(path)) {
    throw new TiresiasError('BASE_MODEL_MISSING', `${folder}: the base model of the adapter${path === undefined ? ' is not said by what lies beside it' : ` is not at ${path}`}; say where it is (the option base, --base)`, { details: { folder, base: path } });
  }
  const { sha256: hash, random_weights: randomWeights } = about.base ?? {};
  return {
    adapter, forms, modelHash: sha256(canonicalJson(forms.map(formHash))), policyHash: await folderHash(adapter),
    base: { path: resolve(path), ...(hash !== undefined && { sha256: hash }), ...(randomWeights !== undefined && { randomWeights }) },
    backend: BACKEND_NAMES.find((name) => name === about.backend) ?? 'candle',
  };
}

/** The base in the configuration that the trainer left beside the adapter. */
async function trainedOver(adapter: string): Promise<string | undefined> {
  const config = (await readJsonIfWhole(join(dirname(adapter), 'config.json'))) as { base?: { path?: unknown } } | undefined;
  return typeof config?.base?.path === 'string' ? config.base.path : undefined;
}

function missing(folder: string): never {
  throw new TiresiasError('INVALID_POLICY', `${folder} is no adapter's folder: there is no adapter_config.json in it, nor in ${join(folder, 'adapter')}; give a policy file, or what \`tiresias train\` leaves`, { details: { folder } });
}
