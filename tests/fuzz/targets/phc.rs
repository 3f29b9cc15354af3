#![no_main]

use argon2::{
    Argon2, PasswordVerifier,
    password_hash::{Error, phc::PasswordHash},
};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;
use tower_client_auth::ClientSecret;

/// What is accepted is within the limits, and is computed when it is verified.
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
            let cheapest = match algorithm {
                "argon2id" => {
                    let (m, t, p) = (parameter("m", 19_456), parameter("t", 2), parameter("p", 1));
                    assert!(m <= 1 << 20 && m * t <= 4 << 20 && p <= 64);
                    format!("m={},t=1,p={p}", 8 * p)
                }
                "scrypt" => {
                    let (r, p) = (parameter("r", 8), parameter("p", 1));
                    let n = 1 << parameter("ln", 17);
                    assert!(128 * (n + p) * r <= 1 << 30 && n * r * p <= 1 << 25);
                    "ln=1,r=1,p=1".to_owned()
                }
                "pbkdf2-sha256" | "pbkdf2-sha512" => {
                    assert!(parameter("i", 600_000) <= 10_000_000);
                    "i=1000".to_owned()
                }
                _ => panic!("{algorithm} is none that was promised"),
            };
            verify(text, parameters, cheapest);
        }
        Err(error) => {
            // It says what is promised, and nothing of the text.
            let error = error.to_string().replacen("begins with `$`", "", 1);
            assert!(error.len() < 100 && !error.contains('$'), "{error}");
        }
    }
});

/// Verifies with the same hash and other parameters.
fn verify(text: &str, parameters: &str, mut other: String) {
    let text = if parameters.contains('=') {
        for pair in parameters.split(',') {
            if ["keyid=", "data=", "l="].iter().any(|name| pair.starts_with(name)) {
                other = format!("{other},{pair}");
            }
        }
        text.replacen(parameters, &other, 1)
    } else {
        // That is the salt.
        text.replacen(&format!("${parameters}$"), &format!("${other}${parameters}$"), 1)
    };
    assert!(ClientSecret::phc(&text).is_ok(), "{text}");
    let hash = PasswordHash::new(&text).unwrap();
    let verified = match hash.algorithm.as_str() {
        "argon2id" => Argon2::default().verify_password(b"s3cr3t", &hash),
        "scrypt" => Scrypt::default().verify_password(b"s3cr3t", &hash),
        _ => Pbkdf2::default().verify_password(b"s3cr3t", &hash),
    };
    assert!(matches!(verified, Ok(()) | Err(Error::PasswordInvalid)), "{text}: {verified:?}");
}
