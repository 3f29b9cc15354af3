//! Metadata documents of clients, for all processes, and for the time after a restart.

use std::time::Duration;

use axum::body::Bytes;
use sqlx::Row;
use tower_client_auth::{
    BoxError,
    metadata_documents::{DocumentStore, StoredDocument},
};

use super::{Store, soon};
use crate::token::sha256;

impl DocumentStore for Store {
    type Error = BoxError;

    async fn get(&self, url: &str) -> Result<Option<StoredDocument>, BoxError> {
        let query = sqlx::query(
            "SELECT document, fetched_at, max_age, leaked_keys FROM documents WHERE url_sha256 = $1",
        )
        .bind(sha256(url).to_vec());
        let Some(row) = soon(query.fetch_optional(&self.pool)).await? else { return Ok(None) };
        let text = Bytes::from(row.try_get::<Vec<u8>, _>("document")?);
        let max_age: Option<i64> = row.try_get("max_age")?;
        let max_age = max_age.and_then(|age| age.try_into().ok()).map(Duration::from_secs);
        let leaked_keys = Bytes::from(row.try_get::<Vec<u8>, _>("leaked_keys")?);
        Ok(Some(StoredDocument::new(text, row.try_get("fetched_at")?, max_age, leaked_keys)))
    }

    async fn put(&self, url: &str, document: StoredDocument) -> Result<(), BoxError> {
        let max_age =
            document.max_age().map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let query = sqlx::query(
            "INSERT INTO documents (url_sha256, document, fetched_at, max_age, leaked_keys) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (url_sha256) DO UPDATE SET \
             document = excluded.document, fetched_at = excluded.fetched_at, \
             max_age = excluded.max_age, leaked_keys = excluded.leaked_keys \
             WHERE documents.fetched_at < excluded.fetched_at \
             OR documents.fetched_at = excluded.fetched_at \
             AND (length(documents.document) > 0 OR length(excluded.document) = 0)",
        )
        .bind(sha256(url).to_vec())
        .bind(document.text().to_vec())
        .bind(document.fetched_at())
        .bind(max_age)
        .bind(document.leaked_keys().to_vec());
        soon(query.execute(&self.pool)).await?;
        Ok(())
    }
}
