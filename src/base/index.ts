// The registry of bases: where a pretrained model comes from, its format, and what it is when it is there.
import { cacheFolder } from '../cache.js';
import type { BaseSpec } from '../experiment.js';
import { hub } from './hub.js';
import { local } from './local.js';
import type { BaseFormat, BaseModel, BaseSource, FetchOptions, Listed } from './source.js';
import { wheel, wheelSource, type WheelSource } from './wheel.js';

export type { BaseFormat, BaseModel, DetailedProgress, FetchOptions, Listed } from './source.js';
export { formatAt, hashIfWhole } from './check.js';
export { NAMED_MODELS, cachedPath, type ModelName, type Wheel, type WheelSource } from './wheel.js';

type AnySource = BaseSource<BaseSpec>;

/** All sources; each has a field of its own in an experiment's `base`. */
export const SOURCES: readonly AnySource[] = [wheel, local, hub] as readonly unknown[] as readonly AnySource[];

const sourceOf = (spec: BaseSpec): AnySource => SOURCES.find(({ key }) => key in spec)!;

/** The format of a base, told before anything is fetched. */
export const formatOf = (spec: BaseSpec): BaseFormat => sourceOf(spec).format(spec);

/** What is known of a base before it is fetched, as {@link checkAble} asks. */
export const described = (spec: BaseSpec): { path: string; format: BaseFormat } => {
  const path = 'path' in spec ? spec.path : 'hub' in spec ? spec.hub : spec.name;
  return { path, format: formatOf(spec) };
};

/** How {@link resolveBaseModel} goes about it. */
export interface ResolveOptions extends Partial<FetchOptions> {
  /** Named models; those that have a name of their own by default. */
  named?: Readonly<Record<string, WheelSource>> | undefined;
}

/** Finds the base model, fetching it into the cache when it is not there or not whole, and checks its hash. */
export async function resolveBaseModel(spec: BaseSpec, options: ResolveOptions = {}): Promise<BaseModel> {
  const { cache = cacheFolder(), named, ...rest } = options;
  const source = named && 'name' in spec ? (wheelSource(named) as unknown as AnySource) : sourceOf(spec);
  try {
    return await source.resolve(spec, { cache, ...rest });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** The bases that have a name and those that are in the cache, with where they lie. */
export async function listBases(cache = cacheFolder()): Promise<Listed[]> {
  const lists = await Promise.all(SOURCES.map((source) => source.list(cache)));
  return lists.flat();
}
