// The methods that act without a network: they live in Rust (crates/agents), which says everything about them itself.
import { agentList, createAgents, played } from '../library.js';
import { taskSpec, type EpisodesSpec } from '../spec.js';
import { nothing, type Method, type MethodUse } from './method.js';

/** The tasks that a method is made for; which of them it then plays, and how many, changes nothing in it. */
function tasks({ experiment, regime, threads }: MethodUse): EpisodesSpec {
  const { split, epsilon } = experiment.evaluation;
  return { ...taskSpec(experiment, regime, split), firstTask: 0, tasks: 1, episodesPerTask: 1, epsilon, threads };
}

const make = (use: MethodUse) => createAgents(tasks(use), use.setting.method, use.setting.options);

/** Every method of the addon. */
export const agents = (): Method[] => agentList().map(({ name, label, group, knows, regimes, needsSupport, summary, source, optionsSchema }) => ({
  name, label, group, knows, regimes, needsSupport, summary, source,
  options: JSON.parse(optionsSchema) as object,
  needs: nothing,
  check: async (use) => (await make(use)).dispose(),
  identity: async () => ({}),
  start: async (use) => {
    const made = await make(use);
    return {
      play: (episodes, { signal, onProgress }) => played(episodes, made, { signal, onProgress: ({ done, total }) => onProgress?.(done / total) }),
      end: async () => made.dispose(),
    };
  },
}));
