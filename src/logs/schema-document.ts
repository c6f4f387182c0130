// The JSON Schema of a records' schema, for editors. What a schema means is for the core to check; this says how one is written.
import { lazy, zod } from '../lazy.js';

const schemaOf = lazy(() => {
  const z = zod();
  const column = z.string();
  const observation = z.strictObject({
    column: column.optional().describe('The column.'),
    columns: z.array(column).optional().describe('Columns that become symbols together, by clusters.'),
    edges: z.array(z.number()).min(1).optional().describe('Numbers become intervals between these, rising: below the first, from the first up to the second, …, from the last on.'),
    quantiles: z.int().min(2).max(10_000).optional().describe('Numbers become this many intervals that hold equally many rows.'),
    clusters: z.int().min(2).max(10_000).optional().describe('Numbers become the nearest of this many centres (k-means, columns scaled to equal spread).'),
    seed: z.int().min(0).optional().describe('Seed of the clusters; default 0.'),
    whenMissing: z.enum(['error', 'symbol', 'previous', 'nothing']).optional().describe('What a missing field means: a fault (default), a symbol of its own, what was seen before, or that nothing was seen.'),
  });
  return z.strictObject({
    $schema: z.string().optional().describe('Where the JSON Schema of this file is, for editors; not read.'),
    schema: z.literal('tiresias.logs/1').optional(),
    format: z.enum(['csv', 'tsv', 'jsonl', 'parquet']).optional().describe("How the file is written; left out, what its name ends with."),
    delimiter: z.string().length(1).optional().describe('What stands between the fields of a CSV file; a comma, and a tab for tsv.'),
    episode: column.describe('The column that names the episode a row belongs to: a patient, a run.'),
    step: column.optional().describe("The column that orders an episode's rows; left out, the order is the file's."),
    sort: z.boolean().optional().describe('Put rows in order of episode and step, instead of refusing a file that is in another order.'),
    task: column.optional().describe('The column that names the task of an episode: a ward, a plant.'),
    observations: z.array(z.union([column, observation])).min(1).describe('What was seen before each action; several columns are one observation together.'),
    action: z.union([column, z.strictObject({ column, names: z.array(z.string()).optional().describe('All actions there are, in their order, whether taken or not.') })]).describe('What was done.'),
    reward: z.union([column, z.strictObject({ column, whenMissing: z.number().optional().describe('The reward of a row where the field is missing; left out, such a row is a fault.') })]).describe('What that earned.'),
    propensity: column.optional().describe('The column that says how likely whoever acted was to do that, above 0 and at most 1.'),
    terminated: column.optional().describe("The column that says, in an episode's last row, whether it ended by itself: true or false, yes or no, 1 or 0."),
    missing: z.array(z.string()).optional().describe('Fields that stand for "missing"; left out, the empty field, NA, N/A, NaN, nan, null, NULL and None.'),
  });
});

/** The JSON Schema of {@link LogsSchema}. */
export const logsJsonSchema = (): object => zod().toJSONSchema(schemaOf(), { io: 'input' });

/** Whether a value is written as a schema is. */
export const isWrittenAsSchema = (value: unknown): boolean => schemaOf().safeParse(value).success;
