//! What is good for nothing any more.

use std::time::Duration;

use tokio::time::interval;
use tower_client_auth::Clock;

use super::Store;

/// Longer than any request takes, in seconds.
const GRACE: i64 = 5 * 60;
/// How long a client is told that its secret has expired, before it is unknown: 30 days, in seconds.
const CLIENT_RETENTION: i64 = 30 * 24 * 60 * 60;
/// How long a client without a secret is known that gets no tokens: 90 days, in seconds, which is more than a
/// refresh token lives.
const UNUSED_RETENTION: i64 = 90 * 24 * 60 * 60;
/// How much longer than the assertion its use is known, in seconds: clocks differ, and are set back.
const REPLAY_GRACE: i64 = 60;
/// 90 days, in seconds, which is more than a refresh token lives. A client that comes back later is fetched again.
const DOCUMENT_RETENTION: i64 = 90 * 24 * 60 * 60;

impl Store {
    /// Removes what has expired now and every ten minutes. It never ends; each of several processes may do it.
    pub async fn keep_clean(self, clock: Clock) {
        let mut turns = interval(Duration::from_secs(10 * 60));
        loop {
            turns.tick().await;
            if let Err(error) = self.remove_expired(clock.unix_seconds()).await {
                eprintln!("warning: what has expired stays in the database: {error}");
            }
        }
    }

    /// Removes tokens that have expired, and grants that nothing leads to any more, once `now`, in seconds since
    /// the Unix epoch. Clients go 30 days after their secret, or, without one, 90 days after their last tokens;
    /// metadata documents 90 days after they were fetched, and used assertions a minute after they end.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn remove_expired(&self, now: i64) -> Result<(), sqlx::Error> {
        let clients = now.saturating_sub(CLIENT_RETENTION);
        let mut transaction = self.pool.begin().await?;
        for (statement, end) in [
            // The grants first, as everywhere else, so that no request waits for this and this for the request.
            (
                "UPDATE grants SET redeemed = redeemed WHERE grant_id IN \
                 (SELECT grant_id FROM tokens WHERE expires_at <= $1)",
                now,
            ),
            ("DELETE FROM tokens WHERE expires_at <= $1", now),
            (
                "DELETE FROM grants WHERE code_expires_at <= $1 AND NOT EXISTS \
                 (SELECT 1 FROM tokens WHERE tokens.grant_id = grants.grant_id AND spent = 0)",
                now.saturating_sub(GRACE),
            ),
            (
                "DELETE FROM grants WHERE client_id IN (SELECT client_id FROM clients \
                 WHERE secret_expires_at > 0 AND secret_expires_at <= $1)",
                clients,
            ),
            (
                "DELETE FROM clients WHERE secret_expires_at > 0 AND secret_expires_at <= $1",
                clients,
            ),
            (
                "DELETE FROM clients WHERE secret_expires_at = 0 AND used_at <= $1 AND NOT EXISTS \
                 (SELECT 1 FROM grants WHERE grants.client_id = clients.client_id)",
                now.saturating_sub(UNUSED_RETENTION),
            ),
            ("DELETE FROM used_assertions WHERE until <= $1", now.saturating_sub(REPLAY_GRACE)),
            (
                "DELETE FROM documents WHERE fetched_at <= $1",
                now.saturating_sub(DOCUMENT_RETENTION),
            ),
        ] {
            sqlx::query(statement).bind(end).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}
