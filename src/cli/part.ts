// Which part of its work a command makes: two options or, where they are not given, what schedulers of many machines say in the environment.
import { Option, type Command } from 'commander';
import { TiresiasError } from '../errors.js';
import { partName, type Part } from '../parts.js';
import { integer } from './common.js';

/** Options of {@link withPart}. */
export interface PartOptions {
  shard?: number;
  of?: number;
}

export function withPart(command: Command): Command {
  return command
    .addOption(new Option('--shard <i>', 'make only part i of --of n, counted from 0; a Slurm array\'s task or JOB_COMPLETION_INDEX where absent (docs/cluster.md)').argParser(integer(0)))
    .addOption(new Option('--of <n>', 'the number of parts; TIRESIAS_SHARDS, or the size of the Slurm array, where absent; 1 is the whole').argParser(integer(1)));
}

type Environment = Readonly<Record<string, string | undefined>>;

const usage = (message: string): TiresiasError => new TiresiasError('USAGE', message);

function whole(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (!/^\d+$/.test(text)) throw usage(`${name} is ${JSON.stringify(text)}, not a whole number: unset it, or say --shard and --of`);
  return Number(text);
}

/** The part that options, or else the environment, name, and what named it; no part where neither does, or there is only one. */
export function partOf({ shard, of }: PartOptions, env: Environment): (Part & { source: string }) | undefined {
  const flags = shard !== undefined;
  const shards = whole(env, 'TIRESIAS_SHARDS');
  const stated = of ?? shards;
  if (stated === 1 && (shard ?? 0) === 0) return undefined;
  const named = flags ? { index: shard, source: '--shard' } : inEnvironment(env, stated);
  if (!named) {
    if (stated === undefined) return undefined;
    throw usage(`${of === undefined ? `TIRESIAS_SHARDS is ${stated}` : `--of is ${stated}`}, and nothing says which part: add --shard${of === undefined ? ', or unset it for the whole' : ''}`);
  }
  const count = stated ?? named.of;
  if (count === undefined) throw usage(flags ? '--shard goes with --of, the number of parts' : `${named.source} says which part, and nothing of how many: set TIRESIAS_SHARDS, or --of, to the job's completions; --shard 0 --of 1 makes the whole`);
  if (named.index >= count) throw usage(`there is no ${partName({ index: named.index, of: count })} (${named.source}): parts are counted from 0`);
  return count === 1 ? undefined : { index: named.index, of: count, source: named.source };
}

/** What a scheduler says. With a number of parts from elsewhere a task's number is its part's, so that an array of some of the tasks may be sent again. */
function inEnvironment(env: Environment, stated: number | undefined): { index: number; of?: number; source: string } | undefined {
  const task = whole(env, 'SLURM_ARRAY_TASK_ID');
  if (task !== undefined) {
    const source = `SLURM_ARRAY_TASK_ID=${task}`;
    if (stated !== undefined) return { index: task, source };
    const [first = 0, last, of] = ['MIN', 'MAX', 'COUNT'].map((name) => whole(env, `SLURM_ARRAY_TASK_${name}`));
    if (of !== undefined && last !== undefined && last - first + 1 !== of) throw usage(`the Slurm array has ${of} tasks between ${first} and ${last}, so that it does not say how many parts there are: set TIRESIAS_SHARDS, and count tasks from 0`);
    return { index: task - first, ...(of !== undefined && { of }), source };
  }
  const completion = whole(env, 'JOB_COMPLETION_INDEX');
  return completion === undefined ? undefined : { index: completion, source: `JOB_COMPLETION_INDEX=${completion}` };
}

/** {@link partOf} this process; what the environment decided is said. */
export function chosenPart(options: PartOptions): Part | undefined {
  const found = partOf(options, process.env);
  if (!found) return undefined;
  const { source, ...part } = found;
  if (options.shard === undefined) process.stderr.write(`note: ${partName(part)}, by ${source}; --shard 0 --of 1 makes the whole\n`);
  return part;
}
