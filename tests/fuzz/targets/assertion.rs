#![no_main]

libfuzzer_sys::fuzz_target!(|assertion: &[u8]| {
    let kind = b"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    // As it is, and as three texts of a compact form, so that the inner parsers are reached.
    tower_client_auth_fuzz::refuses(None, [&kind[..], b"&client_assertion=", assertion].concat());
    let parts: Vec<String> =
        assertion.splitn(3, |byte| *byte == b'\n').map(tower_client_auth_fuzz::base64url).collect();
    let compact = parts.join(".");
    tower_client_auth_fuzz::refuses(
        None,
        [&kind[..], b"&client_assertion=", compact.as_bytes()].concat(),
    );
});
