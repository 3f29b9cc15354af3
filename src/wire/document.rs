//! The JSON document of an error.

/// RFC 6749 §5.2. The members that are empty are left out.
pub(crate) fn document(code: &str, description: &str, uri: &str) -> String {
    let mut json = String::with_capacity(64 + code.len() + description.len() + uri.len());
    json.push_str(r#"{"error":""#);
    json.extend(permitted(code));
    if !description.is_empty() {
        json.push_str(r#"","error_description":""#);
        json.extend(permitted(description));
    }
    if !uri.is_empty() {
        json.push_str(r#"","error_uri":""#);
        for byte in uri.bytes() {
            match byte {
                b'!' | b'#'..=b'[' | b']'..=b'~' => json.push(char::from(byte)),
                _ => json.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    json.push_str(r#""}"#);
    json
}

/// RFC 6749 §5.2 has no other characters in these texts, and so JSON has nothing to escape.
pub(crate) fn permitted(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        ' '..='!' | '#'..='[' | ']'..='~' => character,
        '"' => '\'',
        '\\' => '/',
        _ => '?',
    })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::document;
    use crate::error::kind::ErrorKind;

    #[test]
    fn document_of_each_reason_is_the_one_that_the_layer_sends() {
        // Of each answer one; all are made by the same macro.
        for kind in [
            ErrorKind::MethodNotAllowed,
            ErrorKind::UnsupportedMediaType,
            ErrorKind::WrongSecret,
            ErrorKind::Provider,
            ErrorKind::Panicked,
            ErrorKind::Throttled,
        ] {
            let answer = &kind.entry().answer;
            assert_eq!(document(answer.code, answer.description, ""), answer.json);
        }
    }

    #[test]
    fn no_text_breaks_out_of_the_document() {
        let hostile: String = (0..0x250).filter_map(char::from_u32).collect();
        let json = document("a\"b", &hostile, &hostile);
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read["error"], "a'b");
        let description = read["error_description"].as_str().unwrap();
        assert_eq!(description.len(), 0x250);
        assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\'), "{json}");
        let uri = read["error_uri"].as_str().unwrap();
        assert!(!uri.contains(' ') && uri.contains("%20!%22#") && uri.contains("%C3%A9"), "{uri}");
    }
}
