//! A form without the credentials in it.

use crate::wire::form::{Parameter, begins_with_mark, name_length, parameters_of};

/// The form without `client_secret`, `client_assertion` and `client_assertion_type`, also where they have no
/// value, and without one `&` for each of them. Everything else stays byte for byte. `None` if it has none of them.
///
/// Names are decoded as the scan decodes them: nothing is left that it would have read. A byte order mark behind what
/// was removed keeps its `&`: at the beginning some would skip it, and read the name behind it.
pub(crate) fn without_credentials(form: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Option<Kept> = None;
    // Where the pairs begin that stay together.
    let mut run = 0;
    let mut start = 0;
    loop {
        let rest = form.get(start..)?;
        let end = memchr::memchr(b'&', rest);
        let pair = rest.get(..end.unwrap_or(rest.len()))?;
        if holds_credential(pair) {
            let kept = kept.get_or_insert_with(|| Kept::with_capacity(form.len()));
            if run < start {
                kept.push(form.get(run..start - 1)?);
            }
            run = start + pair.len() + 1;
        }
        let Some(end) = end else { break };
        start += end + 1;
    }
    let mut kept = kept?;
    // None behind a credential without a separator.
    if let Some(last) = form.get(run..) {
        kept.push(last);
    }
    if begins_with_mark(&kept.form) {
        kept.form.insert(0, b'&');
    }
    Some(kept.form)
}

/// What stays of a form.
struct Kept {
    form: Vec<u8>,
    /// Whether something is in it, and be it an empty pair.
    begun: bool,
}

impl Kept {
    #[cold]
    fn with_capacity(length: usize) -> Self {
        Self { form: Vec::with_capacity(length), begun: false }
    }

    fn push(&mut self, pairs: &[u8]) {
        if self.begun {
            self.form.push(b'&');
        }
        self.form.extend_from_slice(pairs);
        self.begun = true;
    }
}

fn holds_credential(pair: &[u8]) -> bool {
    use Parameter::{ClientAssertion, ClientAssertionType, ClientSecret};
    // Encoded or not, the name begins with a `c`.
    matches!(pair, [b'c' | b'%', ..])
        && matches!(
            pair.get(..name_length(pair)).and_then(Parameter::of),
            Some(ClientSecret | ClientAssertion | ClientAssertionType)
        )
}

/// Whether the form has a `client_id`, and be it without a value.
pub(crate) fn has_client_id(form: &[u8]) -> bool {
    parameters_of(form).any(|(name, _value)| Parameter::of(name) == Some(Parameter::ClientId))
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn byte_order_mark_does_not_come_to_the_beginning() {
        for mark in [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe"] {
            let form = |before: &[u8]| [before, mark, b"client_id=x&a"].concat();
            for before in [&b"client_secret=s&"[..], b"client_secret=s&client_assertion&"] {
                assert_eq!(without_credentials(&form(before)), Some(form(b"&")));
            }
            assert_eq!(without_credentials(&form(b"a&client_secret=s&")), Some(form(b"a&")));
        }
    }

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

/// Any form, with the scan as the judge: what it would read of a pair goes, and nothing else.
#[cfg(all(test, private_tests))]
mod properties {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::without_credentials;
    use crate::wire::{
        form::{Form, Repeated, begins_with_mark, scan},
        limits::Limits,
    };

    fn read(form: &[u8]) -> Option<Form<'_>> {
        let limits = Limits::new().parameters(usize::MAX);
        scan(form, &limits, Repeated::LastWins).ok()
    }

    fn has_credential(form: &Form<'_>) -> bool {
        form.client_secret.is_some()
            || form.client_assertion.is_some()
            || form.client_assertion_type.is_some()
    }

    /// Whether the scan would read a credential here, if it had a value.
    fn is_credential(pair: &[u8]) -> bool {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        read(&[name, b"=x"].concat()).is_some_and(|form| has_credential(&form))
    }

    /// The name with some of its bytes as escapes.
    fn encoded(name: &'static str) -> impl Strategy<Value = Vec<u8>> {
        vec(0..3_u8, name.len()).prop_map(move |how| {
            let encode = |(byte, how): (u8, u8)| match how {
                0 => format!("%{byte:02X}").into_bytes(),
                1 => format!("%{byte:02x}").into_bytes(),
                _ => vec![byte],
            };
            name.bytes().zip(how).flat_map(encode).collect()
        })
    }

    fn pair() -> impl Strategy<Value = Vec<u8>> {
        let plain = select(vec![
            &b"client_secret"[..],
            b"client_assertion",
            b"client_assertion_type",
            b"client_id",
            b"\xef\xbb\xbfclient_id",
            b"client_secrets",
            b"Client_secret",
            b"client%5zsecret",
            b"client_secret%",
            b"client_secret[]",
            b"scope",
            b"",
        ]);
        let name = prop_oneof![
            3 => plain.prop_map(<[u8]>::to_vec),
            1 => encoded("client_secret"),
            1 => encoded("client_assertion"),
            1 => encoded("client_assertion_type"),
            1 => vec(any::<u8>(), 0..24),
        ];
        let value = prop_oneof![
            Just(vec![]),
            Just(b"=".to_vec()),
            vec(any::<u8>(), 0..8).prop_map(|value| [b"=", &value[..]].concat()),
        ];
        (name, value).prop_map(|(name, value)| [name, value].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(4096)
        })]

        #[test]
        fn all_that_the_scan_would_read_goes_and_nothing_else(pairs in vec(pair(), 0..7)) {
            let form = pairs.join(&b'&');
            let pairs = || form.split(|byte| *byte == b'&');
            let mut kept = pairs().filter(|pair| !is_credential(pair)).collect::<Vec<_>>();
            let stripped = without_credentials(&form);
            prop_assert_eq!(stripped.is_none(), kept.len() == pairs().count());
            if let Some(stripped) = stripped {
                if kept.first().is_some_and(|first| begins_with_mark(first)) {
                    kept.insert(0, b"");
                }
                prop_assert_eq!(&stripped, &kept.join(&b'&'));
                // One that begins with a mark is refused before.
                if read(&form).is_some() {
                    prop_assert!(read(&stripped).is_some_and(|form| !has_credential(&form)));
                }
            }
        }
    }
}
