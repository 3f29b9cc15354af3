//! What a verification brings.

use std::{future::Future, pin::Pin};

use crate::{error::Error, method::Method, secret::comparison::Match};

/// How a client authenticated.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) method: Method,
    /// The secret that was presented, if one was.
    pub(crate) secret: Option<Match>,
}

/// A verification: most take no longer than a comparison, and only the others pay for a future.
pub(crate) enum Verification<'a> {
    Done(Result<Proof, Error>),
    Pending(Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send + 'a>>),
}
