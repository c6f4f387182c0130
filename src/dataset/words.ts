// One example as a person would tell it: the task, what was seen and done at each step, and what the oracle would have done.
import { TiresiasError } from '../errors.js';
import { defaultTemplate, drawTask, type ShardExample, type WholeTemplate } from '../library.js';
import type { Labels } from '../spec.js';
import type { DatasetConfig, Identity } from './manifest.js';
import type { RecordsDatasetConfig } from './records.js';

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
export function exampleInWords(example: ShardExample, config: Identity['config']): string {
  const { template, mdp, actions, seen, title } = 'records' in config ? ofRecords(example, config) : ofTask(example, config);
  const trajectories = readTrajectories(example.prompt + example.completion, template);
  const { behaviour } = example;
  const { labels = 'oracle' } = config;
  const saw = (step: Step) => (step.seen === null ? 'saw nothing yet' : `${mdp ? 'in state' : 'saw'} ${seen(step.seen)}`);
  const got = ({ reward }: Step) => (reward === null ? 'reward not shown' : `reward ${reward}`);
  const line = (step: Step, t: number, note = '') => `  ${String(t + 1).padStart(3)}. ${saw(step)}, did ${actions(step.action)}${note}, ${got(step)}`;
  const support = trajectories.slice(0, -1).flatMap((steps, k) => [`Support trajectory ${k + 1} of ${trajectories.length - 1}, ${behaviour === 'recorded' ? 'recorded' : `by ${behaviour}`}:`, ...steps.map((step, t) => line(step, t)), '']);
  const query = trajectories.at(-1)!.map((step, t) => {
    const [oracle, bound] = [example.oracleActions[t]!, example.regretBounds[t]!];
    const whose = labels === 'robust' || labels === 'static' ? `${labels} oracle` : 'oracle';
    const opinion = oracle === step.action ? `as the ${whose} would` : `the ${whose}: ${actions(oracle)}`;
    const loses = bound > 0 ? `loses at most ${Number(bound.toPrecision(3))}` : undefined;
    // What is bounded is the label: what was done, or what the oracle would do.
    if (labels === 'behaviour') return line(step, t, ` (the label; ${opinion}${loses ? `; in the model it ${loses}` : ''})`);
    return line(step, t, ` (${opinion}${loses ? `, which ${labels === 'oracle' && !('records' in config) ? '' : 'in the model '}${loses}` : ''})`);
  });
  return [title, ...(labels === 'oracle' ? [] : [LABELLED[labels]]), '', ...support, 'Query:', ...query].join('\n');
}

/** What decisions are labelled with, in words. */
const LABELLED: Record<Exclude<Labels, 'oracle'>, string> = {
  behaviour: 'Labels are what was done.',
  robust: 'Labels are of the policy that is best in the worst case, where nature chooses anew at every decision.',
  static: 'Labels are of the policy that is best in the worst case, where one model of the cloud is true to the end.',
};

/** What is said of an example, and by which names. */
interface Names {
  template: WholeTemplate;
  /** Whether what is seen is the state. */
  mdp: boolean;
  actions(action: number): string;
  seen(symbol: number): string;
  title: string;
}

function ofTask({ family, split, index, seed, regime }: ShardExample, config: DatasetConfig): Names {
  const { models, alpha, horizon } = config;
  // The rows of such a dataset name its family.
  const { model, parameters } = drawTask(family as DatasetConfig['family'], { split, index, seed, regime: config.regime, horizon, models, alpha });
  const { actions } = JSON.parse(model.toJson()) as { actions: string[] | number };
  const numbers = parameters.map(({ name, value }) => `${name} ${Number(value.toPrecision(4))}`).join(', ');
  return {
    template: { ...defaultTemplate(config.family, config.regime), ...config.template } as WholeTemplate,
    mdp: regime === 'mdp',
    actions: (action) => (Array.isArray(actions) ? actions[action]! : `action ${action}`),
    seen: (symbol) => (model.observations === 0 ? model.stateName(symbol) : model.observationName(symbol)),
    title: `Task ${index} of ${family}, split ${split}, seed ${seed}, as ${regime.toUpperCase()}: ${numbers}`,
  };
}

function ofRecords({ index, regime }: ShardExample, { records, template }: RecordsDatasetConfig): Names {
  const { source, episodes, observations, actions } = records;
  return {
    template,
    mdp: regime === 'mdp',
    actions: (action) => actions[action] ?? `action ${action}`,
    seen: (symbol) => observations[symbol] ?? `observation ${symbol}`,
    title: `Episode ${index} of the ${episodes} records of ${source?.file ?? 'a file'}, as ${regime.toUpperCase()}`,
  };
}
