//! What upstreams are told of a client.

use tower_client_auth::{
    AuthMethod, ConfigError,
    forward::{Forward, IdentitySigner},
};

use crate::{
    check::unreadable,
    config::{At, Config, Identity, Kind, Mistake, Route, Signed, Target},
};

/// Finds what is wrong with it.
pub(crate) fn check(config: &Config, mistakes: &mut Vec<Mistake>) {
    if config.is_unread("identity") {
        return;
    }
    told_apart(config, mistakes);
    let Some(signed) = &config.identity.signed else {
        for audience in config.routes.iter().filter_map(|route| route.audience.as_ref()) {
            let what = "`audience` is of a signed identity: there is no `[identity.signed]`";
            mistakes.push(audience.mistake(what));
        }
        if let Err(mistake) = headers(&config.identity) {
            mistakes.push(mistake);
        }
        return;
    };
    let before = mistakes.len();
    mistakes.extend([&signed.key].into_iter().chain(&signed.publish).filter_map(unreadable));
    if mistakes.len() > before {
        return;
    }
    match signer(signed, "") {
        Ok(_) => {}
        Err(mistake) => mistakes.push(mistake),
    }
    let headers = headers(&config.identity);
    let example = signer(signed, "").ok();
    match headers {
        Err(mistake) => mistakes.push(mistake),
        Ok(forward) => {
            let signed_header = example.map(|signer| forward.signed(&signed.header.value, signer));
            if let Some(Err(error)) = signed_header {
                mistakes.push(signed.header.mistake(error.to_string()));
            }
        }
    }
    for route in &config.routes {
        if route.audience.is_none() {
            let what = "a route needs `audience`, the name of its upstream, for signed identities";
            mistakes.push(Mistake { line: route.line, what: what.to_owned() });
        }
    }
}

/// Finds upstreams that cannot tell who is who.
fn told_apart(config: &Config, mistakes: &mut Vec<Mistake>) {
    let Identity { client_id, auth_method, signed, .. } = &config.identity;
    let is_said = auth_method.is_some() || signed.is_some();
    for route in &config.routes {
        // Which may check for itself.
        let checks = route.keep_credentials && matches!(route.target, Target::Upstream(_));
        if route.optional && client_id.is_none() && !is_said && !checks {
            let what =
                "this route is `optional`, and without `[identity]` nobody is taken for a client";
            mistakes.push(Mistake { line: route.line, what: what.to_owned() });
        }
    }
    let is_public = |route: &&Route| {
        let methods = route.auth_methods.as_ref();
        let has_none =
            |methods: &Vec<At<_>>| methods.iter().any(|method| method.value == AuthMethod::None);
        route.kind == Kind::Form && methods.is_none_or(has_none)
    };
    if let Some(client_id) = client_id
        && !is_said
        && let Some(route) = config.routes.iter().find(is_public)
    {
        let line = route.line;
        let what = format!(
            "a public client, whose id anybody may give, is not told apart: `auth_method` is to be set, or \
             `auth_methods` without `none` in line {line}"
        );
        mistakes.push(client_id.mistake(what));
    }
}

/// Without the signed one.
fn headers(identity: &Identity) -> Result<Forward, Mistake> {
    type Set = fn(Forward, &str) -> Result<Forward, ConfigError>;
    let settings: [(&Option<At<String>>, Set); 3] = [
        (&identity.client_id, Forward::identity),
        (&identity.auth_method, Forward::auth_method),
        (&identity.thumbprint, Forward::thumbprint),
    ];
    settings.into_iter().try_fold(Forward::new(), |forward, (name, set)| match name {
        Some(name) => set(forward, &name.value).map_err(|error| name.mistake(error.to_string())),
        None => Ok(forward),
    })
}

fn signer(signed: &Signed, audience: &str) -> Result<IdentitySigner, Mistake> {
    let read = |file: &At<std::path::PathBuf>| {
        let key = std::fs::read(&file.value)
            .map_err(|error| file.mistake(format!("{}: {error}", file.value.display())))?;
        IdentitySigner::new(key, &signed.issuer.value, audience)
            .map_err(|error| file.mistake(format!("{}: {error}", file.value.display())))
    };
    let signer = read(&signed.key)?
        .lifetime(signed.lifetime)
        .map_err(|error| signed.header.mistake(error.to_string()))?;
    signed.publish.iter().try_fold(signer, |signer, file| Ok(signer.publish(&read(file)?)))
}

/// The setting of the layer of a route.
pub(crate) fn forward(config: &Config, route: &Route) -> Result<Forward, Mistake> {
    let mut forward = headers(&config.identity)?.add_client_id(route.add_client_id);
    // With it the layer removes them itself, but those that it reads.
    if config.certificates.is_none()
        && config.listeners.iter().any(|listener| listener.tls.is_some())
    {
        forward = forward.ends_tls();
    }
    // A check answers with headers of its own: the credentials of its caller are with the proxy that asks.
    if route.keep_credentials && matches!(route.target, Target::Upstream(_)) {
        forward = forward.keep_credentials();
    }
    let Some(signed) = &config.identity.signed else { return Ok(forward) };
    let audience = route.audience.as_ref().map_or("", |audience| &audience.value);
    forward
        .signed(&signed.header.value, signer(signed, audience)?)
        .map_err(|error| signed.header.mistake(error.to_string()))
}

/// The keys that upstreams verify identities with.
pub(crate) fn jwks(config: &Config) -> Result<Option<String>, Mistake> {
    let signed = config.identity.signed.as_ref();
    signed.map(|signed| Ok(signer(signed, "")?.jwks())).transpose()
}

/// The headers that say who the client is.
pub(crate) fn names(config: &Config) -> Vec<http::HeaderName> {
    let Identity { client_id, auth_method, thumbprint, signed } = &config.identity;
    let signed = signed.as_ref().map(|signed| &signed.header);
    let names = [client_id.as_ref(), auth_method.as_ref(), thumbprint.as_ref(), signed];
    names.into_iter().flatten().filter_map(|name| name.value.parse().ok()).collect()
}
