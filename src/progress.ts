// Showing progress: bars on a terminal, a line now and then elsewhere. Always on standard error.
import cliProgress from 'cli-progress';

/** How far a stage has come. `done` equal to `total` means that it is finished. */
export interface ProgressEvent {
  /** The stage of a run, or the command. */
  stage: string;
  /** How much is done. */
  done: number;
  /** How much there is in all. */
  total: number;
  /** What is being done, in a few words. */
  detail: string;
}

export interface ProgressView {
  show(event: ProgressEvent): void;
  /** Says something on a line of its own, without a bar in it. */
  note(text: string): void;
  /** Leaves the screen as it should stay: what is finished stays, what is not goes. */
  close(): void;
}

export function silentProgress(stream: Terminal = process.stderr): ProgressView {
  return { show: () => {}, note: (text) => void stream.write(`${text}\n`), close: () => {} };
}

/** Where progress is shown. */
interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Bars when `stream` is a terminal, else lines. */
export function progressFor(stream: Terminal = process.stderr): ProgressView {
  return stream.isTTY ? barProgress(stream) : lineProgress((line) => stream.write(`${line}\n`));
}

const WIDTH = 20;

/** How wide bar and stage are, from the widest to what leaves most room for the detail. */
const WIDTHS = [{ bar: 30, stage: WIDTH }, { bar: 10, stage: WIDTH }, { bar: 10, stage: 0 }, { bar: 5, stage: 0 }];

/** What a terminal writes when Ctrl-C is typed, behind the bar. */
const TYPED = '^C'.length;

/** The line of a bar, as wide as fits: the detail is what is read, so that the bar gets shorter first. */
export function barLine({ stage, done, total, detail }: ProgressEvent, columns: number): string {
  const share = total > 0 ? Math.min(done / total, 1) : 1;
  const room = columns - 1 - TYPED;
  const line = (width: (typeof WIDTHS)[number]) => {
    const full = Math.round(share * width.bar);
    return `  ${stage.padEnd(width.stage)} ${'█'.repeat(full)}${'░'.repeat(width.bar - full)} ${String(Math.floor(100 * share)).padStart(3)}%  ${detail}`;
  };
  const fitting = WIDTHS.map(line).find((one) => one.length <= room) ?? line(WIDTHS.at(-1)!);
  return fitting.length <= room ? fitting : `${fitting.slice(0, room - 1)}…`;
}

function barProgress(stream: Terminal): ProgressView {
  let bar: cliProgress.SingleBar | undefined;
  let last: ProgressEvent | undefined;
  const line = () => barLine(last!, stream.columns ?? 80);
  /** Takes the bar off the screen, and what was typed behind it. */
  const clear = () => {
    bar?.stop();
    bar = undefined;
  };
  const close = () => {
    clear();
    if (last && last.done >= last.total) stream.write(`${line()}\n`);
    last = undefined;
  };
  return {
    show(event) {
      if (last && event.stage !== last.stage) close();
      last = event;
      if (bar) {
        bar.setTotal(event.total);
        bar.update(event.done);
      } else {
        bar = new cliProgress.SingleBar({ format: line, stream: stream as NodeJS.WriteStream, hideCursor: true, fps: 5, clearOnComplete: true }, cliProgress.Presets.shades_classic);
        bar.start(event.total, event.done);
      }
    },
    note(text) {
      clear();
      // What was typed where no bar was goes, too.
      stream.write(`\r\x1b[K${text}\n`);
    },
    close,
  };
}

const LINE_EVERY_MS = 10_000;

/** A line when a stage begins, when it ends, and now and then between. */
export function lineProgress(write: (line: string) => void, now: () => number = Date.now): ProgressView {
  let stage = '';
  let last = -Infinity;
  return {
    show(event) {
      const ends = event.done >= event.total;
      if (event.stage === stage && !ends && now() - last < LINE_EVERY_MS) return;
      stage = ends ? '' : event.stage;
      last = now();
      const percent = event.total > 0 ? Math.floor((100 * event.done) / event.total) : 100;
      write(`${event.stage.padEnd(WIDTH)} ${String(percent).padStart(3)} %  ${event.detail}`);
    },
    note: write,
    close: () => {},
  };
}
