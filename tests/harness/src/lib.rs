//! Database servers to start, kill and restart, replicas of the server under test, requests to send
//! them, and a load that knows what each answer must be.
//!
//! And certificates, written byte by byte.
//!
//! A test whose database server is not named in the environment is skipped, and says so.

pub mod certificate;
mod load;
mod replica;
mod servers;

pub use crate::{
    load::{Load, Report},
    replica::{Answer, Http, Replica},
    servers::{Postgres, Redis},
};

/// Why a test cannot go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
