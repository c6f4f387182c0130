// One example as a person would tell it: the task, what was seen and done at each step, and what the oracle would have done.
import { TiresiasError } from '../errors.js';
import { defaultTemplate, drawTask, type ShardExample, type WholeTemplate } from '../library.js';
import type { DatasetConfig } from './manifest.js';

/** What one line of a trajectory says; null where the template prints its missing symbol. */
export interface Step {
  seen: number | null;
  action: number;
  reward: number | null;
}

/** The trajectories of an example, read back from its text; the last is the query. Throws DATASET_CORRUPT where the text does not follow the template. */
export function readTrajectories(text: string, template: WholeTemplate): Step[][] {
  const markers = [template.supportMarker, template.queryMarker];
  const trajectories: Step[][] = [];
  let rest = text.slice(template.header.length);
  while (rest !== '') {
    const marker = markers.find((candidate) => rest.startsWith(candidate));
    if (marker !== undefined) {
      trajectories.push([]);
      rest = rest.slice(marker.length);
      continue;
    }
    const end = rest.indexOf('\n') + 1;
    trajectories.at(-1)?.push(readStep(rest.slice(0, end), template));
    if (end === 0 || trajectories.length === 0) throw unreadable(rest);
    rest = rest.slice(end);
  }
  return trajectories;
}

function readStep(line: string, template: WholeTemplate): Step {
  const [seen, action, reward] = line.trimEnd().split(',');
  const number = (field: string | undefined, width: number): number | null => {
    if (field === template.missing.repeat(width)) return null;
    if (field === undefined || !/^\d+$/.test(field)) throw unreadable(line);
    return Number(field);
  };
  const symbol = number(reward, template.rewardWidth);
  return {
    seen: number(seen, template.observationWidth),
    action: number(action, 1)!,
    // Tenths and the like: what binary fractions add behind the grid's own digits is cut.
    reward: symbol === null ? null : Number(((symbol - template.rewardOffset) / template.rewardScale).toPrecision(12)),
  };
}

function unreadable(line: string): TiresiasError {
  return new TiresiasError('DATASET_CORRUPT', `the example's text does not follow the dataset's template at ${JSON.stringify(line.slice(0, 40))}`);
}

/** The example in words, a line for each step. */
export function exampleInWords(example: ShardExample, config: DatasetConfig): string {
  const template = { ...defaultTemplate(config.family, config.regime), ...config.template } as WholeTemplate;
  const trajectories = readTrajectories(example.prompt + example.completion, template);
  const { family, split, index, seed, regime, behaviour } = example;
  const { models, alpha, horizon } = config;
  const task = drawTask(family, { split, index, seed, regime: config.regime, horizon, models, alpha });
  const { actions } = JSON.parse(task.model.toJson()) as { actions: string[] | number };
  const named = (action: number) => (Array.isArray(actions) ? actions[action]! : `action ${action}`);
  const what = regime === 'mdp' ? 'in state' : 'saw';
  const { model } = task;
  const symbol = (seen: number) => (model.observations === 0 ? model.stateName(seen) : model.observationName(seen));
  const saw = ({ seen }: Step) => (seen === null ? 'saw nothing yet' : `${what} ${symbol(seen)}`);
  const got = ({ reward }: Step) => (reward === null ? 'reward not shown' : `reward ${reward}`);
  const line = (step: Step, t: number, note = '') => `  ${String(t + 1).padStart(3)}. ${saw(step)}, did ${named(step.action)}${note}, ${got(step)}`;

  const parameters = task.parameters.map(({ name, value }) => `${name} ${Number(value.toPrecision(4))}`).join(', ');
  const support = trajectories.slice(0, -1).flatMap((steps, k) => [`Support trajectory ${k + 1} of ${trajectories.length - 1}, by ${behaviour}:`, ...steps.map((step, t) => line(step, t)), '']);
  const query = trajectories.at(-1)!.map((step, t) => {
    const [oracle, bound] = [example.oracleActions[t]!, example.regretBounds[t]!];
    const opinion = oracle === step.action ? 'as the oracle would' : `the oracle: ${named(oracle)}`;
    return line(step, t, ` (${opinion}${bound > 0 ? `, which loses at most ${Number(bound.toPrecision(3))}` : ''})`);
  });
  return [`Task ${index} of ${family}, split ${split}, seed ${seed}, as ${regime.toUpperCase()}: ${parameters}`, '', ...support, 'Query:', ...query].join('\n');
}
