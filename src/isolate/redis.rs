//! Answers of Redis that belong to their questions. Redis and its clients pair both by their order alone: where something in
//! between loses an answer, or doubles one, everybody gets that of a neighbour from then on.

use std::time::Duration;

use aws_lc_rs::rand;
use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, aio::ConnectionLike, from_redis_value};
use tokio::time::timeout;

use crate::error::BoxError;

/// A script whose answer begins with what is random in its question.
pub(crate) struct Script {
    command: Cmd,
    nonce: [u8; 16],
}

impl Script {
    /// The script answers `{ARGV[1], …}`.
    pub(crate) fn new<const N: usize>(
        script: &'static str,
        keys: [&str; N],
    ) -> Result<Self, BoxError> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce)?;
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(N);
        for key in keys {
            command.arg(key);
        }
        command.arg(&nonce);
        Ok(Self { command, nonce })
    }

    /// From `ARGV[2]` on.
    pub(crate) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    /// What it answers after the nonce.
    ///
    /// # Errors
    ///
    /// If there is no answer within this time, or it is none to this question.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        mut connection: impl ConnectionLike,
        within: Duration,
    ) -> Result<T, BoxError> {
        match timeout(within, self.command.query_async(&mut connection)).await?? {
            Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::BulkString(nonce), answer]) if nonce == self.nonce => {
                    Ok(from_redis_value(answer)?)
                }
                _ => Err(FOREIGN.into()),
            },
            _ => Err(FOREIGN.into()),
        }
    }
}

const FOREIGN: &str =
    "Redis answered another question: the connection, or a proxy, lost or doubled an answer";
