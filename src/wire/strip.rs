//! A form without the credentials in it.

use crate::wire::form::{Parameter, name_length};

/// The form without `client_secret`, `client_assertion` and `client_assertion_type`, also where they have no
/// value, and without one `&` for each of them. Everything else stays byte for byte. `None` if it has none of them.
///
/// Names are decoded as the scan decodes them: nothing is left that it would have read.
pub(crate) fn without_credentials(form: &[u8]) -> Option<Vec<u8>> {
    let mut start = 0;
    let mut kept: Option<Vec<u8>> = None;
    // Whether something is in front of the pair, and be it an empty pair.
    let mut begun = false;
    loop {
        let rest = form.get(start..)?;
        let end = memchr::memchr(b'&', rest);
        let pair = rest.get(..end.unwrap_or(rest.len()))?;
        if holds_credential(pair) {
            kept = kept.or_else(|| copied(form, start));
        } else {
            if let Some(kept) = &mut kept {
                if begun {
                    kept.push(b'&');
                }
                kept.extend_from_slice(pair);
            }
            begun = true;
        }
        let Some(end) = end else { return kept };
        start += end + 1;
    }
}

/// What is in front of the pair at `start`, without the `&` between them.
#[cold]
fn copied(form: &[u8], start: usize) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(form.len());
    kept.extend_from_slice(form.get(..start.saturating_sub(1))?);
    Some(kept)
}

fn holds_credential(pair: &[u8]) -> bool {
    use Parameter::{ClientAssertion, ClientAssertionType, ClientSecret};
    // Encoded or not, the name begins with a `c`.
    matches!(pair, [b'c' | b'%', ..])
        && matches!(name(pair), Some(ClientSecret | ClientAssertion | ClientAssertionType))
}

fn name(pair: &[u8]) -> Option<Parameter> {
    pair.get(..name_length(pair)).and_then(Parameter::of)
}

/// Whether the form has a `client_id`, and be it without a value.
pub(crate) fn has_client_id(form: &[u8]) -> bool {
    form.split(|byte| *byte == b'&').any(|pair| name(pair) == Some(Parameter::ClientId))
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    fn strip(form: &str) -> Option<String> {
        without_credentials(form.as_bytes()).map(|kept| String::from_utf8_lossy(&kept).into_owned())
    }

    #[test]
    fn credentials_go_with_one_separator_each() {
        for (form, kept) in [
            ("a=1&client_secret=s&b=2&client_id=x", "a=1&b=2&client_id=x"),
            ("client_secret=s&a=1", "a=1"),
            ("a=1&client_secret=s", "a=1"),
            ("client_secret=s", ""),
            ("client_secret", ""),
            ("client_secret=&a", "a"),
            ("&client_secret=s", ""),
            ("client_secret=s&", ""),
            ("&client_secret=s&", "&"),
            ("&&client_secret=s&&a=%zz&", "&&&a=%zz&"),
            ("a&client_secret=1&client_secret=2&b", "a&b"),
            ("client_assertion=a.b.c&a=+%2B&client_assertion_type=urn", "a=+%2B"),
            ("a=1&client%5Fsecret=s&b", "a=1&b"),
            ("%63lient_assertion%5ftype=s&b", "b"),
            ("a=client_secret=s&client_secret=a=b", "a=client_secret=s"),
        ] {
            assert_eq!(strip(form).as_deref(), Some(kept), "{form}");
        }
    }

    #[test]
    fn form_without_credentials_is_not_copied() {
        for form in [
            "",
            "&",
            "&&a",
            "a=1&client_id=x",
            "client_secrets=s&client_secre=s&Client_secret=s",
            "a=client_secret=s",
            "a;client_secret=s",
            "%zclient_secret=s&client%5zsecret=s",
            "+client_secret=s&client_secret+=s",
        ] {
            assert_eq!(strip(form), None, "{form}");
        }
    }
}
