// Runs a cell of a theory study, and makes numbers over tasks of what came of each.
import { bcaInterval, mean, ratioOfMeans, type Statistic } from '../evaluate/bootstrap.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type { StageProgress, TheoryOutcome } from '../../native/index.cjs';
import { theoryResultIn, type TheoryActed, type TheoryEstimate, type TheoryPoint, type TheoryResult } from './results.js';
import type { TheorySetting } from './setting.js';
import { beyondRounding } from './settings.js';

/** How {@link theoryCell} runs. */
export interface TheoryOptions extends CallOptions<StageProgress> {
  /** All cores by default; the numbers are the same for any. */
  threads?: number | undefined;
}

/** Trains the layers and lets them and the closed form act. */
export async function theoryCell(setting: TheorySetting, { threads, ...options }: TheoryOptions = {}): Promise<TheoryResult> {
  const { training: { steps, batchSize, learningRate }, resamples: _, ...rest } = setting;
  const outcome = await cancellable(options, (token, report) => native.theoryCell({ ...rest, steps, batch: batchSize, learningRate, ...(threads !== undefined && { threads }) }, token, report));
  // With its members in the order in which it is read back: a study gives the same bytes whether it ran a cell or found it.
  return theoryResultIn(summarised(setting, outcome))!;
}

/** The tasks' numbers by column, of one number of pairs. */
class Columns {
  constructor(private readonly outcome: TheoryOutcome, private readonly setting: TheorySetting, private readonly point: number) {}

  of(name: string): number[] {
    const { columns, rows } = this.outcome;
    const at = columns.indexOf(name);
    if (at === -1) throw new Error(`the addon gives no column ${name}`);
    return Array.from({ length: this.setting.tasks }, (_, task) => rows[(task * this.setting.pairs.length + this.point) * columns.length + at]!);
  }

  mean(name: string): number {
    return average(this.of(name));
  }

  estimate(statistic: Statistic, ...columns: number[][]): TheoryEstimate {
    const units = columns[0]!.map((_, task) => columns.map((column) => column[task]!));
    const { seed, resamples } = this.setting;
    return { value: statistic(units), ci95: bcaInterval(units, statistic, { seed, resamples }) };
  }
}

const average = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;

function summarised(setting: TheorySetting, outcome: TheoryOutcome): TheoryResult {
  const first = new Columns(outcome, setting, 0);
  const lossOfRandom = first.mean('optimal') - first.mean('random');
  return {
    setting,
    layers: outcome.layers,
    lossOfRandom,
    lossOfWorst: (first.mean('optimal') - first.mean('worst')) / lossOfRandom,
    leverage: first.mean('leverage'),
    points: outcome.gaussian.map(({ pairs, ...gaussian }, at): TheoryPoint => {
      const columns = new Columns(outcome, setting, at);
      const share = (name: string) => columns.mean(name) / lossOfRandom;
      const [loss, sharp] = [columns.of('closedLoss'), columns.of('boundSharp')];
      return {
        pairs,
        gaussian,
        error: { estimation: columns.mean('estimation'), bias: columns.mean('bias') },
        bound: {
          total: share('bound'), estimation: share('boundEstimation'), bias: share('boundBias'), sharp: share('boundSharp'),
          broken: loss.filter((lost, task) => beyondRounding(lost - sharp[task]!) > 0).length,
        },
        closed: acted(columns, 'closed', lossOfRandom),
        trained: acted(columns, 'trained', lossOfRandom),
      };
    }),
  };
}

function acted(columns: Columns, who: 'closed' | 'trained', lossOfRandom: number): TheoryActed {
  const [optimal, random] = [columns.of('optimal'), columns.of('random')];
  const atTraining = columns.of(`${who}ErrorTraining`);
  return {
    gapNorm: columns.estimate(ratioOfMeans(), columns.of(`${who}Loss`), optimal.map((best, task) => best - random[task]!)),
    advantage: columns.mean(`${who}Advantage`) / lossOfRandom,
    realised: columns.mean(`${who}Realised`) / lossOfRandom,
    errorTraining: columns.estimate(mean(), atTraining),
    shift: columns.estimate(ratioOfMeans(), columns.of(`${who}ErrorPolicy`), atTraining),
    shiftStates: columns.estimate(ratioOfMeans(), columns.of(`${who}ErrorStates`), atTraining),
    optimism: columns.estimate(mean(), columns.of(`${who}Optimism`)),
  };
}
