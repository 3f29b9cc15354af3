//! Which client an issuer and a subject stand for.

use std::sync::Arc;

use crate::{
    client::RegisteredClient,
    error::{BoxError, throttled::Throttled},
    isolate::single_flight::SharedError,
    provider::{cached::CachedProvider, lookup::ClientProvider},
};

impl<P: ClientProvider> CachedProvider<P> {
    pub(super) async fn find_issued(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        // No id has a line break.
        let name = [issuer, "\n", subject].concat();
        match self.memory.issued(&name) {
            Some(Some(client_id)) => self.find_client(&client_id).await,
            Some(None) => Ok(None),
            None => self.look_up_issued(&name).await,
        }
    }

    /// Remembers which client it is, and not the client: that is remembered by its id, as all others are.
    async fn look_up_issued(
        &self,
        name: &str,
    ) -> Result<Option<RegisteredClient<P::Client>>, BoxError> {
        let answer = self.flights.run(name, |flight| {
            let name = Arc::clone(&flight.key);
            let (provider, memory) = (Arc::clone(&self.provider), self.memory.clone());
            async move {
                let asked = memory.now();
                let (issuer, subject) = name.split_once('\n').unwrap_or_default();
                match provider.find_federated(issuer, subject).await {
                    Ok(found) => {
                        let answer = found.clone();
                        let remember =
                            move || memory.remember_issued(&name, answer.as_ref(), asked);
                        (Ok(found), Some(remember))
                    }
                    Err(error) => (Err(SharedError::new(error)), None),
                }
            }
        });
        match answer.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => match Throttled::find(error.get_ref()) {
                Some(throttled) => Err((*throttled).into()),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}
