//! Used assertions and failures in Redis, which several gateways share.

use std::{sync::Arc, time::Duration};

use ::redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tower_client_auth::{
    BoxError, ConfigError,
    assertion::Assertions,
    replay::RedisReplayStore,
    throttle::{FailureThrottle, RedisThrottle},
};

/// Less than the deadline of the layer, so that what is wrong is found in the logs.
const TIMEOUT: Duration = Duration::from_secs(1);

/// One that is shared, and made anew when it breaks.
pub(crate) type Connection = ConnectionManager;
pub(crate) type Throttle = Arc<RedisThrottle<ConnectionManager>>;

/// Finds what is wrong with a URL.
pub(crate) fn check(url: &str) -> Result<(), BoxError> {
    Ok(Client::open(url).map(drop)?)
}

/// Prepares a connection, so that a gateway can start while Redis is away.
pub(crate) fn connect(url: &str) -> Result<Connection, BoxError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT))
        .set_number_of_retries(1)
        .set_max_delay(TIMEOUT / 10);
    Ok(ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?)
}

pub(crate) fn assertions(redis: &Connection, issuer: &str) -> Result<Assertions, ConfigError> {
    Assertions::new(issuer, RedisReplayStore::new(redis.clone()))
}

pub(crate) fn throttle(redis: &Connection, local: FailureThrottle) -> Throttle {
    Arc::new(RedisThrottle::new(redis.clone(), local))
}
