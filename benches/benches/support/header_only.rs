//! The nearest thing that exists as a layer: `AsyncRequireAuthorizationLayer` of tower-http, which
//! sees the header and cannot read the form.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower_http::auth::AsyncAuthorizeRequest;

use super::clients::{Client, Store};

#[derive(Clone, Copy)]
pub(crate) struct Check(pub(crate) &'static Store<Arc<Client>>);

impl<B> AsyncAuthorizeRequest<B> for Check {
    type RequestBody = B;
    type ResponseBody = Full<Bytes>;
    type Future = Ready<Result<Request<B>, Response<Full<Bytes>>>>;

    fn authorize(&mut self, mut request: Request<B>) -> Self::Future {
        ready(
            match request.headers().get(header::AUTHORIZATION).and_then(|value| self.find(value)) {
                Some(client) => {
                    request.extensions_mut().insert(client);
                    Ok(request)
                }
                None => {
                    let mut response = Response::new(Full::default());
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                    let challenge = HeaderValue::from_static("Basic");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                    Err(response)
                }
            },
        )
    }
}

impl Check {
    fn find(&self, authorization: &HeaderValue) -> Option<Arc<Client>> {
        let token = authorization.to_str().ok()?.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        let client = self.0.get(id)?;
        let right = constant_time_eq::constant_time_eq(secret.as_bytes(), client.secret.as_bytes());
        (right && client.expires_at == 0).then(|| Arc::clone(client))
    }
}
