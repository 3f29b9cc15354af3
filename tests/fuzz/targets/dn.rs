#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| tower_client_auth_fuzz::certificates::check_names(text));
