// Results by content: what a stage makes lies under the hash of what made it, and runs, as many as like, name it. In the store's folder:
//   <kind>/<key>/        what the stage left
//   <kind>/<key>.json    its stamp
//   rows/                rows of evaluations, by the hash of what made them
//   runs/                the runs that use the store, so that pruning knows what is named
import { link, lstat, readdir, realpath, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TiresiasError } from './errors.js';
import { io, makeFolder, readJsonIfWhole, sha256, sweep, temporaryName, writeJson } from './files.js';
import { canonicalJson } from './json.js';
import { takeLock } from './lock.js';

/** The kinds of things that stages make. */
export const KINDS = ['base', 'dataset', 'train', 'evaluate', 'off-policy'] as const;
/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/** A thing in the store. */
export interface Entry {
  /** What kind of stage made it. */
  kind: Kind;
  /** 32 hexadecimal digits of the SHA-256 of all that made it. */
  key: string;
}

/** What a run names: a thing, by the name that the run has for it. */
export interface Named extends Entry {
  /** The stage's in the run. */
  name: string;
}

/** A thing in the store, and what is known of it. */
export interface Listed extends Entry {
  /** What it takes on the disk, its stamp included. */
  bytes: number;
  /** Whether it is finished. */
  done: boolean;
  /** When its stamp was written, in ISO 8601. */
  changed: string;
  /** The folders of the runs that name it. */
  runs: string[];
}

/** How {@link Store.prune} goes about it. */
export interface PruneOptions {
  /** Only says what would go. */
  dryRun?: boolean | undefined;
}

/** How often somebody who waits for another's work looks again, in milliseconds. */
const PATIENCE = 250;

/** Of all that decides a result. */
export const keyOf = (madeFrom: unknown): string => sha256(canonicalJson(madeFrom)).slice(0, 32);

/** Where results lie by content. */
export class Store {
  /** Absolute. */
  readonly folder: string;

  /** The store in a folder, which need not be there yet. */
  constructor(folder: string) {
    this.folder = resolve(folder);
  }

  /** The store of a run in `run`: TIRESIAS_STORE, or the folder `store` beside the run's. */
  static of(run: string): Store {
    return new Store(process.env['TIRESIAS_STORE'] ?? join(dirname(resolve(run)), 'store'));
  }

  /** The folder of a thing. */
  place({ kind, key }: Entry): string {
    return join(this.folder, kind, key);
  }

  /** The file of its stamp. */
  stampPath(entry: Entry): string {
    return `${this.place(entry)}.json`;
  }

  /** Rows of one method by the hash of what made them. */
  rowsPath(madeFrom: unknown): string {
    return join(this.folder, 'rows', `${keyOf(madeFrom)}.jsonl`);
  }

  /** Takes a thing for oneself; waits while another process is making it. The returned function gives it back. */
  async hold(entry: Entry, signal?: AbortSignal, onWait: () => void = () => {}): Promise<() => Promise<void>> {
    const place = this.place(entry);
    await io(`make ${dirname(place)}`, () => makeFolder(dirname(place)));
    // Ends: with the other's work, its process, or the signal.
    for (;;) {
      try {
        return await takeLock(`${place}.lock`);
      } catch (error) {
        if (!(error instanceof TiresiasError) || error.code !== 'RUN_LOCKED') throw error;
        onWait();
        await sleep(PATIENCE, undefined, { signal });
      }
    }
  }

  /** Says that the run in `run` names these things, and no others; what it named before may be pruned from then on. */
  async name(run: string, named: readonly Named[]): Promise<void> {
    await writeJson(join(run, 'stages.json'), named);
    await writeJson(join(this.folder, 'runs', `${keyOf(resolve(run))}.json`), { folder: resolve(run) });
  }

  /** What the run in `run` names; nothing where there is none. */
  async namedBy(run: string): Promise<Named[]> {
    const named = await readJsonIfWhole(join(run, 'stages.json'));
    return Array.isArray(named) ? (named as Named[]).filter((one) => KINDS.includes(one?.kind) && /^[0-9a-f]{32}$/.test(one?.key)) : [];
  }

  /** All that is there, largest first. */
  async list(): Promise<Listed[]> {
    const users = new Map<string, string[]>();
    for (const file of await names(join(this.folder, 'runs'))) {
      const run = ((await readJsonIfWhole(join(this.folder, 'runs', file))) as { folder?: unknown } | undefined)?.folder;
      if (typeof run !== 'string') continue;
      for (const entry of await this.namedBy(run)) users.set(this.place(entry), [...(users.get(this.place(entry)) ?? []), run]);
    }
    const listed: Listed[] = [];
    for (const kind of KINDS) {
      // A folder without a stamp is what pruning left that was killed.
      const keys = (await names(join(this.folder, kind))).flatMap((name) => /^([0-9a-f]{32})(\.json)?$/.exec(name)?.[1] ?? []);
      for (const key of new Set(keys)) {
        const entry = { kind, key };
        const stamp = (await readJsonIfWhole(this.stampPath(entry))) as { done?: unknown } | undefined;
        const { mtime, size } = await stat(this.stampPath(entry)).catch(() => ({ mtime: new Date(0), size: 0 }));
        listed.push({ ...entry, bytes: size + (await bytesOf(this.place(entry))), done: stamp?.done === true, changed: mtime.toISOString(), runs: [...new Set(users.get(this.place(entry)))] });
      }
    }
    return listed.sort((a, b) => b.bytes - a.bytes);
  }

  /** Removes what no run names, but for what somebody is at work on; returns what went, or what would go. */
  async prune({ dryRun = false }: PruneOptions = {}): Promise<Listed[]> {
    const gone: Listed[] = [];
    for (const entry of (await this.list()).filter(({ runs }) => runs.length === 0)) {
      const release = await takeLock(`${this.place(entry)}.lock`).catch((error: unknown) => {
        if (error instanceof TiresiasError && error.code === 'RUN_LOCKED') return undefined;
        throw error;
      });
      if (!release) continue;
      try {
        if (!dryRun) {
          // The stamp first: what has none is nothing.
          await io(`remove ${this.stampPath(entry)}`, () => rm(this.stampPath(entry), { force: true }));
          await io(`remove ${this.place(entry)}`, () => rm(this.place(entry), { recursive: true, force: true }));
        }
        gone.push(entry);
      } finally {
        await release();
      }
    }
    if (!dryRun) await this.#pruneRows();
    return gone;
  }

  /** Rows are hard links: those of which no evaluation has the other end are nobody's. */
  async #pruneRows(): Promise<void> {
    const folder = join(this.folder, 'rows');
    for (const name of await names(folder)) {
      const path = join(folder, name);
      const there = await stat(path).catch(() => undefined);
      if (there?.isFile() && there.nlink === 1) await io(`remove ${path}`, () => rm(path, { force: true }));
    }
  }
}

/** Makes `path`, in a run's folder, lead to `target` in the store. Throws RUN_FOLDER where something of another kind lies there. */
export async function leadTo(path: string, target: string): Promise<void> {
  await io(`link ${path}`, async () => {
    await makeFolder(dirname(path));
    const there = await lstat(path).catch(() => undefined);
    if (there && !there.isSymbolicLink()) {
      throw new TiresiasError('RUN_FOLDER', `${path} is no link into the store, as runs of this version have; choose another folder for the run, or move it away`, { details: { path } });
    }
    // Relative, so that a folder of runs and their store can be moved; a junction, where links need rights, can only be absolute.
    const to = process.platform === 'win32' ? target : relative(await realpath(dirname(path)), await realpath(target));
    if (there && (await readlink(path)) === to) return;
    await sweep(path);
    const temporary = temporaryName(path);
    await symlink(to, temporary, 'junction');
    await rename(temporary, path);
  });
}

/** Makes `to` another name of the file `from`, in place of what lies there. */
export async function linkFile(from: string, to: string): Promise<void> {
  await io(`link ${to}`, async () => {
    await makeFolder(dirname(to));
    await sweep(to);
    const temporary = temporaryName(to);
    await link(from, temporary);
    await rename(temporary, to);
  });
}

const names = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function bytesOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)).then(({ size }) => size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
