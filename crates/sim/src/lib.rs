//! Simulation: belief tracking, counter-based random streams and batched rollouts.
