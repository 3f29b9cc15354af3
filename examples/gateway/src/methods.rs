//! Which methods clients can authenticate with, and what is missing for the others.

use tower_client_auth::AuthMethod;

use crate::config::{CertificateSource, Config, Kind, Route, Verified};

/// Those that the layer knows.
const ALL: [AuthMethod; 9] = [
    AuthMethod::None,
    AuthMethod::ClientSecretBasic,
    AuthMethod::ClientSecretPost,
    AuthMethod::ClientSecretJwt,
    AuthMethod::PrivateKeyJwt,
    AuthMethod::SpiffeJwt,
    AuthMethod::TlsClientAuth,
    AuthMethod::SelfSignedTlsClientAuth,
    AuthMethod::AttestJwtClientAuth,
];

/// Why clients of this method cannot be authenticated at this route, if its `auth_methods` have it.
pub(crate) fn missing(method: &AuthMethod, route: &Route, config: &Config) -> Option<&'static str> {
    match method {
        AuthMethod::ClientSecretBasic => None,
        _ if route.kind == Kind::HeadersOnly => {
            Some("takes a form, which a route with `headers_only` or `forward_auth` does not read")
        }
        method => missing_section(method, config),
    }
}

/// Why they cannot be at any.
fn missing_section(method: &AuthMethod, config: &Config) -> Option<&'static str> {
    match method {
        AuthMethod::None | AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => None,
        AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt | AuthMethod::SpiffeJwt => {
            let is_missing = config.assertions.is_none() && !config.is_unread("assertions");
            is_missing.then_some("needs `[assertions]`")
        }
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth
            if config.is_unread("certificates") =>
        {
            None
        }
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth
            if config.certificates.is_none() =>
        {
            Some("needs `[certificates]`, where certificates come from")
        }
        AuthMethod::TlsClientAuth if !verifies(config) => Some(
            "needs certificates that are verified: `client_ca` of a listener, or `verified_header` of `[certificates]`",
        ),
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => None,
        _ => Some("is not supported by this gateway"),
    }
}

fn verifies(config: &Config) -> bool {
    match config.certificates.as_ref().map(|certificates| &certificates.source) {
        Some(CertificateSource::Header { verified, .. }) => *verified != Verified::Never,
        _ => {
            let mut tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
            tls.any(|tls| tls.client_ca.is_some()) || config.is_unread("listener")
        }
    }
}

/// The methods that no route accepts.
#[derive(Clone, Debug)]
pub(crate) struct Unaccepted(Vec<(AuthMethod, &'static str)>);

impl Unaccepted {
    pub(crate) fn new(config: &Config) -> Self {
        let why = |method: &AuthMethod| {
            let takes = |route: &Route| {
                let named = route
                    .auth_methods
                    .as_ref()
                    .is_none_or(|methods| methods.iter().any(|named| named.value == *method));
                named && missing(method, route, config).is_none()
            };
            if config.routes.iter().any(takes) {
                return None;
            }
            Some(missing_section(method, config).unwrap_or(
                "is accepted by no `[[route]]`: `headers_only`, `forward_auth` or `auth_methods` leaves it out",
            ))
        };
        let unaccepted = ALL.into_iter().filter_map(|method| why(&method).map(|why| (method, why)));
        Self(unaccepted.collect())
    }

    /// Why clients of this method cannot be authenticated.
    pub(crate) fn why(&self, method: &AuthMethod) -> Option<&'static str> {
        self.0.iter().find(|(unaccepted, _)| unaccepted == method).map(|(_, why)| *why)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, Unaccepted};
    use crate::{auth, clients::Clients, config::Config};

    // What `--check` says must be what the layer does.
    #[test]
    fn accepted_methods_are_those_of_the_layers() {
        const ASSERTIONS: &str = "[assertions]\nissuer = \"https://as.example\"\n";
        const HEADER: &str = "[certificates]\nsource = \"header\"\nencoding = \"xfcc\"\ntrusted_proxies = [\"10.0.0.1\"]\nverified_by_proxy = true\n";
        const ROUTE: &str = "[[route]]\npath = \"/a\"\nupstream = \"http://127.0.0.1:1\"\n";
        const BASIC: &str =
            "[[route]]\nprefix = \"/\"\nupstream = \"http://127.0.0.1:1\"\nheaders_only = true\n";
        let directory =
            std::env::temp_dir().join(format!("gateway-methods-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("clients.json"), "[]").unwrap();
        let named =
            format!("{ROUTE}auth_methods = [\"none\", \"spiffe_jwt\", \"tls_client_auth\"]\n");
        for rest in [
            ROUTE.to_owned(),
            BASIC.to_owned(),
            format!("{ASSERTIONS}{ROUTE}"),
            format!("{HEADER}{ROUTE}"),
            format!("{ASSERTIONS}{HEADER}{BASIC}"),
            format!("{ASSERTIONS}{HEADER}{named}{BASIC}"),
        ] {
            let text = format!(
                "[[listener]]\naddress = \"127.0.0.1:0\"\n[clients]\nfile = \"clients.json\"\n{rest}"
            );
            let path = directory.join("gateway.toml");
            std::fs::write(&path, text).unwrap();
            let config = Config::read(&path).unwrap();
            let clients = Clients::open(&config).unwrap();
            let base = auth::base(&config, clients, &mut auth::Memory::default()).unwrap();
            let layers = config.routes.iter().map(|route| auth::layer(&base, &config, route, "-"));
            let accepted: BTreeSet<_> =
                layers.flat_map(|layer| layer.unwrap().auth_methods_supported()).collect();
            let unaccepted = Unaccepted::new(&config);
            let said = ALL.iter().filter(|method| unaccepted.why(method).is_none());
            assert_eq!(
                said.map(|method| method.as_str()).collect::<BTreeSet<_>>(),
                accepted,
                "{rest}"
            );
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
