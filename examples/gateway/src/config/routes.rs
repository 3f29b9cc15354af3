//! Which requests go where.

use std::{borrow::Cow, time::Duration};

use http::{Method, Uri, uri::Authority};
use tower_client_auth::AuthMethod;

use crate::config::reader::{At, Table};

/// Each has a descriptor, as its caller has, and there is a process that may have 1,024 and no more.
const MAX_REQUESTS: usize = 400;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) line: usize,
    pub(crate) pattern: At<Pattern>,
    pub(crate) target: Target,
    /// Those of HTTP.
    pub(crate) methods: Option<Vec<At<Method>>>,
    pub(crate) auth_methods: Option<Vec<At<AuthMethod>>>,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    pub(crate) body_limit: Option<usize>,
    pub(crate) body_deadline: Duration,
    pub(crate) keep_credentials: bool,
    pub(crate) add_client_id: bool,
    /// Whom a signed identity is for.
    pub(crate) audience: Option<At<String>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    /// As it is written, without a slash at the end of a prefix.
    pub(crate) path: String,
    /// As it is compared.
    pub(crate) normal: String,
    /// Whether it is this path and all below it.
    pub(crate) is_prefix: bool,
}

/// What is done with a request of an authenticated client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Upstream(Upstream),
    /// It is answered, for a proxy that asks.
    ForwardAuth {
        only_401_403: bool,
    },
}

impl Target {
    pub(crate) const fn upstream(&self) -> Option<&Upstream> {
        match self {
            Self::Upstream(upstream) => Some(upstream),
            Self::ForwardAuth { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) url: At<Uri>,
    pub(crate) protocol: Protocol,
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
    /// How many requests it may have at a time.
    pub(crate) max_requests: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Http1,
    /// HTTP/2 without TLS.
    H2c,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Header and form, which is read.
    Form,
    /// The header alone; the body is streamed.
    HeadersOnly,
}

impl Route {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let pattern = Self::pattern(table);
        let is_forward_auth = table.flag("forward_auth");
        let target = if is_forward_auth {
            let of_upstreams = [
                "upstream",
                "protocol",
                "connect_seconds",
                "answer_seconds",
                "max_requests",
                "body_limit_bytes",
                "keep_credentials",
            ];
            table.refuse(&of_upstreams, "is not for a route with `forward_auth`");
            Some(Target::ForwardAuth { only_401_403: table.flag("only_401_403") })
        } else {
            table.refuse(&["only_401_403"], "is for a route with `forward_auth`");
            Upstream::read(table).map(Target::Upstream)
        };
        let headers_only = table.flag("headers_only");
        if headers_only || is_forward_auth {
            let of_forms = ["body_seconds", "add_client_id"];
            table.refuse(&of_forms, "is for a form, which this route does not read");
        }
        let methods = table.all_parsed("methods", "a method of HTTP");
        let auth_methods = table.texts("auth_methods").map(|methods| {
            let methods = methods.into_iter();
            let known = methods.filter_map(|At { value, line }| match AuthMethod::from(&*value) {
                AuthMethod::Other(_) => {
                    let what = format!("{value:?} in `auth_methods` is no method of this gateway");
                    table.note(line, what);
                    None
                }
                value => Some(At { value, line }),
            });
            known.collect()
        });
        for (key, is_there) in
            [("methods", methods.is_some()), ("auth_methods", auth_methods.is_some())]
        {
            if is_there && table.length(key) == 0 {
                table.note(table.line(), format!("`{key}` is empty: nobody could call"));
            }
        }
        let optional = table.flag("optional");
        let body_limit = table.number("body_limit_bytes", 0..=u64::from(u32::MAX));
        let body_deadline = table.seconds("body_seconds", 10);
        let keep_credentials = table.flag("keep_credentials");
        let add_client_id = table.flag("add_client_id");
        let audience = table.text("audience");
        if audience.is_none() && table.has("audience") {
            return None;
        }
        Some(Self {
            line: table.line(),
            pattern: pattern?,
            target: target?,
            methods,
            auth_methods,
            kind: if headers_only || is_forward_auth { Kind::HeadersOnly } else { Kind::Form },
            optional,
            body_limit: body_limit.and_then(|limit| usize::try_from(limit.value).ok()),
            body_deadline,
            keep_credentials,
            add_client_id,
            audience,
        })
    }

    fn pattern(table: &Table<'_>) -> Option<At<Pattern>> {
        let (path, prefix) = (table.text("path"), table.text("prefix"));
        let (text, is_prefix) = match (path, prefix) {
            (Some(path), None) => (path, false),
            (None, Some(prefix)) => (prefix, true),
            (Some(_), Some(prefix)) => {
                table.note(prefix.line, "a route has `path` or `prefix`, not both");
                return None;
            }
            (None, None) => {
                if !table.has("path") && !table.has("prefix") {
                    table.note(table.line(), "[[route]] needs `path` or `prefix`");
                }
                return None;
            }
        };
        let is_path = text.value.starts_with('/')
            && text.value.parse::<Uri>().is_ok_and(|uri| uri.path() == text.value);
        if !is_path {
            let path = &text.value;
            table.note(text.line, format!("{path:?} is no path; it is such as \"/token\""));
            return None;
        }
        let At { value: mut path, line } = text;
        if is_prefix {
            path.truncate(path.trim_end_matches('/').len());
        }
        let Some(normal) = crate::paths::normal(&path).map(Cow::into_owned) else {
            table.note(line, "this path is refused, as it can be taken for another one");
            return None;
        };
        Some(At { value: Pattern { path, normal, is_prefix }, line })
    }
}

impl Upstream {
    /// Those that are equal here have their connections in common.
    pub(crate) fn pool(&self) -> (Option<&Authority>, Protocol, Duration) {
        (self.url.value.authority(), self.protocol, self.connect)
    }

    fn read(table: &Table<'_>) -> Option<Self> {
        let url = table.required("upstream", table.text("upstream"));
        let protocol =
            table.one_of("protocol", &[("http/1.1", Protocol::Http1), ("h2c", Protocol::H2c)]);
        let connect = table.seconds("connect_seconds", 5);
        let answer = table.seconds("answer_seconds", 30);
        let max_requests = table.number("max_requests", 1..=u64::from(u32::MAX));
        let max_requests = max_requests.and_then(|max| usize::try_from(max.value).ok());
        let At { value, line } = url?;
        let uri = value.parse::<Uri>().ok().filter(|uri| {
            uri.scheme_str() == Some("http")
                && uri.path_and_query().is_none_or(|path| path == "/")
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        let Some(value) = uri else {
            let what = "`upstream` must be such as \"http://127.0.0.1:8080\", without a path and without TLS";
            table.note(line, what);
            return None;
        };
        Some(Self {
            url: At { value, line },
            protocol: protocol.map_or(Protocol::Http1, |protocol| protocol.value),
            connect,
            answer,
            max_requests: max_requests.unwrap_or(MAX_REQUESTS),
        })
    }
}
