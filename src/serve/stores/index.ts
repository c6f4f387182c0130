// The stores by what a command line calls them.
import { TiresiasError } from '../../errors.js';
import { MemoryStore } from './memory.js';
import type { SessionStore } from './store.js';

/** Opens a store: `memory`, `sqlite:FILE` or `redis://HOST:PORT/DATABASE` (`rediss:` over TLS). Throws USAGE and STORE_DOWN. */
export async function openStore(where: string): Promise<SessionStore> {
  if (where === 'memory') return new MemoryStore();
  if (/^sqlite:./.test(where)) return (await import('./sqlite.js')).SqliteStore.open(where.slice('sqlite:'.length));
  if (/^rediss?:\/\//.test(where)) return (await import('./redis.js')).RedisStore.open(where);
  throw new TiresiasError('USAGE', `store ${JSON.stringify(where)}: expected memory, sqlite:FILE or redis://HOST:PORT`);
}

/** What a store throws when it cannot be used. */
export function storeDown(name: string, cause: unknown): TiresiasError {
  return new TiresiasError('STORE_DOWN', `the store ${name} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}; what was acknowledged is in it, so repeat the request when it is back`, { cause, details: { store: name } });
}
