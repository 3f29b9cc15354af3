//! Without the feature `redis` there is none.

use tower_client_auth::{BoxError, ConfigError, assertion::Assertions, throttle::FailureThrottle};

#[derive(Clone)]
pub(crate) enum Connection {}
pub(crate) type Throttle = std::sync::Arc<FailureThrottle>;

pub(crate) fn check(_url: &str) -> Result<(), BoxError> {
    Err(example_support::needs_feature("[redis]", "redis"))
}

pub(crate) fn connect(url: &str) -> Result<Connection, BoxError> {
    check(url).and(Err("there is no Redis".into()))
}

pub(crate) const fn assertions(
    redis: &Connection,
    _issuer: &str,
) -> Result<Assertions, ConfigError> {
    match *redis {}
}

pub(crate) fn throttle(redis: &Connection, _local: FailureThrottle) -> Throttle {
    match *redis {}
}
