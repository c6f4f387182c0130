// What a fine-tuned language model would have done at every logged step.
import { loadPolicy } from '../serve/policy.js';
import type { LanguageModelPolicy, SupportStepNamed } from '../serve/language-model/policy.js';
import type { Regime } from '../spec.js';
import type { Trajectories } from './import.js';

/** Episodes that are asked about together. */
const TOGETHER = 32;

/** How a language model is asked. */
export interface FollowOptions {
  regime: Regime;
  /** Episodes of the logs that it is shown before each that it is asked about. */
  trajectories: number;
  /** Whether it learned from recorded episodes, which begin with what was seen before the first action; simulated ones of hidden states do not. */
  recorded: boolean;
  /** Rewards are rounded to multiples of it, as its prompts print them. */
  rewardGrid: number;
  threads: number;
  /** Where its base lies; where it lay when it was trained, when left out. */
  base?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Its action at every step of `asked`, as probabilities (steps × actions, 1 for its likeliest action), when it is shown episodes of `shown` and goes by what
 * was logged. Each episode is shown others, in turn.
 */
export async function followLanguageModel(adapter: string, asked: Trajectories, shown: Trajectories, options: FollowOptions): Promise<Float32Array> {
  const { regime, trajectories, recorded, rewardGrid, threads, base, signal } = options;
  const policy = (await loadPolicy(adapter, { threads, ...(base !== undefined && { base }) })) as unknown as LanguageModelPolicy;
  try {
    const [steps, support] = [reader(asked, rewardGrid), reader(shown, rewardGrid)];
    const actions = asked.actions.length;
    const target = new Float32Array(asked.steps * actions);
    const { offsets } = asked.columns();
    const one = async (episode: number): Promise<void> => {
      const own = steps(episode);
      const seen = regime === 'mdp';
      const session = policy.session({
        support: Array.from({ length: trajectories }, (_, k) => support((episode * trajectories + k) % shown.episodes)), regime,
        ...(seen ? { state: own[0]![0]! } : recorded && own[0]![0] !== null && { observation: own[0]![0] }),
      });
      for (const [step, [, action, reward]] of own.entries()) {
        signal?.throwIfAborted();
        const decided = await session.decide();
        target[(offsets[episode]! + step) * actions + decided.action] = 1;
        const next = own[step + 1];
        if (next !== undefined) session.observe(action, next[0]!, reward);
      }
    };
    for (let from = 0; from < asked.episodes; from += TOGETHER) {
      await Promise.all(Array.from({ length: Math.min(TOGETHER, asked.episodes - from) }, (_, i) => one(from + i)));
    }
    return target;
  } finally {
    await policy.dispose();
  }
}

/** Gives an episode's steps by names: what was seen before each action (null for nothing), the action, and what it earned. */
function reader(trajectories: Trajectories, grid: number): (episode: number) => SupportStepNamed[] {
  const { offsets, observations, actions, rewards } = trajectories.columns();
  const [seen, done] = [trajectories.observations, trajectories.actions];
  const onGrid = (reward: number): number => Number((Math.round(reward / grid) * grid).toPrecision(12));
  return (episode) => Array.from({ length: offsets[episode + 1]! - offsets[episode]! }, (_, i) => {
    const step = offsets[episode]! + i;
    return [observations[step] === -1 ? null : seen[observations[step]!]!, done[actions[step]!]!, onGrid(rewards[step]!)] as const;
  });
}
