#![no_main]

libfuzzer_sys::fuzz_target!(|credentials: &[u8]| {
    tower_client_auth_fuzz::refuses(Some(credentials), Vec::new());
    let encoded = format!("Basic {}", tower_client_auth_fuzz::base64(credentials));
    tower_client_auth_fuzz::refuses(Some(encoded.as_bytes()), Vec::new());
});
