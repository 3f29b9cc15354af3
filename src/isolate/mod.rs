//! What keeps the code of others from doing harm: a panic, a wait without end, too much work at a time, the answer
//! to another question.

pub(crate) mod deadline;
pub(crate) mod guard;
#[cfg_attr(not(feature = "metrics"), path = "meter/disabled.rs")]
pub(crate) mod meter;
#[cfg_attr(not(any(feature = "argon2", feature = "jwt")), path = "pool/disabled.rs")]
pub(crate) mod pool;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "cache", feature = "jwt"))]
pub(crate) mod single_flight;
#[cfg_attr(not(feature = "tracing"), path = "span/disabled.rs")]
pub(crate) mod span;
