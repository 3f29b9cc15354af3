#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| tower_client_auth_fuzz::refuses(None, body.to_vec()));
