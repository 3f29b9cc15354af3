//! Bodies, which anybody may send as slowly as there is time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use tokio::time::timeout;

/// The time that a body may take to arrive.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// The largest registration, and the largest request to the authorization endpoint, in bytes.
const FORM_LIMIT: usize = 64 * 1024;

pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, StatusCode> {
    let read = timeout(DEADLINE, to_bytes(body, limit)).await;
    read.map_err(|_late| StatusCode::REQUEST_TIMEOUT)?
        .map_err(|_too_large| StatusCode::PAYLOAD_TOO_LARGE)
}

/// Goes on when all of the body is there.
pub(crate) async fn whole(request: Request, next: Next) -> Result<Response, StatusCode> {
    let (head, body) = request.into_parts();
    let body = read(body, FORM_LIMIT).await?;
    Ok(next.run(Request::from_parts(head, body.into())).await)
}
