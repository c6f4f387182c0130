// How many asynchronous calls run at once, and how many wait.
import { checkOptions, invalid } from './check.js';
import { native } from './native.js';

/** Settings of the whole process. */
export interface Settings {
  /**
   * Asynchronous calls that run at once (1 to 1024): the width of the queue. By default one a core and at least four, or what the
   * environment variable `TIRESIAS_WORKERS` says. How many threads one call uses is its own option `threads`.
   */
  workers?: number | undefined;
}

/** How busy the queue of asynchronous calls is, over all worker threads of the process. */
export interface Jobs {
  /** Calls that run at once, at most. */
  workers: number;
  /** Calls that run now. */
  running: number;
  /** Calls that wait for a worker. */
  queued: number;
  /** Calls that have ended since the process began, aborted ones included. */
  done: number;
}

/**
 * Changes settings of the whole process. Asynchronous calls run on threads of their own, not on Node's pool, so that files and names
 * never wait for a solve; on Linux these threads also stand back (`nice` 19, or what `TIRESIAS_NICE` says, 0 to 19) behind the event loop,
 * which answers though every core computes, and get what other busy processes leave; what exceeds `workers` waits its turn, and is gone at once when it is aborted.
 */
export function configure(settings: Settings): void {
  checkOptions('configure', settings, { workers: 'number' });
  if (settings.workers === undefined) invalid('configure: nothing to set: give workers');
  native.setWorkers(settings.workers);
}

/** How busy the queue of asynchronous calls is. */
export function jobs(): Jobs {
  return native.jobCounts();
}
