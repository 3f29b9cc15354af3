//! Media types, codings and other lists.

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, Error, RegisteredClient, provider::MemoryProvider,
};

use crate::{FORM, form, send};

const NAMES: [&str; 4] = ["content-type", "content-encoding", "te", "transfer-encoding"];

/// Each line is a header; its first byte says which.
pub fn check(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(8) {
        let Some((first, value)) = line.split_first() else { continue };
        let name = NAMES[usize::from(first % 4)];
        let Ok(value) = HeaderValue::from_bytes(value.trim_ascii()) else { return };
        headers.append(HeaderName::from_static(name), value);
    }
    let clients = || {
        MemoryProvider::from_iter([RegisteredClient::secret_post(
            "d",
            [ClientSecret::plain("right")],
            (),
        )])
    };
    let status = |layer: ClientAuthLayer<MemoryProvider<()>>, version| {
        let mut request = form("client_id=d&client_secret=right");
        *request.headers_mut() = headers.clone();
        *request.version_mut() = version;
        let response = send(layer, request);
        let accepted = response.extensions().get::<Error>().is_none();
        (accepted, response.headers().contains_key("grpc-status"))
    };

    let (accepted, grpc) = status(ClientAuthLayer::new(clients()), Version::HTTP_11);
    assert!(!grpc, "a caller chose how it is answered");
    assert_eq!(accepted, is_a_form(&headers), "{headers:?}");

    let headers_only = ClientAuthLayer::new(clients()).headers_only().unwrap();
    assert_eq!(status(headers_only, Version::HTTP_11), (false, false));

    for version in [Version::HTTP_11, Version::HTTP_2] {
        let layer = ClientAuthLayer::new(clients()).grpc().unwrap();
        let (accepted, grpc) = status(layer, version);
        assert!(!accepted);
        let trailers =
            version == Version::HTTP_2 || elements(&headers, "te").any(|te| te == "trailers");
        assert_eq!(grpc, is_grpc(&headers, trailers), "{headers:?}");
    }
}

/// The elements of a list, in lower case.
fn elements<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = String> + use<'a> {
    let values = headers.get_all(name).iter().map(|value| value.as_bytes().to_ascii_lowercase());
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect();
    let all = values.join(",");
    let elements: Vec<_> = all.split(',').map(|element| element.trim_ascii().to_owned()).collect();
    elements.into_iter().filter(|element| !element.is_empty())
}

/// The media type and its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<(String, Vec<String>)> {
    let mut values = headers.get_all("content-type").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let mut parts = value.split(';').map(|part| part.trim_ascii().to_owned());
    let name = parts.next()?;
    Some((name, parts.collect()))
}

fn is_a_form(headers: &HeaderMap) -> bool {
    let Some((name, parameters)) = media_type(headers) else { return false };
    let utf_8 = parameters.iter().all(|parameter| {
        matches!(&**parameter, "charset=utf-8" | r#"charset="utf-8""#)
            || !(parameter.contains("charset") || parameter.contains(','))
    });
    let transfer: Vec<_> = elements(headers, "transfer-encoding").collect();
    name == FORM
        && utf_8
        && elements(headers, "content-encoding").all(|coding| coding == "identity")
        && (transfer.is_empty() || transfer == ["chunked"])
}

fn is_grpc(headers: &HeaderMap, trailers: bool) -> bool {
    let Some((name, _)) = media_type(headers) else { return false };
    let Some(suffix) = name.strip_prefix("application/grpc") else { return false };
    match suffix.split('+').next() {
        Some("-web" | "-web-text") => true,
        Some("") => trailers,
        _ => false,
    }
}
