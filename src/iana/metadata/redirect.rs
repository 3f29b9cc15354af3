//! Which redirect URIs a client may use.

use crate::iana::metadata::ClientMetadata;

/// RFC 8252 §7.3 has the addresses; programs that people run use the name, too (§8.3 advises against it).
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

impl ClientMetadata {
    /// Whether an authorization endpoint may redirect to this URI: it is one of the
    /// [`redirect_uris`](Self::redirect_uris), byte for byte (RFC 9700 §4.1.3), or one of them with another
    /// port where both are `http` on the same loopback host (`127.0.0.1`, `[::1]` or `localhost`; RFC 8252 §7.3).
    ///
    /// Nothing tells which program answers at a loopback port, so show the user where the answer goes.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::ClientMetadata;
    ///
    /// let mut client = ClientMetadata::new("https://client.example/oauth");
    /// client.redirect_uris =
    ///     vec!["https://client.example/callback".to_owned(), "http://127.0.0.1/callback".to_owned()];
    ///
    /// assert!(client.allows_redirect("https://client.example/callback"));
    /// assert!(client.allows_redirect("http://127.0.0.1:49152/callback"));
    /// assert!(!client.allows_redirect("https://client.example:8443/callback"));
    /// assert!(!client.allows_redirect("http://127.0.0.1:49152/other"));
    /// assert!(!client.allows_redirect("http://localhost:49152/callback"));
    /// ```
    #[must_use]
    pub fn allows_redirect(&self, redirect_uri: &str) -> bool {
        let on_loopback = loopback(redirect_uri);
        self.redirect_uris.iter().any(|registered| {
            registered == redirect_uri
                || on_loopback.is_some_and(|requested| loopback(registered) == Some(requested))
        })
    }
}

/// The host, and what follows the port, of an `http` URI on the loopback interface.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    LOOPBACK.into_iter().find_map(|host| {
        let port = authority.strip_prefix(host)?;
        let is_port = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| {
                port.bytes().all(|byte| byte.is_ascii_digit())
                    && port.parse() != Ok(0_u16)
                    && port.parse::<u16>().is_ok()
            });
        is_port.then_some((host, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_is_exact_but_for_the_port_of_a_loopback_host() {
        let with = |registered: &str| {
            let mut client = ClientMetadata::new("a");
            client.redirect_uris = vec![registered.to_owned()];
            client
        };
        for (registered, requested) in [
            ("https://a.example/cb", "https://a.example/cb"),
            ("cursor://callback", "cursor://callback"),
            ("http://localhost/callback", "http://localhost:3118/callback"),
            ("http://localhost:1/callback", "http://localhost/callback"),
            ("http://127.0.0.1/cb?a=b", "http://127.0.0.1:65535/cb?a=b"),
            ("http://[::1]:80/cb", "http://[::1]:8080/cb"),
            ("http://127.0.0.1", "http://127.0.0.1:1"),
        ] {
            assert!(with(registered).allows_redirect(requested), "{registered} {requested}");
        }
        for (registered, requested) in [
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("https://a.example/cb", "https://a.example:443/cb"),
            ("https://localhost/cb", "https://localhost:8443/cb"),
            ("http://a.example/cb", "http://a.example:8080/cb"),
            ("http://localhost/cb", "http://127.0.0.1/cb"),
            ("http://localhost/cb", "http://localhost:8080/other"),
            ("http://localhost/cb", "http://localhost:8080/cb?x"),
            ("http://localhost/cb", "http://localhost:8080/cb#x"),
            ("http://localhost/cb", "http://localhost:0/cb"),
            ("http://localhost/cb", "http://localhost:65536/cb"),
            ("http://localhost/cb", "http://localhost:+1/cb"),
            ("http://localhost/cb", "http://localhost:/cb"),
            ("http://localhost/cb", "http://localhost:80@evil.example/cb"),
            ("http://localhost/cb", "http://localhost.evil.example/cb"),
            ("http://localhost/cb", "http://localhost@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.2:1/cb"),
            ("http://127.0.0.1/cb", r"http://127.0.0.1:1\cb"),
            ("", "http://localhost/"),
        ] {
            assert!(!with(registered).allows_redirect(requested), "{registered} {requested}");
        }
        assert!(!ClientMetadata::new("a").allows_redirect(""));
    }
}
