// Stage base: the pretrained model, found or fetched, and whole. It lies in the cache, or where the user has it: the stage's own folder stays empty.
import { hashIfWhole, resolveBaseModel, type BaseModel } from '../base/index.js';
import type { BaseSpec } from '../experiment.js';
import type { How, Stage } from './stage.js';

export const baseStage = (spec: BaseSpec, { signal, onProgress }: Omit<How, 'threads'>) => ({
  kind: 'base',
  inputs: () => spec,
  work: () => resolveBaseModel(spec, { signal, onProgress }),
  isWhole: async ({ path, sha256 }: BaseModel) => (await hashIfWhole(path, signal)) === sha256,
}) satisfies Stage<BaseModel>;
