// What makes the rows of an evaluation: two evaluations whose identities are equal play the same episodes in the same way.
import type { MethodUse } from '../methods/index.js';
import { methodOf } from '../methods/index.js';
import { evaluatedLabels, taskSpec } from '../spec.js';
import { version } from '../version.js';

/** Everything but nature that decides a method's rows, as plain JSON. Reads the files that it acts by to hash them. */
export async function identity(use: MethodUse): Promise<object> {
  const { experiment, regime, setting } = use;
  const { split, tasks, episodes, deployment, epsilon } = experiment.evaluation;
  const method = await methodOf(setting);
  // How the rows would be cut into shards or batches, and the threads, change nothing in them. Nor does a module's place.
  return {
    method: method.name, options: setting.options, version, spec: { ...taskSpec(experiment, regime, split), ...evaluatedLabels(experiment) }, tasks, episodes, epsilon, ...(deployment && { deployment }),
    ...(await method.identity(use)),
  };
}
