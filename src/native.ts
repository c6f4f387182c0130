// The only module that touches the addon. Everything it exports throws TiresiasError and nothing of napi's own.
import { createRequire } from 'node:module';
import { TiresiasError, fromNative, messageOf } from './errors.js';

type Addon = typeof import('../native/index.cjs');
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

function load(): Addon {
  try {
    return createRequire(import.meta.url)('../native/index.cjs') as Addon;
  } catch (cause) {
    throw new TiresiasError('NATIVE_MISSING', `the native addon could not be loaded; run \`npm run build:native\` (${firstLine(cause)})`, { cause });
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!;
}

/** The same function with its errors, thrown or rejected, made TiresiasErrors. */
function guard(call: AnyFunction): AnyFunction {
  return function (this: unknown, ...args: unknown[]) {
    try {
      const result = call.apply(this, args);
      return result instanceof Promise ? result.catch((error: unknown) => Promise.reject(fromNative(error))) : result;
    } catch (error) {
      throw fromNative(error);
    }
  };
}

/** A property with its function, getter or value guarded. */
function guardProperty(property: PropertyDescriptor): PropertyDescriptor {
  if (property.get) return { ...property, get: guard(property.get as AnyFunction) as () => unknown };
  return typeof property.value === 'function' ? { ...property, value: guard(property.value as AnyFunction) } : property;
}

type Class = NewableFunction & { prototype: object };

/**
 * A class that behaves as `original` does, guarded. It shares the prototype, whose methods are guarded in place, so that
 * instances made by native code are covered and are its instances too. Static methods cannot be replaced where they are.
 */
function guardClass(original: Class): unknown {
  const { prototype } = original;
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (key !== 'constructor' && property.configurable) Object.defineProperty(prototype, key, guardProperty(property));
  }
  const Guarded = guard(function (...args) {
    return Reflect.construct(original, args) as object;
  });
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(original))) {
    if (!['prototype', 'length', 'arguments', 'caller'].includes(key)) Object.defineProperty(Guarded, key, guardProperty(property));
  }
  Guarded.prototype = prototype;
  return Guarded;
}

function guarded(addon: Addon): Addon {
  const isClass = (value: unknown): value is Class =>
    typeof value === 'function' && Object.getOwnPropertyNames(value.prototype ?? {}).length > 1;
  const entries = Object.entries(addon).map(([name, value]: [string, unknown]) => {
    if (isClass(value)) return [name, guardClass(value)] as const;
    return [name, typeof value === 'function' ? guard(value as AnyFunction) : value] as const;
  });
  return Object.fromEntries(entries) as Addon;
}

export const native: Addon = guarded(load());

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
export async function stoppable<T>(stop: AbortSignal | undefined, token: { cancel(): void } | undefined, call: () => Promise<T>): Promise<T> {
  const cancel = () => token?.cancel();
  if (stop?.aborted) cancel();
  stop?.addEventListener('abort', cancel, { once: true });
  try {
    return await call();
  } finally {
    stop?.removeEventListener('abort', cancel);
  }
}
