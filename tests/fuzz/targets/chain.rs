#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_client_auth_fuzz::chain::check(input));
