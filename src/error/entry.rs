//! A row in the table of a kind of reasons.

use http::StatusCode;

/// All that there is to say of a reason.
pub(crate) struct Entry {
    /// For metrics and logs.
    pub(crate) label: &'static str,
    /// For the operator.
    pub(crate) reason: &'static str,
    /// What the caller learns.
    pub(crate) answer: Answer,
    /// Whether the operator should look.
    pub(crate) internal: bool,
}

/// What the caller learns: a status, an `error` code of RFC 6749 §5.2, and the whole JSON document.
///
/// RFC 6749 §5.2 allows no character in `error_description` that JSON would have to escape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
    pub(crate) json: &'static str,
}

/// A row: the label, the reason, the answer as `code(STATUS, "description")` or by its name, and
/// whether the reason is `internal`.
macro_rules! entry {
    ($label:literal, $reason:literal, $code:ident($status:ident, $description:literal)) => {
        crate::error::entry::entry!(@ $label, $reason, crate::error::entry::answer!(
            $code, $status, $description
        ), false)
    };
    ($label:literal, $reason:literal, $answer:ident) => {
        crate::error::entry::entry!(@ $label, $reason, $answer, false)
    };
    ($label:literal, $reason:literal, $answer:ident, internal) => {
        crate::error::entry::entry!(@ $label, $reason, $answer, true)
    };
    (@ $label:literal, $reason:literal, $answer:expr, $internal:literal) => {
        &crate::error::entry::Entry {
            label: $label,
            reason: $reason,
            answer: $answer,
            internal: $internal,
        }
    };
}
pub(crate) use entry;

macro_rules! answer {
    ($code:ident, $status:ident, $description:literal) => {
        crate::error::entry::Answer {
            status: http::StatusCode::$status,
            code: stringify!($code),
            description: $description,
            json: concat!(
                r#"{"error":""#,
                stringify!($code),
                r#"","error_description":""#,
                $description,
                r#""}"#
            ),
        }
    };
}
pub(crate) use answer;

pub(crate) const NOT_A_FORM: Answer = answer!(
    invalid_request,
    UNSUPPORTED_MEDIA_TYPE,
    "The body must be application/x-www-form-urlencoded"
);

/// One answer for all that depends on the registration: RFC 6819 §5.1.4.2.
pub(crate) const FAILED: Answer =
    answer!(invalid_client, UNAUTHORIZED, "Client authentication failed");

/// The code is one of RFC 6749 §4.1.2.1; §5.2 has none for this.
pub(crate) const FAULT: Answer = answer!(
    server_error,
    INTERNAL_SERVER_ERROR,
    "The client could not be authenticated because of an internal error"
);

/// RFC 6749 §5.2 has no code for an outage; answering `invalid_client` would make clients throw away
/// good credentials.
pub(crate) const OUTAGE: Answer = answer!(
    temporarily_unavailable,
    SERVICE_UNAVAILABLE,
    "Clients cannot be authenticated at the moment"
);
