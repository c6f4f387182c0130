// What callers got wrong, said before the addon sees it: which option or argument, and what was meant.
import { DOUBLES, doubles, invalid, shown, unknownOption } from './arguments.js';
import { native } from './native.js';
import { TiresiasError } from './errors.js';
import type { GoalOptions, SolveOptions } from '../native/index.cjs';

/** What an option's value must be; `any of` a list of words is written as the list. `name`: a name, or a number from 0. */
export type Kind = 'number' | 'string' | 'boolean' | 'function' | 'signal' | 'strings' | 'object' | 'name' | readonly string[];

/** Options that every asynchronous call takes. */
export const CALL_OPTIONS = { signal: 'signal', onProgress: 'function' } as const satisfies Record<string, Kind>;

/** Options of every solve. */
export const SOLVE_OPTIONS = {
  gap: 'number', timeSeconds: 'number', memoryBytes: 'number', threads: 'number', horizon: 'number', alpha: 'number', solver: 'string',
} as const satisfies Record<keyof SolveOptions, Kind>;

/** The options of a solve for a goal. */
export const GOAL_OPTIONS = { gap: 'number', timeSeconds: 'number', memoryBytes: 'number' } as const satisfies Record<keyof GoalOptions, Kind>;

export { invalid } from './arguments.js';
export { closest } from './suggest.js';

const isKind = (value: unknown, kind: Kind): boolean => {
  if (typeof kind === 'object') return kind.includes(value as string);
  if (kind === 'signal') return value instanceof AbortSignal;
  if (kind === 'strings') return Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (kind === 'name') return typeof value === 'string' || typeof value === 'number';
  if (kind === 'object' && value === null) return false;
  return typeof value === kind;
};

const describeKind = (kind: Kind): string => {
  if (typeof kind === 'object') return kind.join(' or ');
  return { signal: 'an AbortSignal', strings: 'a list of strings', number: 'a number', string: 'a string', boolean: 'true or false', function: 'a function', object: 'an object', name: 'a name or a number' }[kind];
};

/** Checks that `options` has no option but the `known` ones, each of its kind. An option that is undefined counts as left out. */
export function checkOptions(call: string, options: unknown, known: Readonly<Record<string, Kind>>): void {
  if (typeof options !== 'object' || options === null) invalid(`${call}: options are an object, not ${shown(options)}`);
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, option)) unknownOption(call, option, Object.keys(known));
    if (value !== undefined && !isKind(value, known[option]!)) invalid(`${call}: option ${option} is ${describeKind(known[option]!)}, not ${shown(value)}`, { option });
  }
}

/** Refuses what is given to a call beyond its arguments: options that it does not have would be ignored without a word. */
export function checkNoMore(call: string, args: ArrayLike<unknown>, takes: number, what: string): void {
  if (args.length <= takes || args[takes] === undefined) return;
  const option = typeof args[takes] === 'object' && args[takes] !== null ? Object.keys(args[takes])[0] : undefined;
  invalid(`${call}: takes ${what} and no ${option === undefined ? shown(args[takes]) : `option ${JSON.stringify(option)}`}`, option === undefined ? {} : { option });
}

/** Checks that the options of these names, where they are given, are whole numbers that a double holds exactly. */
export function checkWhole<T extends object>(call: string, options: T, names: readonly (keyof T & string)[]): void {
  for (const option of names) {
    const value = options[option];
    if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= 0)) invalid(`${call}: option ${option} is a whole number from 0 to 2^53 - 1, not ${shown(value)}`, { option });
  }
}

/** Checks that `model` is a model and `solution`, when there is one, a solution. */
export function checkModel(call: string, model: unknown, solution?: unknown): void {
  if (!(model instanceof native.Model)) invalid(`${call}: the model is a Model (Model.fromJson, drawTask(…).model), not ${shown(model)}`);
  if (solution !== undefined && !(solution instanceof native.Solution)) invalid(`${call}: the solution is a Solution (solve, loadPolicy), not ${shown(solution)}`);
}

/** Checks that `tokenizer` is one. */
export function checkTokenizer(call: string, tokenizer: unknown): void {
  if (!(tokenizer instanceof native.Tokenizer)) invalid(`${call}: the tokenizer is a Tokenizer (Tokenizer.fromGguf, Tokenizer.fromJson), not ${shown(tokenizer)}`);
}

type TypedArray = Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** Checks that `value` is such an array with `length` elements. */
export function checkArray<T extends TypedArray>(what: string, value: unknown, type: new (length: number) => T, length: number): asserts value is T {
  if (!(value instanceof type)) invalid(`${what}: expected a ${type.name}, not ${shown(value)}`);
  if (value.length !== length) invalid(`${what}: ${value.length} elements where ${length} are needed`);
}

/** Numbers that are only read, as a Float64Array of `length` elements; a list of numbers and a Float32Array are copied. */
export function checkNumbers(what: string, value: Numbers, length: number): Float64Array {
  const numbers = doubles(value) ?? invalid(`${what}: expected ${DOUBLES}, not ${shown(value)}`);
  checkArray(what, numbers, Float64Array, length);
  return numbers;
}

/** Numbers that are only read. */
export type Numbers = Float64Array | Float32Array | readonly number[];

/** A new array, or INVALID_ARGUMENT where no such one can be had. */
export function newArray<T extends TypedArray>(what: string, type: new (length: number) => T, length: number): T {
  try {
    return new type(length);
  } catch (cause) {
    throw new TiresiasError('INVALID_ARGUMENT', `${what}: ${length} elements are more than one array can hold; ask for fewer`, { cause });
  }
}

/** Actions, one a lane. */
export type Actions = Uint8Array | Uint32Array | readonly number[];

/** Actions as the bytes that the addon takes. */
export function actionBytes(actions: Actions, lanes: number): Uint8Array {
  if (actions instanceof Uint8Array) {
    checkArray('actions', actions, Uint8Array, lanes);
    return actions;
  }
  if (!(actions instanceof Uint32Array) && !Array.isArray(actions)) invalid(`actions: expected a Uint8Array, Uint32Array or list of numbers, not ${shown(actions)}`);
  if (actions.length !== lanes) invalid(`actions: ${actions.length} elements where ${lanes} are needed`);
  const bytes = new Uint8Array(lanes);
  for (let lane = 0; lane < lanes; lane++) {
    const action = actions[lane]!;
    bytes[lane] = action;
    if (bytes[lane] !== action) invalid(`action ${action} of lane ${lane} is not a whole number from 0 to 255`, { lane });
  }
  return bytes;
}
