//! What keeps the code of others from doing harm: a panic, a wait without end, too much work at a time.

pub(crate) mod deadline;
pub(crate) mod guard;
pub(crate) mod pool;
#[cfg(any(feature = "cache", feature = "jwt"))]
pub(crate) mod single_flight;
