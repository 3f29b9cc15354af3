//! Client ID metadata documents from a TLS server on the loopback interface.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;
use crate::{clock::Clock, error::kind::ErrorKind, provider::documents::MetadataDocuments};

impl Server {
    fn authority(&self) -> Vec<u8> {
        let base64 = BASE64_STANDARD.encode(&self.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n").into_bytes()
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/oauth", self.port)
    }

    fn document(&self) -> String {
        let url = self.url();
        format!(r#"{{"client_id": "{url}", "redirect_uris": ["{url}"]}}"#)
    }

    fn documents(&self) -> MetadataDocuments {
        let documents = MetadataDocuments::from_hosts(["localhost"]).unwrap();
        documents.dangerously_allow_loopback(&self.authority()).unwrap()
    }

    /// What becomes of the client that is there.
    async fn resolve(&self) -> Result<(), ErrorKind> {
        self.resolve_by(|documents| documents).await
    }

    async fn resolve_by(
        &self,
        set: impl FnOnce(MetadataDocuments) -> MetadataDocuments,
    ) -> Result<(), ErrorKind> {
        let documents = set(self.documents());
        let client = documents.resolve(&self.url()).await.map_err(|error| error.kind())?;
        assert_eq!(client.client_id(), self.url());
        Ok(())
    }
}

const REFUSED: Result<(), ErrorKind> = Err(ErrorKind::MetadataDocument);
const UNREACHABLE: Result<(), ErrorKind> = Err(ErrorKind::MetadataUnreachable);

#[tokio::test]
async fn document_is_fetched_as_json_and_without_coding() {
    let server = Server::answering("").await;
    server.answer(json(&server.document()));
    assert_eq!(server.resolve().await, Ok(()));
    let expected = format!(
        "GET /oauth HTTP/1.1\r\naccept: application/json, application/*+json;q=0.9\r\n\
         user-agent: tower-client-auth/{}\r\nhost: localhost:{}\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        server.port,
    );
    assert_eq!(*server.request.lock().unwrap(), expected);
}

#[tokio::test]
async fn only_200_is_a_document_and_no_redirect_is_followed() {
    for (status, expected) in [
        ("200 OK", Ok(())),
        ("201 Created", REFUSED),
        ("204 No Content", REFUSED),
        ("206 Partial Content", REFUSED),
        ("301 Moved Permanently", REFUSED),
        ("304 Not Modified", REFUSED),
        ("403 Forbidden", REFUSED),
        ("404 Not Found", REFUSED),
        ("429 Too Many Requests", UNREACHABLE),
        ("500 Internal Server Error", UNREACHABLE),
        ("503 Service Unavailable", UNREACHABLE),
    ] {
        let server = Server::answering("").await;
        let fields = format!("content-type: application/json\r\nlocation: {}\r\n", server.url());
        server.answer(response(status, &fields, &server.document()));
        assert_eq!(server.resolve().await, expected, "{status}");
        assert_eq!(server.connections(), 1, "{status}");
    }
}

// Behind a gate, or while it moves, a document is not gone.
#[tokio::test]
async fn known_document_is_withdrawn_by_what_says_so_alone() {
    for (status, media_type, expected) in [
        ("200 OK", "application/json", REFUSED),
        ("200 OK", "text/html", REFUSED),
        ("404 Not Found", "text/html", REFUSED),
        ("410 Gone", "text/html", REFUSED),
        ("204 No Content", "application/json", Ok(())),
        ("301 Moved Permanently", "text/html", Ok(())),
        ("400 Bad Request", "text/html", Ok(())),
        ("401 Unauthorized", "application/json", Ok(())),
        ("403 Forbidden", "text/html", Ok(())),
        ("429 Too Many Requests", "text/html", Ok(())),
        ("503 Service Unavailable", "text/html", Ok(())),
    ] {
        let (server, clock) = (Server::answering("").await, Clock::fixed(0));
        let documents = MetadataDocuments::from_hosts(["localhost"]).unwrap();
        let documents = documents.dangerously_allow_loopback(&server.authority()).unwrap();
        let documents = documents.clock(clock.clone());
        let resolve = async || {
            let resolved = documents.resolve(&server.url()).await;
            resolved.map(|_client| ()).map_err(|error| error.kind())
        };
        server.answer(json(&server.document()));
        assert_eq!(resolve().await, Ok(()));
        let fields = format!("content-type: {media_type}\r\nlocation: {}\r\n", server.url());
        server.answer(response(status, &fields, "{}"));
        clock.advance(Duration::from_secs(60));
        assert_eq!(resolve().await, expected, "{status}");
        assert_eq!(server.connections(), 2, "{status}");
        clock.advance(Duration::from_secs(24 * 60 * 60));
        assert!(resolve().await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn silent_and_closed_servers_are_unreachable() {
    let server = Server::answering("").await;
    let short = server.documents().timeout(Duration::from_millis(100));
    let error = short.resolve(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MetadataUnreachable);
    assert_eq!(reason(&error), "operation timed out");
    // It breaks off after the head.
    server
        .answer("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
    assert_eq!(server.resolve().await, UNREACHABLE);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = Server { port: closed.local_addr().unwrap().port(), ..server };
    drop(closed);
    assert_eq!(gone.resolve().await, UNREACHABLE);
}

#[tokio::test]
async fn media_type_is_json_of_any_kind() {
    for (media_type, expected) in [
        ("content-type: application/json; charset=utf-8\r\n", Ok(())),
        ("content-type: Application/JSON\r\n", Ok(())),
        ("content-type: application/activity+json\r\n", Ok(())),
        ("content-type: text/html\r\n", REFUSED),
        ("content-type: text/json\r\n", REFUSED),
        ("content-type: application/+json\r\n", REFUSED),
        ("content-type: application/jsonp\r\n", REFUSED),
        ("", REFUSED),
    ] {
        let server = Server::answering("").await;
        server.answer(response("200 OK", media_type, &server.document()));
        assert_eq!(server.resolve().await, expected, "{media_type}");
    }
}

#[tokio::test]
async fn bytes_are_counted_whatever_length_is_declared() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let chunked = |text: &str, times: usize| {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len()).repeat(times);
        format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}")
    };
    let server = Server::answering("").await;
    let document = server.document();
    let padded = |length: usize| document.clone() + &" ".repeat(length - document.len());
    server.answer(json(&padded(5_120)));
    assert_eq!(server.resolve().await, Ok(()));
    server.answer(chunked(&padded(5_120), 1) + "0\r\n\r\n");
    assert_eq!(server.resolve().await, Ok(()));
    for answer in [
        json(&padded(5_121)),
        format!("{head}content-length: 100\r\n\r\n{}{document}", " ".repeat(5_900)),
        chunked(&padded(6_000), 1) + "0\r\n\r\n",
        // It does not end.
        chunked(&padded(1_000), 10_000),
    ] {
        server.answer(answer);
        assert_eq!(server.resolve().await, REFUSED);
    }
    server.answer(json(&padded(6_000)));
    assert_eq!(server.resolve_by(|documents| documents.largest(6_000)).await, Ok(()));
}

#[tokio::test]
async fn special_addresses_look_like_names_that_do_not_exist() {
    let server = Server::answering("").await;
    server.answer(json(&server.document()));
    let documents = MetadataDocuments::from_any_host().unwrap();
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "name.invalid",
    ] {
        let url = format!("https://{host}:{}/oauth", server.port);
        let error = documents.resolve(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MetadataUnreachable, "{host}");
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(server.resolve().await, Ok(()), "and it would have answered");
}

#[tokio::test]
async fn keys_come_from_loopback_where_that_is_allowed() {
    let server = Server::answering(json(KEYS)).await;
    let source = HttpsJwksSource::new().unwrap();
    assert_eq!(fetch(&source, &server.uri()).await.unwrap_err(), Refused::Address.to_string());
    let source = source.dangerously_allow_loopback(&server.authority()).unwrap();
    assert_eq!(fetch(&source, &server.uri()).await.unwrap().document(), KEYS);
    for wrong in [&b""[..], b"no certificate"] {
        assert!(HttpsJwksSource::new().unwrap().dangerously_allow_loopback(wrong).is_err());
    }
    let other = Server::answering(json(KEYS)).await;
    assert!(fetch(&source, &other.uri()).await.is_err(), "it is not of the authority");
}

#[tokio::test]
async fn strangers_connect_to_a_network_so_often_a_minute_for_documents() {
    let server = Server::answering("").await;
    server.answer(json(&server.document()));
    let documents = MetadataDocuments::from_any_host().unwrap();
    let documents = documents.dangerously_allow_loopback(&server.authority()).unwrap();
    let documents = documents.max_per_network(2);
    assert!(documents.resolve(&server.url()).await.is_ok());
    for (path, kind) in [("a", ErrorKind::MetadataDocument), ("b", ErrorKind::Throttled)] {
        let url = format!("https://localhost:{}/{path}", server.port);
        assert_eq!(documents.resolve(&url).await.unwrap_err().kind(), kind);
    }
    assert_eq!(server.connections(), 2);
}
