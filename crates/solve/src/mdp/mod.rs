//! Models whose state is observed: MDPs and robust MDPs.

pub(crate) mod backup;
pub(crate) mod backward;
mod block;
mod bracket;
mod drain;
mod evaluate;
mod held;
mod iterate;
pub(crate) mod modified_policy_iteration;
pub(crate) mod nature;
pub(crate) mod policy_iteration;
mod rivals;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod value_iteration;
