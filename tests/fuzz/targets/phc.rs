#![no_main]

use tower_client_auth::ClientSecret;

/// Only reads: no hash is computed.
libfuzzer_sys::fuzz_target!(|text: &str| {
    match ClientSecret::phc(text) {
        Ok(secret) => {
            assert_eq!(format!("{secret:?}"), "ClientSecret { phc: [redacted] }");
            let mut fields = text.split('$');
            assert_eq!(fields.next(), Some(""));
            let algorithm = fields.next().unwrap();
            let parameters = fields.find(|field| !field.starts_with("v=")).unwrap();
            let parameter = |name: &str, default: u64| {
                let mut pairs = parameters.split(',').filter_map(|pair| pair.split_once('='));
                pairs.find(|pair| pair.0 == name).map_or(default, |pair| pair.1.parse().unwrap())
            };
            match algorithm {
                "argon2id" => {
                    let (m, t) = (parameter("m", 19_456), parameter("t", 2));
                    assert!(m <= 1 << 20 && m * t <= 4 << 20 && parameter("p", 1) <= 64);
                }
                "scrypt" => {
                    let (r, p) = (parameter("r", 8), parameter("p", 1));
                    let n = 1 << parameter("ln", 17);
                    assert!(128 * (n + p) * r <= 1 << 30 && n * r * p <= 1 << 25);
                }
                "pbkdf2-sha256" | "pbkdf2-sha512" => {
                    assert!(parameter("i", 600_000) <= 10_000_000);
                }
                _ => panic!("{algorithm} is none that was promised"),
            }
        }
        Err(error) => {
            // It says what is promised, and nothing of the text.
            let error = error.to_string();
            assert!(error.len() < 100 && !error.contains('$'), "{error}");
        }
    }
});
