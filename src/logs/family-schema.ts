// What an experiment says of a family that is fitted to logs.
import { lazy, zod } from '../lazy.js';
import type { FitSettings } from './fit.js';
import type { LogsSchema } from './schema.js';

/** How models are fitted to the records. `models` follows from `tasks` and `cloud`. */
export type LogsFamilyFit = Omit<FitSettings, 'ambiguity' | 'models' | 'coverage' | 'alpha'> & {
  /** How other models that the records leave possible are found: draws from the posterior, or fits to bootstrap samples of the episodes. Default `posterior`. */
  ambiguity?: 'posterior' | 'bootstrap' | undefined;
};

/** A family from logs, as an experiment names it. */
export interface LogsFamily {
  /** The file of records. A relative path starts at the folder of the experiment file. */
  logs: string;
  /** What the columns mean: a schema (docs/logs.schema.json), or the file that holds it. */
  schema: string | LogsSchema;
  /** How models are fitted to the records. */
  fit: LogsFamilyFit;
  /** How many tasks there are, by split. From records, each has a fitted model of its own; of a module, this replaces the module's own counts. */
  tasks: {
    /** The number of tasks to train on. */
    train: number;
    /** The number of tasks to test on. */
    test: number;
  };
  /** The number of models in the cloud of the robust policy. */
  cloud: number;
  /** The share of episodes that no model is fitted to. The policies are judged on them afterwards. */
  heldOut: number;
}

/** The shape of {@link LogsFamily} in an experiment. */
export const logsFamilySchema = lazy(() => {
  const z = zod();
  const positive = z.number().int().positive();
  return z.strictObject({
    logs: z.string().min(1),
    schema: z.union([z.string().min(1), z.record(z.string(), z.unknown())]),
    fit: z.strictObject({
      kind: z.enum(['mdp', 'pomdp']), name: z.string().optional(), states: z.union([positive, z.tuple([positive, positive])]).optional(), weight: z.number().nonnegative().optional(),
      rewardWeight: z.number().nonnegative().optional(), unseenReward: z.enum(['mean', 'least']).optional(), rewardsSeen: z.boolean().optional(), starts: positive.optional(), iterations: positive.optional(), tolerance: z.number().nonnegative().optional(),
      discount: z.number().positive().max(1).optional(), horizon: positive.optional(), heldOut: z.number().positive().lt(1).optional(), folds: positive.optional(), seed: z.number().int().nonnegative().optional(),
      ambiguity: z.enum(['posterior', 'bootstrap']).optional(),
    }),
    tasks: z.strictObject({ train: positive, test: positive }).default({ train: 100, test: 20 }),
    cloud: positive.max(64).default(8),
    heldOut: z.number().gt(0).lt(1).default(0.3),
  });
});

