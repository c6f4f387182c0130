//! An input–output hidden Markov model, fitted by expectation–maximisation.
//!
//! The state `s` is hidden. Action `a` moves it by `P(s'|s,a)`, or ends the episode; `s'` shows the symbol `o` with `Q(o|s',a)`. The iterations
//! are those of Baum and Welch (Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE, 1989) with the action as an
//! input (Bengio and Frasconi, "An input output HMM architecture", Advances in Neural Information Processing Systems 7, 1995).

#[cfg(test)]
mod brute_force;
pub(crate) mod climb;
pub(crate) mod expect;
mod lanes;
mod pass;
mod regress;
pub(crate) mod starts;
pub(crate) mod tables;
