// Names and numbers of a model's actions, observations and states.
import { shown } from '../arguments.js';
import { closest } from '../suggest.js';
import { TiresiasError } from '../errors.js';
import { lazy } from '../lazy.js';
import type { Model } from '../../native/index.cjs';

/** A name, or a number from 0. */
export type Name = string | number;

/** One space of a model: what its elements are called. */
export class Names {
  readonly #numbers: () => ReadonlyMap<string, number>;

  /** One element in words, for messages. */
  readonly what: string;
  /** Number of elements. */
  readonly size: number;
  /** The name of a number. */
  readonly nameOf: (i: number) => string;
  readonly #known = new Map<number, string>();

  /** A space of `size` elements. */
  constructor(what: string, size: number, nameOf: (i: number) => string) {
    this.what = what;
    this.size = size;
    this.nameOf = (i) => {
      // Kept: each question to native code costs a microsecond.
      let name = this.#known.get(i);
      if (name === undefined) this.#known.set(i, (name = nameOf(i)));
      return name;
    };
    this.#numbers = lazy(() => new Map(Array.from({ length: size }, (_, i) => [nameOf(i), i])));
  }

  /** The number of a name; of a number, itself. Throws UNKNOWN_NAME. */
  number(name: Name): number {
    if (typeof name === 'number' && Number.isInteger(name) && name >= 0 && name < this.size) return name;
    const found = typeof name === 'string' ? this.#numbers().get(name) : undefined;
    return found ?? this.#unknown(name);
  }

  /** The number that a text names: by name, or where none is called so, by number. Throws UNKNOWN_NAME. */
  typed(text: string): number {
    return this.has(text) || !/^\d+$/.test(text) ? this.number(text) : this.number(Number(text));
  }

  /** Whether something is called so. */
  has(name: string): boolean {
    return this.#numbers().has(name);
  }

  /** All names, by number. */
  all(): string[] {
    return Array.from({ length: this.size }, (_, i) => this.nameOf(i));
  }

  #unknown(name: Name): never {
    const known = [...this.#numbers().keys()];
    const nearest = typeof name === 'string' && known.length <= 10_000 ? closest(name, known) : undefined;
    const hint = nearest !== undefined ? `did you mean ${nearest}?` : known.length <= 12 ? `there are ${known.join(', ')}` : `there are ${known.length}: ${known.slice(0, 12).join(', ')}, …`;
    throw new TiresiasError('UNKNOWN_NAME', `there is no ${this.what} ${shown(name)}; ${hint}`, { details: { kind: this.what, name, nearest } });
  }
}

/** The spaces of a model. Where the state is seen, what is observed is the next state. */
export class Spaces {
  /** What can be done. */
  readonly actions: Names;
  /** What can be the case. */
  readonly states: Names;
  /** What can be seen. */
  readonly observations: Names;

  constructor(model: Model) {
    this.actions = new Names('action', model.actions, (i) => model.actionName(i));
    this.states = new Names('state', model.states, (i) => model.stateName(i));
    this.observations = model.observations === 0 ? this.states : new Names('observation', model.observations, (i) => model.observationName(i));
  }
}
