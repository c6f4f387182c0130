// Sessions in this process's memory: gone with it.
import type { ListedSession, SessionStore, StoredSession } from './store.js';

/** For trials, and for sessions that nobody misses. */
export class MemoryStore implements SessionStore {
  readonly name = 'memory';
  readonly #sessions = new Map<string, StoredSession>();

  async read(id: string): Promise<StoredSession | undefined> {
    return this.#sessions.get(id);
  }

  async write(id: string, session: StoredSession, expected: number): Promise<boolean> {
    if ((this.#sessions.get(id)?.version ?? 0) !== expected) return false;
    this.#sessions.set(id, session);
    return true;
  }

  async remove(id: string): Promise<boolean> {
    return this.#sessions.delete(id);
  }

  async list({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<ListedSession[]> {
    const ids = [...this.#sessions.keys()].filter((id) => id > after).sort().slice(0, limit);
    return ids.map((id) => {
      const { policy, version, changed } = this.#sessions.get(id)!;
      return { id, policy, version, changed };
    });
  }

  async count(): Promise<number> {
    return this.#sessions.size;
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {
    this.#sessions.clear();
  }
}
