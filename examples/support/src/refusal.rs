//! What the operator gets to know of a refusal.

use tower_client_auth::Outcome;

/// More than any id that a server hands out; a caller may send one of 8 KiB.
const LONGEST: usize = 64;

/// Writes one line to stderr if the request was refused: why, with which method, and the id; then what the store or
/// the document has to say to that.
///
/// It is for [`on_outcome`](tower_client_auth::ClientAuthLayer::on_outcome).
pub fn print_refusal(outcome: &Outcome<'_>) {
    let Some(error) = outcome.error() else { return };
    let reason = error.kind().as_str();
    let method = outcome.method().map_or("-", |method| method.as_str());
    let id = outcome.client_id().map_or_else(|| "-".to_owned(), |id| format!("{:?}", cut(id)));
    let causes = error.causes().map_or_else(String::new, |causes| format!(": {causes}"));
    eprintln!("refused: {reason}, {method}, {id}{causes}");
}

/// The beginning of an id from any caller, for logs. It must still be escaped.
#[must_use]
pub fn cut(id: &str) -> &str {
    id.char_indices().nth(LONGEST).and_then(|(end, _)| id.get(..end)).unwrap_or(id)
}
