import { Command } from 'commander';
import { join } from 'node:path';
import type { Listed } from '../store.js';
import { invoke, newCommand, type CommonOptions } from './common.js';

interface StoreOptions extends CommonOptions {
  store?: string;
}

interface PruneCommandOptions extends StoreOptions {
  dryRun?: boolean;
}

/** The store that is named, or that of runs under `runs`. */
async function chosenStore({ store }: StoreOptions) {
  const { Store } = await import('../store.js');
  return store === undefined ? Store.of(join('runs', 'any')) : new Store(store);
}

const withStore = (command: Command): Command => command.option('--store <folder>', 'TIRESIAS_STORE, or runs/store, when absent');

/** Bytes for people. */
const size = (bytes: number): string => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`);

function lines(listed: readonly Listed[], after: string): string {
  const rows = listed.map(({ kind, key, bytes, done, changed, runs }) => `${kind.padEnd(8)} ${key}  ${size(bytes).padStart(9)}  ${done ? '' : 'unfinished, '}${changed.slice(0, 10)}  ${runs.join(', ') || 'no run'}`);
  return [...rows, `${size(listed.reduce((sum, { bytes }) => sum + bytes, 0))} in ${listed.length} ${after}`].join('\n');
}

/** What the store has, and room in it. */
export function storeCommand(): Command {
  const list = withStore(newCommand('list', 'show what stages of runs left, by content, and which runs name it', ['tiresias store list'], [])).action((options: StoreOptions) =>
    invoke({ ...options, resumes: false }, async ({ print }) => {
      const store = await chosenStore(options);
      const listed = await store.list();
      print({ store: store.folder, entries: listed }, lines(listed, `things in ${store.folder}`));
    }),
  );
  const prune = withStore(newCommand('prune', 'remove what no run names; what a run whose folder is there names always stays', ['tiresias store prune --dry-run', 'tiresias store prune'], []))
    .option('--dry-run', 'only say what would go')
    .action((options: PruneCommandOptions) =>
      invoke({ ...options, resumes: false }, async ({ print }) => {
        const store = await chosenStore(options);
        const dryRun = options.dryRun === true;
        const gone = await store.prune({ dryRun });
        print({ store: store.folder, dryRun, entries: gone }, lines(gone, dryRun ? 'things would be removed' : 'things removed'));
      }),
    );
  return new Command('store').description('show and free what runs have made').addHelpText('after', '\nExample:\n  $ tiresias store list').addCommand(list).addCommand(prune);
}
