//! Models whose state is observed: MDPs and robust MDPs.

pub(crate) mod backward;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod value_iteration;
