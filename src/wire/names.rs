//! Names of header fields, in every spelling that somebody behind may take for them.

use std::{iter, slice, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

/// By which a proxy tells of certificates (RFC 9440 §2), whichever header is read here, if one is. Who ends TLS must not hand
/// on those of a caller (§2.4).
pub(crate) static OF_PROXIES: [HeaderName; 3] = [
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
    HeaderName::from_static("x-forwarded-client-cert"),
];

/// Some names. CGI and what came after it make variables of names, in which every character but letters
/// and digits is `_` (RFC 3875 §4.1.18): to them `X_Client.Id` is `X-Client-Id`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<[HeaderName]>);

impl FromIterator<HeaderName> for Names {
    fn from_iter<I: IntoIterator<Item = HeaderName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// Whether somebody may take one of these names for the other.
pub(crate) fn is_like(name: &[u8], other: &[u8]) -> bool {
    let fold =
        |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == other.len() && name.iter().zip(other).all(|(one, two)| fold(one) == fold(two))
}

impl Names {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` is one of them, or like one of them.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|one| is_like(one.as_str().as_bytes(), name))
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, HeaderName> {
        self.0.iter()
    }

    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        remove_if(headers, |name| self.has(name.as_str().as_bytes()));
    }
}

/// Removes the headers whose name `goes`, and tells whether there were any.
pub(crate) fn remove_if(
    headers: &mut HeaderMap,
    mut goes: impl FnMut(&HeaderName) -> bool,
) -> bool {
    let found: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    found.iter().for_each(|name| drop(headers.remove(name)));
    !found.is_empty()
}

/// Takes the elements that `goes` is true of out of the list that the fields `list` are. What is left
/// stays as it is.
pub(crate) fn remove_elements(
    headers: &mut HeaderMap,
    list: &HeaderName,
    goes: impl Fn(&[u8]) -> bool,
) {
    let elements = |value: &HeaderValue| -> Vec<Vec<u8>> {
        let elements = value.as_bytes().split(|byte| *byte == b',');
        elements.map(|element| element.trim_ascii().to_vec()).collect()
    };
    let named =
        headers.get_all(list).iter().any(|value| elements(value).iter().any(|one| goes(one)));
    if !named {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(list)
        .iter()
        .filter_map(|value| {
            let mut kept = elements(value);
            kept.retain(|element| !element.is_empty() && !goes(element));
            if kept.is_empty() {
                None
            } else {
                HeaderValue::from_bytes(&kept.join(&b", "[..])).ok()
            }
        })
        .collect();
    headers.remove(list);
    // There was room for as many.
    for (name, value) in iter::repeat(list).zip(kept) {
        let _appended = headers.try_append(name, value);
    }
}
