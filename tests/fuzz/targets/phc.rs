#![no_main]

use tower_client_auth::ClientSecret;

/// 1 GiB, in KiB.
const MEMORY: u64 = 1024 * 1024;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match ClientSecret::phc(text) {
        Ok(secret) => {
            assert_eq!(format!("{secret:?}"), "ClientSecret { phc: [redacted] }");
            let mut fields = text.split('$');
            assert_eq!(fields.next(), Some(""));
            let algorithm = fields.next().unwrap();
            let parameters = fields.find(|field| !field.starts_with("v=")).unwrap();
            let parameter = |name: &str| {
                let mut pairs = parameters.split(',').filter_map(|pair| pair.split_once('='));
                pairs.find(|pair| pair.0 == name).map(|pair| pair.1.parse::<u64>().unwrap())
            };
            match algorithm {
                "argon2id" => assert!(parameter("m").is_none_or(|m| m <= MEMORY)),
                "scrypt" => {
                    let (ln, r) = (parameter("ln").unwrap_or(17), parameter("r").unwrap_or(8));
                    assert!(r << ln <= 8 * MEMORY);
                }
                "pbkdf2-sha256" | "pbkdf2-sha512" => {}
                _ => panic!("{algorithm} is none that was promised"),
            }
        }
        Err(error) => assert!(error.to_string().starts_with("not a PHC string of argon2id, ")),
    }
});
