// What an experiment says of a family that is fitted to logs.
import { lazy, zod } from '../lazy.js';
import type { FitSettings } from './fit.js';
import type { LogsSchema } from './schema.js';

/** A family from logs, as an experiment names it. */
export interface LogsFamily {
  /** The file of records. */
  logs: string;
  /** What its columns mean, or the file that says so. */
  schema: string | LogsSchema;
  /** What is fitted. `ambiguity` says how other models that the logs leave possible are found; `models` follows from `tasks` and `cloud`. */
  fit: Omit<FitSettings, 'ambiguity' | 'models' | 'coverage' | 'alpha'> & { ambiguity?: 'posterior' | 'bootstrap' | undefined };
  /** How many tasks there are, each with a model of its own. */
  tasks: { train: number; test: number };
  /** Models that the robust policy is robust over. */
  cloud: number;
  /** Share of episodes that nothing is fitted to: policies are held against them. */
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

