//! What a proxy does between the connection of a caller and that to the server behind.

use std::{error::Error, io, iter};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    header::{self, HeaderName, HeaderValue},
    http::uri::Authority,
};

/// What concerns one connection only, beside what `Connection` names (RFC 9110 §7.6.1). `Proxy` is nothing to HTTP, and
/// to CGI it is the variable `HTTP_PROXY`, which programs there take for the proxy that they shall use.
const OF_THE_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// What a caller may leave unread of an answer over HTTP/2 before its server waits for it.
pub const STREAM_WINDOW: u32 = 64 * 1024;

/// The most that there can be: a connection that answers share has to wait for none of them, as it would for four with the
/// windows of hyper. What it may hold is bounded by the windows of its streams.
pub const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Takes away what is not forwarded, in every spelling: to CGI and what came after it `Transfer_Encoding` is
/// `Transfer-Encoding`, and `Content_Length` may count for the length. The layer has taken out of the
/// `Connection` of a request what may not be there.
pub fn end_hop(headers: &mut HeaderMap) {
    let mut gone: Vec<_> =
        headers.keys().filter(|name| is_of_the_hop(name.as_str())).cloned().collect();
    if gone.is_empty() {
        // Neither is there a `Connection`, which would name more.
        return;
    }
    let connection = headers.get_all(header::CONNECTION).iter();
    let named = connection.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    gone.extend(named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
    for name in gone {
        headers.remove(name);
    }
}

fn is_of_the_hop(name: &str) -> bool {
    const LENGTH: &str = "content-length";
    // Each request and each answer asks of all its headers.
    match name.len() {
        2 | 5 | 7 | 10 | 16 | 17 => OF_THE_HOP.iter().any(|one| is_like(name, one)),
        14 => name != LENGTH && is_like(name, LENGTH),
        _ => false,
    }
}

/// Whether `name` is `other`, which is words with hyphens, to a server that tells only letters and digits apart.
fn is_like(name: &str, other: &str) -> bool {
    let is_same = |(byte, other): (u8, u8)| match other {
        b'-' => !byte.is_ascii_alphanumeric(),
        letter => byte == letter,
    };
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(is_same)
}

/// Makes `Host` what the request is for: the authority of its target if it has one, whatever `Host` says (RFC 9112
/// §3.2.2, RFC 9113 §8.3.1). Over HTTP/1.0 and HTTP/2 there may be none.
///
/// # Errors
///
/// If there are two, if there is none over HTTP/1.1, or if it is no host, with a user in front of it among others. It is
/// to be answered 400 (RFC 9112 §3.2, RFC 9110 §4.2.4).
pub fn settle_host<B>(request: &mut Request<B>) -> Result<(), InvalidHost> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() || (host.is_none() && request.version() == Version::HTTP_11) {
        return Err(InvalidHost);
    }
    let authority = match (request.uri().authority(), host) {
        (Some(authority), _) => authority,
        (None, Some(host)) if is_plain_host(host.as_bytes()) => return Ok(()),
        (None, Some(host)) => {
            let authority = Authority::try_from(host.as_bytes()).map_err(|_invalid| InvalidHost)?;
            return if authority.as_str().contains('@') { Err(InvalidHost) } else { Ok(()) };
        }
        (None, None) => return Ok(()),
    };
    if authority.as_str().contains('@') {
        return Err(InvalidHost);
    }
    let host = HeaderValue::try_from(authority.as_str()).map_err(|_invalid| InvalidHost)?;
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// A name or an address of version 4, with a port or without: what nearly all are, so that they need not be parsed.
fn is_plain_host(host: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    let mut parts = host.splitn(2, |&byte| byte == b':');
    let (name, port) = (parts.next(), parts.next());
    name.is_some_and(|name| !name.is_empty() && name.iter().all(is_plain))
        && port.is_none_or(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit))
}

/// Makes one line of the cookies, which HTTP/2 may send apart and of which a server of HTTP/1.1 may read the first alone
/// (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let cookies: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Valid values with a semicolon between them are one.
    if let Ok(cookies) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookies);
    }
}

/// It is not clear which host a request is for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct InvalidHost;

/// Whether a body is what its head says once [`end_hop`] has taken the coding of the connection away: one that is
/// compressed there, or has two lengths or one that is no number (RFC 9112 §6.1, §6.3), is another one to the next server.
/// Such a request is to be answered 501.
#[must_use]
pub fn is_framed(headers: &HeaderMap) -> bool {
    let (mut codings, mut lengths) = (0, 0);
    headers.iter().all(|(name, value)| {
        if name == header::TRANSFER_ENCODING {
            codings += 1;
            value.as_bytes().eq_ignore_ascii_case(b"chunked")
        } else if name == header::CONTENT_LENGTH {
            lengths += 1;
            !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
        } else {
            true
        }
    }) && codings + lengths <= 1
}

/// Whether an answer can be handed on. One that changes the protocol cannot, for nobody asked for that.
#[must_use]
pub fn is_answer<B>(response: &Response<B>) -> bool {
    response.status() != StatusCode::SWITCHING_PROTOCOLS && is_framed(response.headers())
}

/// Hands an answer on, in the version of whom it is from now on (RFC 9110 §6.2): over HTTP/1.0 its end would be that of the
/// connection.
pub fn hand_on<B>(answer: &mut Response<B>) {
    *answer.version_mut() = Version::HTTP_11;
    end_hop(answer.headers_mut());
}

/// An error and what caused it. Some errors say what their cause says, which is written once.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |said, cause| match cause.to_string() {
        cause if said.ends_with(&cause) => said,
        cause => format!("{said}: {cause}"),
    })
}

/// Whether `is_it` is true of an error, or of one that caused it.
pub fn has_cause(error: &(dyn Error + 'static), is_it: fn(&(dyn Error + 'static)) -> bool) -> bool {
    is_it(error) || error.source().is_some_and(|cause| has_cause(cause, is_it))
}

/// Whether the system gave something up for its time was over. For [`has_cause`].
#[must_use]
pub fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fmt};

    use super::causes;

    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Self>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Said {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn cause_that_is_said_already_is_not_said_again() {
        let said = |errors: &[&'static str]| {
            let error =
                errors.iter().rev().fold(None, |cause, said| Some(Box::new(Said(said, cause))));
            error.map(|error| causes(&*error))
        };
        let expected = |said: &str| Some(said.to_owned());
        assert_eq!(said(&["late"]), expected("late"));
        assert_eq!(said(&["a", "b", "c"]), expected("a: b: c"));
        assert_eq!(said(&["broken pipe", "broken pipe"]), expected("broken pipe"));
        assert_eq!(
            said(&["sending: broken pipe", "broken pipe", "c"]),
            expected("sending: broken pipe: c")
        );
        // It is another one.
        assert_eq!(said(&["pipe", "broken pipe"]), expected("pipe: broken pipe"));
    }
}
