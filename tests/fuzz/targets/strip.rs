#![no_main]

libfuzzer_sys::fuzz_target!(|form: &[u8]| tower_client_auth_fuzz::strip::check(form));
