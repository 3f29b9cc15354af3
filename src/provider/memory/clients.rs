//! A set of clients, by their ids and by whose tokens they present.

use std::collections::{HashMap, HashSet};

use crate::client::{ById, RegisteredClient};

pub(super) struct Clients<C> {
    by_id: HashSet<ById<C>>,
    /// By issuer. Hardly any set has one.
    issuers: HashMap<Box<str>, Subjects>,
}

/// Each with the ids of the clients that it stands for.
#[derive(Clone, Default)]
struct Subjects {
    exact: HashMap<Box<str>, Vec<Box<str>>>,
    prefixes: Vec<(Box<str>, Box<str>)>,
}

impl<C> Clients<C> {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn get(&self, client_id: &str) -> Option<&RegisteredClient<C>> {
        self.by_id.get(client_id).map(|ById(client)| client)
    }

    /// The client of a subject, if it is but one: which of two it was would be a guess.
    pub(super) fn issued(&self, issuer: &str, subject: &str) -> Option<&RegisteredClient<C>> {
        let mut owners = self.issuers.get(issuer)?.owners(subject);
        let owner = owners.next()?;
        owners.all(|other| other == owner).then(|| self.get(owner))?
    }

    /// Whether one of the subjects of the client is another's, too.
    pub(super) fn shares_subject(&self, client: &RegisteredClient<C>) -> bool {
        client.registration().names().any(|name| {
            let subjects = self.issuers.get(&*name.issuer);
            let mut owners = subjects.into_iter().flat_map(|known| known.owners(name.subject));
            owners.any(|owner| owner != client.client_id())
        })
    }

    pub(super) fn replace(&mut self, client: RegisteredClient<C>) -> Option<RegisteredClient<C>> {
        let replaced = self.take(client.client_id());
        let id = client.client_id();
        for name in client.registration().names() {
            let prefix = name.prefix();
            let subjects = self.issuers.entry(name.issuer.into()).or_default();
            match prefix {
                Some(prefix) => subjects.prefixes.push((prefix.into(), id.into())),
                None => subjects.exact.entry(name.subject.into()).or_default().push(id.into()),
            }
        }
        self.by_id.replace(ById(client));
        replaced
    }

    pub(super) fn take(&mut self, client_id: &str) -> Option<RegisteredClient<C>> {
        let ById(client) = self.by_id.take(client_id)?;
        for name in client.registration().names() {
            let Some(subjects) = self.issuers.get_mut(&*name.issuer) else { continue };
            subjects.prefixes.retain(|(_, id)| **id != *client_id);
            if let Some(ids) = subjects.exact.get_mut(name.subject) {
                ids.retain(|id| **id != *client_id);
                if ids.is_empty() {
                    subjects.exact.remove(name.subject);
                }
            }
            if subjects.exact.is_empty() && subjects.prefixes.is_empty() {
                self.issuers.remove(&*name.issuer);
            }
        }
        Some(client)
    }

    #[cfg(test)]
    pub(super) fn reserve(&mut self, clients: usize) {
        self.by_id.reserve(clients);
    }
}

impl Subjects {
    /// The ids of those that a subject, or a prefix of it, stands for.
    fn owners<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a str> {
        let exact = self.exact.get(subject).into_iter().flatten();
        let prefixes = self.prefixes.iter();
        let prefixed = prefixes.filter(|(prefix, _)| subject.starts_with(&**prefix));
        exact.chain(prefixed.map(|(_, id)| id)).map(|id| &**id)
    }
}

// Derived, they would ask the same of `C`.
impl<C> Clone for Clients<C> {
    fn clone(&self) -> Self {
        Self { by_id: self.by_id.clone(), issuers: self.issuers.clone() }
    }
}

impl<C> Default for Clients<C> {
    fn default() -> Self {
        Self { by_id: HashSet::new(), issuers: HashMap::new() }
    }
}
