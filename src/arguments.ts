// What each call of the addon was given, checked against the addon's own declarations before the addon sees it.
import { TiresiasError } from './errors.js';
import { CLASSES, OBJECTS, type Taken } from './signatures.js';
import { closest } from './suggest.js';

/** Throws INVALID_ARGUMENT. */
export function invalid(message: string, details: Record<string, unknown> = {}): never {
  throw new TiresiasError('INVALID_ARGUMENT', message, { details });
}

/** A value in an error message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'bare object'}`;
  return typeof value === 'function' ? 'a function' : String(value);
}

/** Refuses an option that is not among the `known` ones, with the one that was probably meant. */
export function unknownOption(call: string, option: string, known: readonly string[]): never {
  const nearest = closest(option, known);
  const hint = nearest === undefined ? `it takes ${known.join(', ')}` : `did you mean ${nearest}?`;
  invalid(`${call}: unknown option ${JSON.stringify(option)}; ${hint}`, { option, nearest, known });
}

/** One kind of value: what it is called, and how it is handed on; `undefined` for a value of another kind. */
interface Kind {
  readonly name: string;
  accept(value: unknown, call: string): { value: unknown } | undefined;
}

const simple = (type: 'number' | 'string' | 'boolean' | 'function', name: string): Kind => ({
  name, accept: (value) => (typeof value === type ? { value } : undefined),
});

const NUMBER = simple('number', 'a number');
const STRING = simple('string', 'a string');
const BOOLEAN = simple('boolean', 'true or false');
const FUNCTION = simple('function', 'a function');

const ARRAYS = { Uint8Array, Uint32Array, Int32Array, Float32Array, Float64Array } as const;

const typed = (name: keyof typeof ARRAYS): Kind => ({ name: `a ${name}`, accept: (value) => (value instanceof ARRAYS[name] ? { value } : undefined) });

/** Numbers as the addon reads them: a list of numbers and single precision are copied. */
export function doubles(value: unknown): Float64Array | undefined {
  if (value instanceof Float64Array) return value;
  if (value instanceof Float32Array) return widened(value);
  return Array.isArray(value) && value.every((item) => typeof item === 'number') ? Float64Array.from(value as number[]) : undefined;
}

/** Number by number: an array whose memory was handed to another thread has none left, where iterating throws. */
function widened(array: Float32Array): Float64Array {
  const copy = new Float64Array(array.length);
  for (let i = 0; i < copy.length; i++) copy[i] = array[i]!;
  return copy;
}

/** What {@link doubles} takes, in words. */
export const DOUBLES = 'a Float64Array, a Float32Array or a list of numbers';

const NUMBERS: Kind = {
  name: DOUBLES,
  accept: (value) => {
    const numbers = doubles(value);
    return numbers && { value: numbers };
  },
};
/** How the addon declares arrays that it only reads. */
const READ_ONLY_NUMBERS = 'Float64Array | Float32Array | readonly number[]';

/** Makes checks from types as TypeScript writes them; `classOf` finds the addon's classes by name. */
export class Checks {
  readonly #kinds = new Map<string, Kind>();

  constructor(readonly classOf: (name: string) => NewableFunction & { prototype: object }) {}

  /** A check of the arguments of a call, which it gives back as the addon is to have them. */
  of(call: string, taken: readonly Taken[]): (args: unknown[]) => unknown[] {
    const checks = taken.map(([name, type]) => ({ name, ...this.#parse(type) }));
    const most = checks.length;
    return (args) => {
      if (args.length > most) args = args.slice(0, most);
      for (let i = 0; i < most; i++) {
        const { name, optional, kinds } = checks[i]!;
        const value = args[i];
        if (optional && (value === undefined || value === null)) continue;
        args[i] = accepted(call, name, kinds, value);
      }
      return args;
    };
  }

  #parse(type: string): { optional: boolean; kinds: readonly Kind[] } {
    if (type.includes('=>')) return { optional: type.includes('undefined'), kinds: [FUNCTION] };
    const numbers = type.startsWith(READ_ONLY_NUMBERS);
    const words = alternatives(numbers ? type.slice(READ_ONLY_NUMBERS.length) : type);
    // A pattern (`fixed:${number}`) is the addon's to read, and with it the words beside it.
    const patterned = words.some((word) => word.startsWith('`'));
    const texts = words.filter((word) => /^['`]/.test(word));
    const kinds = words.filter((word) => word !== 'undefined' && word !== 'null' && !texts.includes(word));
    const literals = patterned ? [] : texts.map((word) => word.slice(1, -1));
    if (patterned) kinds.push('string');
    return {
      optional: words.includes('undefined'),
      kinds: [...(numbers ? [NUMBERS] : []), ...(literals.length > 0 ? [oneOf(literals)] : []), ...kinds.map((word) => this.#kind(word))],
    };
  }

  #kind(word: string): Kind {
    let kind = this.#kinds.get(word);
    if (!kind) this.#kinds.set(word, (kind = this.#make(word)));
    return kind;
  }

  #make(word: string): Kind {
    const known: Record<string, Kind> = { number: NUMBER, string: STRING, boolean: BOOLEAN };
    if (known[word]) return known[word];
    if (Object.hasOwn(ARRAYS, word)) return typed(word as keyof typeof ARRAYS);
    const element = /^Array<(.*)>$/.exec(word)?.[1] ?? /^readonly (.*)\[\]$/.exec(word)?.[1];
    if (element !== undefined) return listOf(this.#parse(element.replace(/^\((.*)\)$/, '$1')).kinds);
    if (word === 'object') return { name: 'an object', accept: (value) => (typeof value === 'object' && value !== null ? { value } : undefined) };
    if (OBJECTS[word]) return this.#object(word, OBJECTS[word]);
    if (!CLASSES[word]) throw new TiresiasError('INTERNAL', `the addon declares a type that no check knows: ${word}`);
    // Looked up late: classes are checked and found one after the other.
    return { name: `a ${word}`, accept: (value) => (value instanceof this.classOf(word) ? { value } : undefined) };
  }

  #object(name: string, fields: readonly Taken[]): Kind {
    const known = fields.map(([field]) => field);
    const checks = new Map(fields.map(([field, type]) => [field, this.#parse(type)]));
    return {
      name: `an object with ${known.join(', ')}`,
      accept: (value, call) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return undefined;
        for (const key of Object.keys(value)) if (!checks.has(key)) unknownOption(call, key, known);
        // Read once: what is checked is what the addon gets.
        const copy: Record<string, unknown> = {};
        for (const [field, { optional, kinds }] of checks) {
          const given = (value as Record<string, unknown>)[field];
          if (optional && (given === undefined || given === null)) continue;
          copy[field] = accepted(call, `option ${field}`, kinds, given);
        }
        return { value: copy };
      },
    };
  }
}

/** The members of a union; those within brackets are somebody else's. */
function alternatives(type: string): string[] {
  const words = [''];
  let depth = 0;
  for (const c of type) {
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (c === '|' && depth === 0) words.push('');
    else words[words.length - 1] += c;
  }
  return words.map((word) => word.trim()).filter(Boolean);
}

function oneOf(words: readonly string[]): Kind {
  return { name: words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`, accept: (value) => (words.includes(value as string) ? { value } : undefined) };
}

function listOf(kinds: readonly Kind[]): Kind {
  const element = kinds.map(({ name }) => name).join(' or ');
  return {
    name: `a list, each ${element}`,
    // A hole is an element, too.
    accept: (value, call) => (Array.isArray(value) ? { value: Array.from(value as unknown[], (item, i) => accepted(call, `element ${i}`, kinds, item)) } : undefined),
  };
}

function accepted(call: string, name: string, kinds: readonly Kind[], value: unknown): unknown {
  for (const kind of kinds) {
    const taken = kind.accept(value, call);
    if (taken) return taken.value;
  }
  return invalid(`${call}: ${name} is ${kinds.map((kind) => kind.name).join(' or ')}, not ${shown(value)}`, { argument: name });
}
