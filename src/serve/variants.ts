// Variants of one policy that are served at once, each with a share of the new sessions.
import { closest } from '../suggest.js';
import { TiresiasError } from '../errors.js';
import { sha256 } from '../files.js';
import type { Reloaded } from './policy.js';
import type { AllNames, AnyPolicy, Servable } from './servable.js';
import type { StoredSession } from './stores/store.js';

/** One policy file among those that are served under one name. */
export interface Variant {
  /** What it is called; unique within the policy. */
  name: string;
  /** Its share of the new sessions, from 0 to 1. One with 0 serves the sessions that it has. */
  share: number;
  /** The policy. */
  policy: AnyPolicy;
}

/** A variant as it is served. */
export interface ServedVariant extends Omit<Variant, 'policy'> {
  policy: Servable;
}

/** What reading the files of a policy again found. */
export interface ReloadedPolicy {
  /** Whether any of them holds another policy than before. */
  changed: boolean;
  /** Whether all are of the same models as before. */
  sameModel: boolean;
  /** Each of them. */
  variants: ({ variant: string } & Reloaded)[];
}

/** How far the shares may be from summing to 1. */
const SUM_TOLERANCE = 1e-6;

/**
 * The variant that a session of this id goes to: the winner of a rendezvous (Thaler and Ravishankar 1998), at which each bids -log(u) / share, u being a hash of its
 * own name and the id. Nothing is remembered, every server finds the same in whatever order the variants are named, and one that is added takes ids from the
 * others and moves none between them.
 */
export function drawn<T extends Pick<Variant, 'name' | 'share'>>(policy: string, id: string, variants: readonly T[]): T {
  const open = variants.filter(({ share }) => share > 0);
  // Those that take no new sessions take one that only they know.
  const bidders = open.length > 0 ? open : variants;
  if (bidders.length === 1) return bidders[0]!;
  const bid = ({ name, share }: T) => -Math.log(uniform(`${policy}/${name}/${id}`)) / (share || 1);
  return bidders.map((variant) => ({ variant, bid: bid(variant) })).reduce((best, other) => (other.bid < best.bid ? other : best)).variant;
}

/** A number strictly between 0 and 1 that 52 bits of a text's hash say. */
const uniform = (text: string): number => (Number.parseInt(sha256(text).slice(0, 13), 16) + 0.5) / 2 ** 52;

/** A policy as it is served under one name: by one file, or by several. */
export class ServedPolicy {
  readonly name: string;
  readonly variants: readonly ServedVariant[];

  /** Throws USAGE for names and shares that make no sense together, and for variants that clients could not tell what to do alike. */
  constructor(name: string, variants: readonly Variant[], servable: (policy: AnyPolicy, variant: string) => Servable) {
    this.name = name;
    const twice = variants.find((variant, i) => variants.findIndex((other) => other.name === variant.name) < i);
    if (twice) throw new TiresiasError('USAGE', `policy ${name} has two variants ${twice.name}: call one something else, ${name}/VARIANT=FILE@SHARE`);
    const sum = variants.reduce((total, { share }) => total + share, 0);
    if (variants.some(({ share }) => !(share >= 0 && share <= 1)) || !(Math.abs(sum - 1) <= SUM_TOLERANCE)) {
      throw new TiresiasError('USAGE', `policy ${name}: the shares of its variants are from 0 to 1 and sum to 1, not ${variants.map(({ name: own, share }) => `${own} ${share}`).join(' + ')} = ${sum}`);
    }
    this.variants = variants.map((variant) => ({ ...variant, policy: servable(variant.policy, variant.name) }));
    checkAlike(name, this.variants.map(({ name: own, policy }) => ({ name: own, names: policy.names() })));
  }

  /** The variant of a new session, of those whose model its belief is over where it brings one. */
  forNew(id: string, model?: string): ServedVariant {
    const own = model === undefined ? this.variants : this.variants.filter(({ policy }) => policy.knows(model));
    return drawn(this.name, id, own.length > 0 ? own : this.variants);
  }

  /** The variant of a stored session: its own for life, and only if that is no longer served, a new one. */
  of(id: string, { variant, state }: Pick<StoredSession, 'variant' | 'state'>): ServedVariant {
    return this.variants.find(({ name }) => name === variant) ?? this.forNew(id, state.model);
  }

  /** A variant by its name; the first where none is said. Throws UNKNOWN_NAME. */
  variant(name?: string): ServedVariant {
    const found = name === undefined ? this.variants[0] : this.variants.find((variant) => variant.name === name);
    if (found) return found;
    const known = this.variants.map((variant) => variant.name);
    const nearest = closest(name!, known);
    throw new TiresiasError('UNKNOWN_NAME', `policy ${this.name} has no variant ${JSON.stringify(name!.slice(0, 140))}; ${nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest}?`}`, { details: { kind: 'variant', name: name!.slice(0, 140), nearest } });
  }

  /** Reads all files again: either all can be served, or all stay as they were and this throws. */
  async reload(): Promise<ReloadedPolicy> {
    const next = await allOrNone(this.variants.map(async ({ name, policy }) => ({ name, prepared: await policy.prepare() })));
    try {
      checkAlike(this.name, next.map(({ name, prepared }) => ({ name, names: prepared.names })));
    } catch (error) {
      await Promise.all(next.map(({ prepared }) => prepared.drop()));
      throw error;
    }
    const variants = [];
    for (const { name, prepared } of next) variants.push({ variant: name, ...(await prepared.take()) });
    return { changed: variants.some(({ changed }) => changed), sameModel: variants.every(({ sameModel }) => sameModel), variants };
  }
}

/** What all promises give; where one fails, what the others prepared is dropped. */
async function allOrNone<T extends { prepared: { drop(): Promise<void> } }>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
  const made = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (!failed) return made;
  await Promise.all(made.map(({ prepared }) => prepared.drop()));
  throw failed.reason;
}

/** Clients do not know which variant they talk to: what can be done and seen must be called the same, by name and by number. */
function checkAlike(policy: string, variants: readonly { name: string; names: AllNames }[]): void {
  if (variants.length < 2) return;
  const said = variants.map(({ names: { actions, observations } }) => JSON.stringify([actions, observations]));
  const other = said.findIndex((names) => names !== said[0]);
  if (other > 0) throw new TiresiasError('INVALID_POLICY', `policy ${policy}: its variants ${variants[0]!.name} and ${variants[other]!.name} have other actions or observations, and clients must be able to talk to both alike; serve them under two names`);
}
