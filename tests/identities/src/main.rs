//! Prints signed identities as JSON: the keys of a gateway, and for each of its kinds of key the tokens that an upstream
//! must accept, and those that it must refuse.
//!
//! `tests/interop/identities/run` gives them to the programs of `src/docs/forwarding.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod tokens;

fn main() {
    println!("{}", tokens::all());
}

/// The program of the page in Rust.
#[cfg(test)]
mod tests {
    use serde_json::Value;

    // As it is there, with what it imports.
    mod page {
        include!(concat!(env!("OUT_DIR"), "/page.rs"));

        pub(super) fn subject(token: &str, keys: &str) -> Option<String> {
            let keys: JwkSet = serde_json::from_str(keys).unwrap();
            client(token, &keys).ok().map(|claims| format!("{} {}", claims.sub, claims.auth_method))
        }
    }

    #[test]
    fn identity_is_accepted_and_what_looks_like_one_is_not() {
        let all: Value = serde_json::from_str(&crate::tokens::all()).unwrap();
        let keys = all["jwks"].to_string();
        let mut seen = Vec::new();
        for token in all["tokens"].as_array().unwrap() {
            let found = page::subject(token["token"].as_str().unwrap(), &keys);
            let expected = token["client"].as_str().map(str::to_owned);
            assert_eq!(found, expected, "{token}");
            seen.push(expected.is_some());
        }
        assert_eq!(seen.iter().filter(|accepted| **accepted).count(), 2);
        assert!(seen.len() > 12);
    }
}
