// Sessions in a file, by SQLite: written ahead and synced before a change is acknowledged, shared by the processes of one machine.
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type Sqlite from 'better-sqlite3';
import { TiresiasError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { betterSqlite3 } from '../../lazy.js';
import { storeDown } from './index.js';
import type { ListedSession, SessionStore, StoredSession } from './store.js';

/** For so long another process may hold the lock; the event loop waits with us. */
const BUSY_MS = 2000;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, policy TEXT NOT NULL, version INTEGER NOT NULL, changed INTEGER NOT NULL, data TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS checks (id INTEGER PRIMARY KEY CHECK (id = 0), at INTEGER NOT NULL) STRICT;
`;

interface Row {
  id: string;
  policy: string;
  version: number;
  changed: number;
  data: string;
}

interface Pending {
  run: () => boolean;
  resolve: (written: boolean) => void;
  reject: (error: unknown) => void;
}

/** A store in the file of a SQLite database (better-sqlite3), which is made where there is none. */
export class SqliteStore implements SessionStore {
  readonly name: string;
  readonly #file: string;
  readonly #inode: number;
  readonly #database: Sqlite.Database;
  readonly #read: Sqlite.Statement<[string], Row>;
  readonly #insert: Sqlite.Statement<[string, string, number, number, string]>;
  readonly #update: Sqlite.Statement<[number, number, string, string, number]>;
  readonly #remove: Sqlite.Statement<[string]>;
  readonly #list: Sqlite.Statement<[string, number], Omit<Row, 'data'>>;
  readonly #count: Sqlite.Statement<[], { n: number }>;
  readonly #touch: Sqlite.Statement<[number]>;
  #pending: Pending[] = [];

  /** Opens the file, and makes its folder. Throws STORE_DOWN, and SOMETHING_MISSING without better-sqlite3. */
  static async open(file: string): Promise<SqliteStore> {
    const name = `sqlite:${file}`;
    try {
      await makeFolder(dirname(resolve(file)));
      return new SqliteStore(name, resolve(file));
    } catch (error) {
      throw error instanceof TiresiasError ? error : storeDown(name, error);
    }
  }

  private constructor(name: string, file: string) {
    this.#file = file;
    this.name = name;
    this.#database = new (betterSqlite3())(this.#file, { timeout: BUSY_MS });
    this.#database.pragma('journal_mode = WAL');
    // Every commit is on the disk before it is acknowledged: NORMAL would lose the last ones to a power cut.
    this.#database.pragma('synchronous = FULL');
    this.#database.exec(SCHEMA);
    this.#inode = statSync(this.#file).ino;
    this.#read = this.#database.prepare('SELECT * FROM sessions WHERE id = ?');
    this.#insert = this.#database.prepare('INSERT INTO sessions (id, policy, version, changed, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
    this.#update = this.#database.prepare('UPDATE sessions SET version = ?, changed = ?, data = ? WHERE id = ? AND version = ?');
    this.#remove = this.#database.prepare('DELETE FROM sessions WHERE id = ?');
    this.#list = this.#database.prepare('SELECT id, policy, version, changed FROM sessions WHERE id > ? ORDER BY id LIMIT ?');
    this.#count = this.#database.prepare('SELECT count(*) AS n FROM sessions');
    this.#touch = this.#database.prepare('INSERT INTO checks (id, at) VALUES (0, ?) ON CONFLICT DO UPDATE SET at = excluded.at');
  }

  async read(id: string): Promise<StoredSession | undefined> {
    return this.#guard(() => {
      const row = this.#read.get(id);
      return row && { policy: row.policy, version: row.version, changed: row.changed, ...(JSON.parse(row.data) as Pick<StoredSession, 'variant' | 'state' | 'answers'>) };
    });
  }

  async write(id: string, { policy, variant, version, changed, state, answers }: StoredSession, expected: number): Promise<boolean> {
    const data = JSON.stringify({ variant, state, answers });
    return this.#commit(() => (expected === 0 ? this.#insert.run(id, policy, version, changed, data) : this.#update.run(version, changed, data, id, expected)).changes === 1);
  }

  async remove(id: string): Promise<boolean> {
    return this.#commit(() => this.#remove.run(id).changes === 1);
  }

  async list({ after = '', limit }: { after?: string | undefined; limit: number }): Promise<ListedSession[]> {
    return this.#guard(() => this.#list.all(after, limit));
  }

  async count(): Promise<number> {
    return this.#guard(() => this.#count.get()!.n);
  }

  /** Writes, since a disk that is full can still be read. */
  async check(): Promise<void> {
    await this.#commit(() => this.#touch.run(Date.now()).changes === 1);
  }

  async close(): Promise<void> {
    this.#flush();
    this.#database.close();
  }

  /** Runs a change in a transaction with all others of this turn of the event loop: they share one sync. */
  #commit(run: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ run, resolve, reject });
      if (this.#pending.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length === 0) return;
    try {
      // A file that was removed or replaced takes writes that nobody will ever read.
      if (statSync(this.#file).ino !== this.#inode) throw new Error('its file was replaced by another; start the server again');
      const results = this.#database.transaction(() => pending.map(({ run }) => run())).immediate();
      pending.forEach(({ resolve }, i) => resolve(results[i]!));
    } catch (error) {
      for (const { reject } of pending) reject(storeDown(this.name, error));
    }
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeDown(this.name, error);
    }
  }
}
