// A program under bash's stopwatch. Needs bash and coreutils (`timeout`, `stdbuf`).
import { spawnSync } from 'node:child_process';

/**
 * Runs a program for at most `patience` seconds; one that does not stop by itself is interrupted, so that it still prints what it has.
 * With `processorLimit` it ends when it has had so many seconds of a processor, however busy the machine.
 */
export function timed(binary, args, patience, cwd, processorLimit) {
  const limit = ['stdbuf', '-oL', 'timeout', '--signal=INT', '--kill-after=5', `${patience}`, binary, ...args];
  const quoted = limit.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const script = `${processorLimit ? `ulimit -t ${Math.ceil(processorLimit)}; ` : ''}TIMEFORMAT='processor seconds: %U %S'; time ${quoted} 2>&1`;
  const start = performance.now();
  const run = spawnSync('bash', ['-c', script], { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  const wall = (performance.now() - start) / 1000;
  const [, user, system] = (run.stderr ?? '').match(/processor seconds: (\S+) (\S+)/) ?? [];
  return { text: run.stdout ?? '', error: run.error, wall, processorSeconds: user === undefined ? undefined : Number(user) + Number(system) };
}
