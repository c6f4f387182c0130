// Other processes: whether one lives, and small commands run to their end, or to their death when the caller gives up.
import { spawn } from 'node:child_process';

/** Whether a process of this machine exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export interface Finished {
  /** Exit code, or null when a signal ended the process. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a command without a shell and without standard input. Rejects with the spawn error, or the signal's reason. */
export async function runCommand(command: string, args: readonly string[], signal?: AbortSignal): Promise<Finished> {
  signal?.throwIfAborted();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  try {
    const finished = await new Promise<Finished>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, how) => resolve({ code, signal: how, stdout, stderr }));
    });
    signal?.throwIfAborted();
    return finished;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
