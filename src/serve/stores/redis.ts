// Sessions in Redis, shared by the servers of many machines. How durable an acknowledged change is, is Redis' own setting (`appendfsync`).
import type { Redis as Client } from 'ioredis';
import { ioredis } from '../../lazy.js';
import { storeDown } from './index.js';
import type { ListedSession, SessionStore, StoredSession } from './store.js';

/** What keys begin with. The braces keep them in one slot of a cluster, as scripts want it. */
const PREFIX = '{tiresias}:session:';
/** All ids, in their order: equal scores are sorted by name. */
const IDS = '{tiresias}:sessions';
/** So long a command may take. */
const COMMAND_MS = 2000;

// Redis runs a script alone, so that nobody writes between the comparison and the setting.
const WRITE = `
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'policy', ARGV[3], 'changed', ARGV[4], 'data', ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[6])
return 1`;
const REMOVE = `
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])`;

/** A store in a Redis database (ioredis). */
export class RedisStore implements SessionStore {
  readonly name: string;
  readonly #client: Client;

  private constructor(name: string, client: Client) {
    this.name = name;
    this.#client = client;
  }

  /** Connects. Throws STORE_DOWN, and SOMETHING_MISSING without ioredis. */
  static async open(url: string): Promise<RedisStore> {
    const { Redis } = ioredis();
    // Without the password: the text is logged.
    const name = url.replace(/\/\/[^@/]*@/, '//');
    // A command that cannot be sent now fails now; whoever asked tries again, and readiness says no meanwhile.
    const client = new Redis(url, { lazyConnect: true, enableOfflineQueue: false, maxRetriesPerRequest: 0, connectTimeout: COMMAND_MS, commandTimeout: COMMAND_MS, retryStrategy: (times) => Math.min(100 * times, 2000) });
    client.on('error', () => {
      // Said by the command that fails.
    });
    try {
      await client.connect();
    } catch (error) {
      client.disconnect();
      throw storeDown(name, error);
    }
    return new RedisStore(name, client);
  }

  async read(id: string): Promise<StoredSession | undefined> {
    const { version, policy, changed, data } = await this.#guard(() => this.#client.hgetall(PREFIX + id));
    if (version === undefined) return undefined;
    return { policy: policy!, version: Number(version), changed: Number(changed), ...(JSON.parse(data!) as Pick<StoredSession, 'variant' | 'state' | 'answers'>) };
  }

  async write(id: string, { policy, variant, version, changed, state, answers }: StoredSession, expected: number): Promise<boolean> {
    const data = JSON.stringify({ variant, state, answers });
    return (await this.#guard(() => this.#client.eval(WRITE, 2, PREFIX + id, IDS, String(expected), String(version), policy, String(changed), data, id))) === 1;
  }

  async remove(id: string): Promise<boolean> {
    return (await this.#guard(() => this.#client.eval(REMOVE, 2, PREFIX + id, IDS, id))) === 1;
  }

  async list({ after, limit }: { after?: string | undefined; limit: number }): Promise<ListedSession[]> {
    const ids = await this.#guard(() => this.#client.zrangebylex(IDS, after === undefined ? '-' : `(${after}`, '+', 'LIMIT', 0, limit));
    const rows = await Promise.all(ids.map((id) => this.#guard(() => this.#client.hmget(PREFIX + id, 'policy', 'version', 'changed'))));
    return rows.flatMap(([policy, version, changed], i) => (typeof policy === 'string' ? [{ id: ids[i]!, policy, version: Number(version), changed: Number(changed) }] : []));
  }

  async count(): Promise<number> {
    return this.#guard(() => this.#client.zcard(IDS));
  }

  async check(): Promise<void> {
    await this.#guard(() => this.#client.ping());
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeDown(this.name, error);
    }
  }
}
