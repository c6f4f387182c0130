// How a run makes a stage: in its store, under the name that the run has for it, with a link in the run's folder.
import { join } from 'node:path';
import { runStage, type How, type Stage, type StageOutcome } from '../stages/stage.js';
import { leadTo, type Named, type Store } from '../store.js';

/** What a run has for all its stages. */
export interface Context {
  /** The run's folder. */
  folder: string;
  store: Store;
  threads: number;
  /** Told what the run is about to make, or to take over, before it does. */
  name(one: Named): Promise<void>;
  /** How the stage of some name is made. */
  how(name: string): How;
}

/** What a stage of a run came to, by its name. */
export interface Made<T> extends StageOutcome<T> {
  name: string;
}

/** Makes a stage, unless the store has it; `link`, within the run's folder, then leads to what it left. */
export async function make<T>(context: Context, name: string, link: string | undefined, stageOf: (how: How) => Stage<T>): Promise<Made<T>> {
  const how = context.how(name);
  how.signal?.throwIfAborted();
  const told = (done: number, detail: string) => how.onProgress?.({ done, total: 1, detail });
  const outcome = await runStage(context.store, stageOf(how), {
    signal: how.signal,
    onEntry: (entry) => context.name({ name, ...entry }),
    onWait: () => told(0, 'another run is making it'),
  });
  if (link !== undefined) await leadTo(join(context.folder, link), outcome.folder);
  told(1, outcome.skipped ? 'already done' : `done in ${outcome.seconds.toFixed(1)} s`);
  return { ...outcome, name };
}
