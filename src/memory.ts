// Peak memory of this process and the ones it started, by sampling; where there is no /proc only this process counts.
import { readFileSync } from 'node:fs';

const watched = new Set<number>();
const PERIOD_MS = 200;

/** Counts a child process until it ends. */
export function watchMemory(pid: number, exit: Promise<unknown>): void {
  watched.add(pid);
  const stop = () => void watched.delete(pid);
  exit.then(stop, stop);
}

function residentBytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return kilobytes ? Number(kilobytes[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

function sample(): number {
  return [...watched].reduce((sum, pid) => sum + residentBytes(pid), process.memoryUsage.rss());
}

/** Starts measuring; the returned function stops and gives the peak in bytes. */
export function measurePeakMemory(): () => number {
  let peak = sample();
  const timer = setInterval(() => (peak = Math.max(peak, sample())), PERIOD_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    return Math.max(peak, sample());
  };
}
