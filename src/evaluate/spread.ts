// How far apart several trainings of one method end, which no interval over tasks tells.

/** What trainings with different seeds came to. */
export interface Spread {
  min: number;
  mean: number;
  max: number;
  /** The standard deviation between seeds, of n - 1 degrees of freedom; undefined for a single one. */
  deviation: number | undefined;
}

/** The spread of one number over seeds, of which there is at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { min: Math.min(...values), mean, max: Math.max(...values), deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : undefined };
}
