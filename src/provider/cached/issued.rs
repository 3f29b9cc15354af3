//! Which client an issuer and a subject stand for.

use std::sync::Arc;

use crate::{
    client::RegisteredClient,
    error::BoxError,
    isolate::single_flight::SharedError,
    provider::{
        cached::{CachedProvider, HITS, MISSES},
        lookup::ClientProvider,
    },
};

impl<P: ClientProvider> CachedProvider<P> {
    pub(super) async fn find_issued(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        // Callers choose both: no two pairs may have one name.
        let name = format!("{} {issuer}{subject}", issuer.len());
        match self.memory.issued(&name) {
            Some(Some(client_id)) => self.find_client(&client_id).await,
            Some(None) => {
                HITS.increment();
                Ok(None)
            }
            None => {
                MISSES.increment();
                Box::pin(self.look_up_issued(&name, issuer, subject)).await
            }
        }
    }

    /// Remembers which client it is, and not the client: that is remembered by its id, as all others are.
    async fn look_up_issued(
        &self,
        name: &str,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        let answer = self.issued_flights.run(name, |flight| {
            let name = Arc::clone(&flight.key);
            let (issuer, subject) = (Box::<str>::from(issuer), Box::<str>::from(subject));
            let (provider, memory) = (Arc::clone(&self.provider), self.memory.clone());
            async move {
                if let Some(None) = memory.issued(&name) {
                    return (Ok(None), None);
                }
                let asked = memory.now();
                match provider.find_federated(&issuer, &subject).await {
                    Ok(found) => {
                        let answer = found.clone();
                        let remember = move || {
                            memory.remember_issued(&name, answer.as_ref(), asked);
                            (answer, memory)
                        };
                        (Ok(found), Some(remember))
                    }
                    Err(error) => (Err(SharedError::new(error)), None),
                }
            }
        });
        self.settle(answer.await, self.memory.stale_issued(name).as_deref())
    }
}
