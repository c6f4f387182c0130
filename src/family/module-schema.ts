// What an experiment says of a family that a module draws.
import { lazy, zod } from '../lazy.js';

/** A family that a JavaScript module draws, as an experiment names it. */
export interface ModuleFamily {
  /** The JavaScript module that draws the models. A relative path starts at the folder of the experiment file. */
  module: string;
  /** How many tasks there are, by split. From records, each has a fitted model of its own; of a module, this replaces the module's own counts. */
  tasks?: Record<string, number> | undefined;
  /** The seed of the random numbers that the module is given. */
  seed: number;
  /** Options, which the module receives as they are. */
  options: Record<string, unknown>;
}

/** The shape of {@link ModuleFamily} in an experiment. */
export const moduleFamilySchema = lazy(() => {
  const z = zod();
  return z.strictObject({
    module: z.string().min(1),
    tasks: z.record(z.string().regex(/^(?:train|test|validation|ood-.+)$/, 'expected train, test, validation or ood-…'), z.int().min(1).max(1_000_000)).optional(),
    seed: z.int().min(0).default(0),
    options: z.record(z.string(), z.unknown()).default({}),
  });
});
