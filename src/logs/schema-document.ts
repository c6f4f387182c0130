// The JSON Schema of a records' schema, for editors. What a schema means is for the core to check; this says how one is written.
import { describedSchema } from '../described.js';
import { lazy, zod } from '../lazy.js';

const schemaOf = lazy(() => {
  const z = zod();
  const column = z.string();
  const observation = z.strictObject({
    column: column.optional(),
    columns: z.array(column).optional(),
    edges: z.array(z.number()).min(1).optional(),
    quantiles: z.int().min(2).max(10_000).optional(),
    clusters: z.int().min(2).max(10_000).optional(),
    seed: z.int().min(0).optional(),
    whenMissing: z.enum(['error', 'symbol', 'previous', 'nothing']).optional(),
  });
  return z.strictObject({
    $schema: z.string().optional(),
    schema: z.literal('tiresias.logs/1').optional(),
    format: z.enum(['csv', 'tsv', 'jsonl', 'parquet']).optional(),
    delimiter: z.string().length(1).optional(),
    episode: column,
    step: column.optional(),
    sort: z.boolean().optional(),
    task: column.optional(),
    observations: z.array(z.union([column, observation])).min(1),
    action: z.union([column, z.strictObject({ column, names: z.array(z.string()).optional() })]),
    reward: z.union([column, z.strictObject({ column, whenMissing: z.number().optional() })]),
    propensity: column.optional(),
    terminated: column.optional(),
    missing: z.array(z.string()).optional(),
  });
});

/** The JSON Schema of {@link LogsSchema}. */
export const logsJsonSchema = (): object => describedSchema(schemaOf(), 'logs');

/** Whether a value is written as a schema is. */
export const isWrittenAsSchema = (value: unknown): boolean => schemaOf().safeParse(value).success;
