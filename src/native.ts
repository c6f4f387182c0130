// The only module that touches the addon. Everything it exports checks what it is given, and throws TiresiasError and nothing of napi's own.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import * as threads from 'node:worker_threads';
import { Checks, invalid, shown } from './arguments.js';
import type {} from './disposable.js';
import { TiresiasError, fromNative, messageOf } from './errors.js';
import { platform, platformFile, platformHint } from './platform.js';
import { CLASSES, FUNCTIONS, type ClassCalls } from './signatures.js';

type Addon = typeof import('../native/index.cjs');
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
type Class = NewableFunction & { prototype: object };

function load(): Addon {
  try {
    return createRequire(import.meta.url)('../native/index.cjs') as Addon;
  } catch (cause) {
    throw unloadable(cause);
  }
}

/** Why there is no addon: it is not there, or it is and does not load. */
function unloadable(cause: unknown): TiresiasError {
  const { arch, env } = process;
  const here = platform();
  const name = `tiresias.${here}.node`;
  const own = fileURLToPath(new URL(`../native/${name}`, import.meta.url));
  const file = env['NAPI_RS_NATIVE_LIBRARY_PATH'] ?? (existsSync(own) ? own : platformFile(name) ?? own);
  const details = { file, platform: process.platform, arch };
  const hint = platformHint('npm run build:native');
  if (!existsSync(file)) return new TiresiasError('NATIVE_MISSING', `there is no native addon for ${here}: ${file} is missing; ${hint}`, { cause, details });
  const why = causes(cause).find((error) => (error as { code?: unknown }).code === 'ERR_DLOPEN_FAILED') ?? cause;
  return new TiresiasError('NATIVE_CORRUPT', `the native addon ${file} is corrupt or made for another system than ${here}: it does not load (${messageOf(why).split('\n', 1)[0]}); ${hint}`, { cause, details });
}

/** An error and what caused it, and so on. */
function causes(error: unknown): unknown[] {
  const all: unknown[] = [];
  for (let next = error; typeof next === 'object' && next !== null && !all.includes(next); next = (next as { cause?: unknown }).cause) all.push(next);
  return all;
}

/** Objects of native memory: a copy by structured clone would be an empty one. Node 20 has no means to refuse it. */
const uncloneable = (threads as { markAsUncloneable?: (object: object) => void }).markAsUncloneable ?? (() => {});

/** The classes as they are handed out, by name. */
const classes = new Map<string, Class>();
const checks = new Checks((name) => classes.get(name)!);
const prototypes = new Set<object>();

/** A result as it is handed out. */
function handOut<T>(result: T): T {
  if (typeof result !== 'object' || result === null) return result;
  for (let type: unknown = Object.getPrototypeOf(result); type; type = Object.getPrototypeOf(type)) {
    if (prototypes.has(type)) uncloneable(result);
  }
  return result;
}

/** The same function with its arguments checked and its errors, thrown or rejected, made TiresiasErrors. */
function guard(call: AnyFunction, check: (args: unknown[]) => unknown[], self?: (value: unknown) => void): AnyFunction {
  return function (this: unknown, ...args: unknown[]) {
    self?.(this);
    const checked = check(args);
    try {
      const result = call.apply(this, checked);
      return result instanceof Promise ? result.then(handOut, (error: unknown) => Promise.reject(fromNative(error))) : handOut(result);
    } catch (error) {
      throw fromNative(error);
    }
  };
}

const NOTHING = (args: unknown[]) => args;

/**
 * A class that behaves as `original` does, guarded. It shares the prototype, whose methods are guarded in place, so that
 * instances made by native code are covered and are its instances too. Static methods cannot be replaced where they are.
 */
function guardClass(name: string, original: Class, { make, statics, methods }: ClassCalls): Class {
  const { prototype } = original;
  const self = (method: string) => (value: unknown) => {
    if (!(value instanceof Guarded)) invalid(`${name}.${method}: called on ${shown(value)}, which is no ${name}`);
  };
  const construct = checks.of(`new ${name}`, make ?? []);
  const Guarded = function (this: unknown, ...args: unknown[]): object {
    if (new.target === undefined) invalid(`${name}: a class, which is called with new`);
    const checked = make ? construct(args) : args;
    try {
      return handOut(Reflect.construct(original, checked, new.target) as object);
    } catch (error) {
      if (!make && /no `?constructor/.test(messageOf(error))) {
        const ways = Object.keys(statics).map((way) => `${name}.${way}`);
        invalid(`a ${name} is not made with new${ways.length > 0 ? `: see ${ways.join(', ')}` : ''}`);
      }
      throw fromNative(error);
    }
  };
  const guarded = (key: string, property: PropertyDescriptor, taken: ClassCalls['methods'], receiver?: (value: unknown) => void): PropertyDescriptor => {
    if (property.get) return { ...property, get: guard(property.get as AnyFunction, NOTHING, receiver) as () => unknown };
    if (typeof property.value !== 'function') return property;
    return { ...property, value: guard(property.value as AnyFunction, checks.of(`${name}.${key}`, taken[key] ?? []), receiver) };
  };
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (key !== 'constructor' && property.configurable) Object.defineProperty(prototype, key, guarded(key, property, methods, self(key)));
  }
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(original))) {
    if (!['prototype', 'length', 'arguments', 'caller'].includes(key)) Object.defineProperty(Guarded, key, guarded(key, property, statics));
  }
  Guarded.prototype = prototype;
  prototypes.add(prototype);
  const hidden = (value: unknown) => ({ value, writable: true, configurable: true, enumerable: false });
  Object.defineProperty(prototype, 'constructor', hidden(Guarded));
  Object.defineProperty(prototype, 'toJSON', hidden(guard(toJSON as AnyFunction, NOTHING, self('toJSON'))));
  if ('dispose' in prototype && Symbol.dispose) Object.defineProperty(prototype, Symbol.dispose, hidden(prototype.dispose));
  return Guarded as unknown as Class;
}

/** For JSON.stringify: the JSON document of what has one, else what its properties say. */
function toJSON(this: Record<string, unknown>): unknown {
  if (typeof this['toJson'] === 'function') return JSON.parse((this['toJson'] as () => string)());
  const properties = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(this) as object);
  return Object.fromEntries(Object.keys(properties).filter((key) => properties[key]!.get).map((key) => [key, this[key]]));
}

function guarded(addon: Addon): Addon {
  const entries = Object.entries(addon) as [string, unknown][];
  // Classes first, because checks look for them.
  for (const [name, calls] of Object.entries(CLASSES)) classes.set(name, guardClass(name, addon[name as keyof Addon] as unknown as Class, calls));
  const wrapped = entries.map(([name, value]) => {
    if (classes.has(name)) return [name, classes.get(name)] as const;
    return [name, typeof value === 'function' ? guard(value as AnyFunction, checks.of(name, FUNCTIONS[name] ?? [])) : value] as const;
  });
  return Object.fromEntries(wrapped) as unknown as Addon;
}

export const native: Addon = guarded(load());
native.tellCollector();

/** Settings that every asynchronous call of the library takes. */
export interface CallOptions<Progress = never> {
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told now and then how far the call has come. What it throws stops the call, which rejects with that. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Runs a native call under an AbortSignal and with progress: aborting cancels the work itself, not only the wait for it. The call
 * rejects with the signal's reason, or with what `onProgress` threw, once the native side has stopped.
 */
export async function cancellable<T, Progress = never>(
  { signal, onProgress }: CallOptions<Progress>,
  call: (token: import('../native/index.cjs').CancelToken | undefined, report: ((progress: Progress) => void) | undefined) => Promise<T>,
): Promise<T> {
  if (!signal && !onProgress) return call(undefined, undefined);
  signal?.throwIfAborted();
  const token = new native.CancelToken();
  const cancel = () => token.cancel();
  let failure: { error: unknown } | undefined;
  // An exception must not reach the addon, which would make it an uncaught one.
  const report = (progress: Progress) => {
    if (failure) return;
    try {
      onProgress!(progress);
    } catch (error) {
      failure = { error };
      cancel();
    }
  };
  signal?.addEventListener('abort', cancel, { once: true });
  // Whatever the native side made of the cancellation (an error, or what it had so far), the caller sees the reason.
  const stopped = () => {
    signal?.throwIfAborted();
    if (failure) throw failure.error;
  };
  try {
    const result = await call(token, onProgress && report);
    stopped();
    return result;
  } catch (error) {
    stopped();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** Runs a call whose token `stop` cancels without making it reject: it resolves with what it has. */
export async function stoppable<T>(stop: AbortSignal | undefined, token: { stop(): void } | undefined, call: () => Promise<T>): Promise<T> {
  const end = () => token?.stop();
  if (stop?.aborted) end();
  stop?.addEventListener('abort', end, { once: true });
  try {
    return await call();
  } finally {
    stop?.removeEventListener('abort', end);
  }
}
