//! What a verification brings.

use std::{
    future::Future,
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
    Done(Option<Result<Proof, Error>>),
    Pending(Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send + 'a>>),
}

impl Verification<'_> {
    pub(crate) fn done(proof: Result<Proof, Error>) -> Self {
        Self::Done(Some(proof))
    }
}

impl Future for Verification<'_> {
    type Output = Result<Proof, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // Polled after it was ready, it is pending.
            Self::Done(proof) => proof.take().map_or(Poll::Pending, Poll::Ready),
            Self::Pending(proof) => proof.as_mut().poll(cx),
        }
    }
}
