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
  /** Leaves the screen as it should stay. */
  close(): void;
}

export function silentProgress(): ProgressView {
  return { show: () => {}, close: () => {} };
}

/** Where progress is shown. */
interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Bars when `stream` is a terminal, else lines. */
export function progressFor(stream: Terminal = process.stderr): ProgressView {
  return stream.isTTY ? barProgress(stream) : lineProgress((line) => stream.write(`${line}\n`));
}

const WIDTH = 20;

function barProgress(stream: Terminal): ProgressView {
  const format = '  {stage} {bar} {percentage}%  {detail}';
  let bar: cliProgress.SingleBar | undefined;
  let stage = '';
  const close = () => {
    bar?.stop();
    bar = undefined;
    stage = '';
  };
  return {
    show(event) {
      const shown = { stage: event.stage.padEnd(WIDTH), detail: event.detail };
      if (event.stage !== stage) {
        close();
        stage = event.stage;
        bar = new cliProgress.SingleBar({ format, stream: stream as NodeJS.WriteStream, hideCursor: true, fps: 5, barsize: 30, etaBuffer: 20 }, cliProgress.Presets.shades_classic);
        bar.start(event.total, event.done, shown);
      } else {
        bar?.setTotal(event.total);
        bar?.update(event.done, shown);
      }
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
    close: () => {},
  };
}
