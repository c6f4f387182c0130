// What a solver prints, line by line, as bounds over time.
import type { SolverDescription } from './description.js';

/** Bounds after so many seconds. */
export type BoundsPoint = [seconds: number, lower: number, upper: number];

/** What was read of a solver's output. */
export interface Reading {
  /** The last bounds, and when they stood. */
  last?: { seconds: number; lower: number; upper: number; gap: number } | undefined;
  /** The best of each side that it ever claimed. */
  best?: { lower: number; upper: number } | undefined;
  /** When the gap asked for was first reached. */
  closedAt?: number | undefined;
  /** When it said that it had solved the model. */
  solvedAt?: number | undefined;
  /** Bounds over time, thinned: a point where the gap fell by a two-hundredth, and the last. */
  trace: BoundsPoint[];
  /** Remarks, each once. */
  notes: string[];
}

/** More remarks are not kept. */
const MOST_NOTES = 20;
/** A point of the trace has at most this share of the gap before it. */
const STEP = 0.995;

/** A gap that is asked for is reached up to this share of it: what is printed is rounded. */
const ROUNDING = 1e-9;

/** Reads lines as they come. `gap`: the one asked for; `costs`: the model's values are costs, which this solver may print as they are. */
export class OutputReader {
  readonly #parser: readonly RegExp[];
  readonly #solved: RegExp | undefined;
  readonly #negates: boolean;
  readonly #gap: number;
  readonly #reading: Reading = { trace: [], notes: [] };
  #now: { seconds?: number; lower?: number; upper?: number } = {};

  constructor({ parser, solved, costs: printed }: Pick<SolverDescription, 'parser' | 'solved' | 'costs'>, gap: number, costs = false) {
    this.#parser = parser.map((text) => new RegExp(text, 'u'));
    this.#solved = solved === undefined ? undefined : new RegExp(solved, 'u');
    this.#gap = gap;
    this.#negates = costs && printed === 'kept';
  }

  /** A line that came so many seconds after the start. */
  line(text: string, arrived: number): void {
    const groups = this.#parser.map((one) => one.exec(text)?.groups).find((found) => found !== undefined);
    if (groups) this.#take(groups, arrived);
    if (this.#solved?.test(text)) this.#reading.solvedAt = this.#now.seconds ?? arrived;
  }

  #take(groups: Record<string, string | undefined>, arrived: number): void {
    const { note } = groups;
    const { notes, trace } = this.#reading;
    if (note !== undefined && notes.length < MOST_NOTES && !notes.includes(note)) notes.push(note);
    const number = (name: string): number | undefined => {
      const value = Number(groups[name] ?? NaN);
      return Number.isFinite(value) ? value : undefined;
    };
    const [seconds, lower, upper, gap] = ['seconds', 'lower', 'upper', 'gap'].map(number);
    if (seconds !== undefined) {
      this.#now.seconds = seconds;
      // Some say how long it took only after they said that it is done.
      if (this.#reading.solvedAt !== undefined) this.#reading.solvedAt = seconds;
    }
    if (lower !== undefined) this.#now.lower = lower;
    if (upper !== undefined) this.#now.upper = upper;
    if ((lower === undefined && upper === undefined) || this.#now.lower === undefined || this.#now.upper === undefined) return;
    const [low, high] = this.#negates ? [-this.#now.upper, -this.#now.lower] : [this.#now.lower, this.#now.upper];
    // What is printed as a gap has more digits than the difference of what is printed as bounds.
    const last = { seconds: seconds ?? arrived, lower: low, upper: high, gap: gap ?? high - low };
    const { best, closedAt } = this.#reading;
    this.#reading.last = last;
    this.#reading.best = { lower: Math.max(low, best?.lower ?? -Infinity), upper: Math.min(high, best?.upper ?? Infinity) };
    if (closedAt === undefined && last.gap <= this.#gap * (1 + ROUNDING)) this.#reading.closedAt = last.seconds;
    const kept = trace.at(-1);
    if (!kept || high - low < STEP * (kept[2] - kept[1])) trace.push([last.seconds, low, high]);
  }

  /** All that was read. */
  get reading(): Reading {
    const { last, trace } = this.#reading;
    const kept = trace.at(-1);
    const whole = last && kept && (kept[1] !== last.lower || kept[2] !== last.upper) ? [...trace, [last.seconds, last.lower, last.upper] as BoundsPoint] : trace;
    return { ...this.#reading, trace: whole };
  }
}
