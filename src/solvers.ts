// The solvers' names, as the command line offers them. The list is crates/solve/src/registry.rs's: a test holds the two together.

/** What `solver` may be: `auto` picks by the model. `solvers()` says what each is. */
export const SOLVER_NAMES = [
  'auto', 'search', 'exact', 'faces', 'plans', 'estimate', 'corners', 'backward-induction', 'modified-policy-iteration', 'value-iteration', 'policy-iteration',
] as const;

/** Other names that solvers answer to. */
export const SOLVER_ALIASES = ['point'] as const;

/** The name of a solver. */
export type SolverName = (typeof SOLVER_NAMES)[number] | (typeof SOLVER_ALIASES)[number];
