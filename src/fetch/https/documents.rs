//! Client ID metadata documents from the web.

use reqwest::Client;

use crate::{
    error::{BoxError, document::DocumentError},
    fetch::{
        address::is_public,
        documents::{Bounds, DynDocumentSource, Fetch, FetchedDocument},
        https::{Got, Https, Refused, Wanted},
    },
};

/// Gets the documents, by the same rules as key sets.
pub(crate) struct HttpsDocuments(Https);

impl HttpsDocuments {
    pub(crate) fn new() -> Result<Self, BoxError> {
        Https::with(Client::builder, is_public).map(Self)
    }

    pub(crate) fn with_loopback(authorities: &[u8]) -> Result<Self, BoxError> {
        Https::with_loopback(authorities).map(Self)
    }
}

impl DynDocumentSource for HttpsDocuments {
    fn max_per_network(&self, per_minute: u32) {
        self.0.networks.allow(per_minute);
    }

    fn fetch_dyn<'a>(&'a self, url: &'a str, known: bool, bounds: Bounds) -> Fetch<'a> {
        Box::pin(async move {
            let wanted = Wanted {
                accept: "application/json, application/*+json;q=0.9",
                is_json,
                longest: bounds.longest,
                timeout: bounds.timeout,
            };
            // draft-ietf-oauth-client-id-metadata-document-02 §4 and §5: anything but 200 is an error, and
            // one that says that the server is out of order is no answer. A known document is not gone
            // because a gate before it, or a host that moves, says something else.
            match self.0.get(url, known, wanted).await {
                Ok(Got::Document { text, max_age }) => Ok(FetchedDocument::new(text, max_age)),
                Ok(Got::Status { status, .. }) => Err(match status {
                    404 | 410 => definite(Refused::Status(status)),
                    429 | 500.. => Refused::Status(status).into(),
                    _ if known => Refused::Status(status).into(),
                    _ => definite(Refused::Status(status)),
                }),
                Err(error) => match error.downcast_ref() {
                    Some(refused @ (Refused::MediaType | Refused::Length(_))) => {
                        Err(definite(*refused))
                    }
                    _ => Err(error),
                },
            }
        })
    }
}

fn definite(refused: Refused) -> BoxError {
    DocumentError::refused(refused.to_string()).into()
}

fn is_json(essence: &str) -> bool {
    let essence = essence.to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.strip_suffix("+json").is_some_and(|subtype| !subtype.is_empty())
}
