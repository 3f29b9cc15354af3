//! The parameters of a request to the authorization endpoint (RFC 6749 §3.1).

use std::collections::HashSet;

/// Those that have a value. One that is there twice is an error, whatever its name; only `resource` may
/// be (RFC 8707 §2).
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn new(mut pairs: Vec<(String, String)>) -> Option<Self> {
        pairs.retain(|(_, value)| !value.is_empty());
        let mut names = HashSet::new();
        let once = pairs.iter().all(|(name, _)| name == "resource" || names.insert(name));
        once.then_some(Self(pairs))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(one, _)| one == name).map(|(_, value)| &**value)
    }
}
