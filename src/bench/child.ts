// One run of a program: on cores of its own, until it ends, its patience does, or somebody stops it. Nothing of it is left when this returns.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What is run, and for how long. */
export interface ChildRequest {
  command: readonly string[];
  cwd: string;
  /** In seconds; then it is interrupted, and shortly after killed. */
  patience: number;
  signal?: AbortSignal | undefined;
  /** Every line that it prints, on either stream, and seconds since it was started. */
  onLine(line: string, seconds: number): void;
}

/** How a run ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** It was interrupted because its patience had ended. */
  overran: boolean;
  /** It could not even be started, in words. */
  unstarted?: string | undefined;
  wallSeconds: number;
  /** Of the process, as last seen while it ran; unknown where it was too short to be seen, and but on Linux. */
  processorSeconds?: number | undefined;
  /** The most memory that it had, likewise. */
  peakBytes?: number | undefined;
  /** The last lines that it printed. */
  tail: string[];
}

/** Milliseconds between looks at what a process has taken. */
const LOOK = 50;
/** Milliseconds from being interrupted to being killed. */
const GRACE = 5000;
const TAIL = 20;
/** Characters of a line that are looked at. */
const LONGEST = 1 << 16;
/** Of the clock that Linux counts processors' time in. */
const TICKS = 100;

/** Runs a program to its end. Rejects with the reason of `signal` once that has come and the program is gone. */
export async function runChild({ command: [program, ...args], cwd, patience, signal, onLine }: ChildRequest): Promise<Ended> {
  signal?.throwIfAborted();
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  // A group of its own: what it starts ends with it, and Ctrl-C reaches it through us alone.
  const child = spawn(program!, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (how: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how);
    } catch {
      // It is gone.
    }
  };
  const stop = () => kill('SIGKILL');
  let overran = false;
  const late = setTimeout(() => {
    overran = true;
    kill('SIGINT');
    timers.push(setTimeout(stop, GRACE));
  }, 1000 * patience);
  let taken: Pick<Ended, 'processorSeconds' | 'peakBytes'> = {};
  const look = setInterval(() => (taken = takenBy(child.pid) ?? taken), LOOK);
  const timers = [late, look];
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    const line = (text: string) => {
      if (text.trim() === '') return;
      tail.push(text.slice(0, 500));
      if (tail.length > TAIL) tail.shift();
      onLine(text, seconds());
    };
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split(/\r\n|[\r\n]/);
      rest = lines.pop()!.slice(0, LONGEST);
      lines.forEach((one) => line(one.slice(0, LONGEST)));
    }).on('end', () => line(rest));
  }
  signal?.addEventListener('abort', stop, { once: true });
  // What it started and left behind would hold its output open.
  child.once('exit', stop);
  let wallSeconds = 0;
  child.once('exit', () => (wallSeconds = seconds()));
  try {
    const ended = await new Promise<Pick<Ended, 'code' | 'signal' | 'unstarted'>>((resolve) => {
      child.once('error', ({ message }) => resolve({ code: null, signal: null, unstarted: message }));
      child.once('close', (code, how) => resolve({ code, signal: how }));
    });
    signal?.throwIfAborted();
    return { ...ended, overran, wallSeconds, ...taken, tail };
  } finally {
    signal?.removeEventListener('abort', stop);
    for (const timer of timers) clearTimeout(timer);
  }
}

/** What a process and those that it waited for have taken so far. */
function takenBy(pid: number | undefined): Pick<Ended, 'processorSeconds' | 'peakBytes'> | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field may hold spaces: count from its closing bracket. Fields 14 to 17 are the process's own time and that of its children.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const peak = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { processorSeconds: ticks / TICKS, ...(peak !== undefined && { peakBytes: 1024 * Number(peak) }) };
  } catch {
    return undefined;
  }
}
