//! What a verification brings.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{error::Error, method::Method, secret::comparison::Match};

/// How a client authenticated.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) method: Method,
    /// The secret that was presented, if one was.
    pub(crate) secret: Option<Match>,
}

/// A verification: most take no longer than a comparison, and only the others are on the heap.
pub(crate) enum Verification<'a> {
    Done(Ready<Result<Proof, Error>>),
    Pending(Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send + 'a>>),
}

impl Verification<'_> {
    pub(crate) fn done(proof: Result<Proof, Error>) -> Self {
        Self::Done(ready(proof))
    }
}

impl Future for Verification<'_> {
    type Output = Result<Proof, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(proof) => Pin::new(proof).poll(cx),
            Self::Pending(proof) => proof.as_mut().poll(cx),
        }
    }
}
