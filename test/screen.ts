// A command on a terminal of so many columns, made by script(1), and what then stands on its screen.
import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { cli } from './support.js';

const ESCAPE = String.fromCodePoint(27);
/** A control sequence, or any other character. */
const CONTROLS = new RegExp(`${ESCAPE}\\[([?\\d;]*[A-Za-z])|[\\s\\S]`, 'g');

/** What a terminal of so many columns shows after this was written: carriage returns, erased lines, moves to a column; lines that are too long go on in the next. */
export function shownOn(columns: number, written: string): string {
  const lines: string[][] = [[]];
  let at = 0;
  let wraps = true;
  for (const [part, control] of written.matchAll(CONTROLS)) {
    const line = lines.at(-1)!;
    if (control === '?7l' || control === '?7h') wraps = control === '?7h';
    else if (/^\d*K$/.test(control ?? '')) {
      const kind = control!.slice(0, -1) || '0';
      if (kind === '2') line.length = 0;
      else if (kind === '0') line.length = Math.min(line.length, at);
    } else if (/^\d*G$/.test(control ?? '')) at = Number(control!.slice(0, -1) || 1) - 1;
    else if (control !== undefined) continue;
    else if (part === '\r') at = 0;
    else if (part === '\n') {
      lines.push([]);
      at = 0;
    } else {
      if (at >= columns) {
        if (!wraps) continue;
        lines.push([]);
        at = 0;
      }
      const on = lines.at(-1)!;
      while (on.length < at) on.push(' ');
      on[at++] = part;
    }
  }
  return lines.map((line) => line.join('').trimEnd()).join('\n').trimEnd();
}

/** What is done while a command runs. */
export interface Typing {
  /** Typed, once `when` has been written. */
  keys: string;
  when: RegExp;
}

/** Runs `tiresias` on a terminal; gives all that it wrote there. */
export function onTerminal(columns: number, args: readonly string[], { typing, cwd }: { typing?: Typing; cwd?: string } = {}): Promise<string> {
  const quoted = [process.execPath, cli, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 40; exec ${quoted}`, '/dev/null'], { cwd, stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, TERM: 'xterm' } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let written = '';
  let typed = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
    if (!typing || typed || !typing.when.test(written)) return;
    typed = true;
    child.stdin.write(typing.keys);
  });
  return new Promise((resolve, reject) => child.on('error', reject).on('close', () => resolve(written)));
}
