//! Oracles: solvers with two-sided bounds, and the policies they return.
