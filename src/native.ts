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

/** Guards the methods and accessors of a class in place, so that instances made by native code are covered too. */
function guardMembers(holder: object): void {
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
    if (key === 'constructor' || key === 'prototype' || !property.configurable) continue;
    if (property.get) Object.defineProperty(holder, key, { ...property, get: guard(property.get as AnyFunction) as () => unknown });
    else if (typeof property.value === 'function') Object.defineProperty(holder, key, { ...property, value: guard(property.value as AnyFunction) });
  }
}

/** A class whose constructor is guarded too; `instanceof` holds for instances made by native code. */
function guardClass(original: NewableFunction & { prototype: object }): unknown {
  guardMembers(original);
  guardMembers(original.prototype);
  return new Proxy(original, {
    construct(target, args, newTarget) {
      try {
        return Reflect.construct(target, args, newTarget) as object;
      } catch (error) {
        throw fromNative(error);
      }
    },
  });
}

function guarded(addon: Addon): Addon {
  const isClass = (value: unknown): value is NewableFunction & { prototype: object } =>
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
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * Runs a native call under an AbortSignal: aborting cancels the work itself, not only the wait for it. The call rejects
 * with the signal's reason once the native side has stopped.
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  call: (token: import('../native/index.cjs').CancelToken | undefined) => Promise<T>,
): Promise<T> {
  if (!signal) return call(undefined);
  signal.throwIfAborted();
  const token = new native.CancelToken();
  const cancel = () => token.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await call(token);
  } finally {
    signal.removeEventListener('abort', cancel);
    // Whatever the native side made of the cancellation (an error, or what it had so far), the caller sees the reason.
    signal.throwIfAborted();
  }
}
