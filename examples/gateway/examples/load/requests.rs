//! The kinds of requests, and which answers are right.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tower_client_auth::BoxError;

/// An assertion that is used twice counts as a guess, so it is another client each time.
pub(crate) const SIGNERS: usize = 2003;

/// What the callers are.
pub(crate) fn clients() -> Result<String, BoxError> {
    let key = dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY)?;
    let jwk = key.jwk()?;
    let mut clients = vec![
        json!({"client_id": "batch", "client_secret": "gX9kWZ2c"}),
        json!({
            "client_id": "post", "client_secret": "v2RtQ8Lm", "token_endpoint_auth_method": "client_secret_post",
        }),
        json!({"client_id": "guessed", "client_secret": "q8LmX7pZ"}),
        json!({"client_id": "public", "token_endpoint_auth_method": "none"}),
    ];
    clients.extend((0..SIGNERS).map(|number| {
        json!({
            "client_id": format!("signer-{number}"),
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [jwk] },
        })
    }));
    Ok(Value::from(clients).to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Basic,
    Post,
    Public,
    Guess,
    Fresh,
    Used,
    Nobody,
    Streamed,
    Check,
    Unknown,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Basic,
        Self::Post,
        Self::Public,
        Self::Guess,
        Self::Fresh,
        Self::Nobody,
        Self::Streamed,
        Self::Check,
        Self::Unknown,
    ];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Nobody => "/open",
            Self::Streamed => "/stream",
            Self::Check => "/check",
            Self::Unknown => "/none",
            _ => "/token",
        }
    }

    pub(crate) const fn authorization(self) -> Option<&'static str> {
        match self {
            Self::Basic | Self::Streamed | Self::Check => Some("Basic YmF0Y2g6Z1g5a1daMmM="),
            Self::Guess => Some("Basic Z3Vlc3NlZDp3cm9uZw=="),
            _ => None,
        }
    }

    pub(crate) const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Streamed => Some("application/json"),
            Self::Check => None,
            _ => Some("application/x-www-form-urlencoded"),
        }
    }

    /// What is sent, and what is to arrive of it.
    pub(crate) fn bodies(self, turn: usize) -> Result<(String, &'static str), BoxError> {
        Ok(match self {
            Self::Post => {
                ("a=1&client_secret=v2RtQ8Lm&b=2&client_id=post".into(), "a=1&b=2&client_id=post")
            }
            Self::Public => ("client_id=public".into(), "client_id=public"),
            Self::Fresh => (assertion(turn % SIGNERS)?, "a=1"),
            Self::Streamed => (r#"{"a":1}"#.into(), r#"{"a":1}"#),
            Self::Check => (String::new(), ""),
            _ => ("a=1".into(), "a=1"),
        })
    }

    /// Who the upstream is to be told that it is.
    pub(crate) fn identity(self, turn: usize) -> String {
        let known = match self {
            Self::Fresh => return format!("signer-{} private_key_jwt", turn % SIGNERS),
            Self::Basic | Self::Streamed | Self::Check => "batch client_secret_basic",
            Self::Post => "post client_secret_post",
            Self::Public => "public none",
            _ => "",
        };
        known.to_owned()
    }

    /// Whether this is a right answer, with Redis away or back not for long.
    pub(crate) const fn may_be(self, status: u16, without_redis: bool) -> bool {
        match (self, status) {
            (Self::Guess, 401 | 429) | (Self::Used, 401) | (Self::Unknown, 404) => true,
            (Self::Fresh | Self::Used, 503) => without_redis,
            // A question that was not answered may have been taken all the same.
            (Self::Fresh, 401) => without_redis,
            (Self::Guess | Self::Used | Self::Unknown, _) => false,
            (_, 200) => true,
            _ => false,
        }
    }
}

fn assertion(signer: usize) -> Result<String, BoxError> {
    let key = dev_keys::SigningKey::from_pem(dev_keys::TEST_KEY)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let assertion = key.assertion(&format!("signer-{signer}"), "https://as.example", now, 60)?;
    let kind = dev_keys::ASSERTION_TYPE.replace(':', "%3A");
    Ok(format!("client_assertion_type={kind}&a=1&client_assertion={assertion}"))
}
