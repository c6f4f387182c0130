//! Models whose state is observed: MDPs and robust MDPs.

pub(crate) mod backward;
mod bracket;
mod drain;
mod evaluate;
mod iterate;
pub(crate) mod modified_policy_iteration;
mod nature;
pub(crate) mod policy_iteration;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod value_iteration;
