//! One file a method.

pub(crate) mod bayes;
pub(crate) mod bc_prompt;
pub(crate) mod cql;
pub(crate) mod empirical;
pub(crate) mod fib;
pub(crate) mod fqi;
pub(crate) mod mixture;
pub(crate) mod nominal;
pub(crate) mod pessimistic;
pub(crate) mod posterior_sampling;
pub(crate) mod qmdp;
pub(crate) mod robust;
pub(crate) mod ucb;
