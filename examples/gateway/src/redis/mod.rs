//! Used assertions and failures in Redis, which several gateways share.

mod connection;

use std::{sync::Arc, time::Duration};

use ::redis::Client;
use tower_client_auth::{
    BoxError, ConfigError,
    assertion::Assertions,
    replay::RedisReplayStore,
    throttle::{FailureThrottle, RedisThrottle},
};

pub(crate) use self::connection::Connection;

/// Less than the deadline of the layer, so that what is wrong is found in the logs.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) type Throttle = Arc<RedisThrottle<Connection>>;

/// Finds what is wrong with a URL.
pub(crate) fn check(url: &str) -> Result<(), BoxError> {
    let opened = Client::open(url).map(drop);
    opened.map_err(|error| format!("{error}: `url` is such as \"redis://127.0.0.1/\"").into())
}

/// Prepares a connection.
pub(crate) fn connect(url: &str) -> Result<Connection, BoxError> {
    Ok(Connection::new(url)?)
}

pub(crate) fn assertions(redis: &Connection, issuer: &str) -> Result<Assertions, ConfigError> {
    Assertions::new(issuer, RedisReplayStore::new(redis.clone()))
}

pub(crate) fn throttle(redis: &Connection, local: FailureThrottle) -> Throttle {
    Arc::new(RedisThrottle::new(redis.clone(), local))
}
