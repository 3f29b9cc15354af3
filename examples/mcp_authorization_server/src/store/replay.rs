//! Used assertions, for all processes.

use sha2::{Digest, Sha256};
use tower_client_auth::{BoxError, replay::ReplayStore};

use super::{Store, soon};

impl ReplayStore for Store {
    type Error = BoxError;

    async fn claim(&self, client_id: &str, jti: &str, until: i64) -> Result<bool, BoxError> {
        // Neither of the two holds a control character.
        let pair = Sha256::digest(format!("{client_id}\n{jti}"));
        let insert = "INSERT INTO used_assertions (pair_sha256, until) VALUES ($1, $2) \
            ON CONFLICT (pair_sha256) DO NOTHING";
        let query = sqlx::query(insert).bind(pair.to_vec()).bind(until);
        Ok(soon(query.execute(&self.pool)).await?.rows_affected() == 1)
    }
}
