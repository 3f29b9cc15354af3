//! Why an id that looks like the URL of a document is that of no client, for the operator. It is looked for once more when
//! somebody asks.

use crate::{
    error::cause::Cause,
    provider::documents::{MetadataDocuments, settings::Hosts, url},
};

impl MetadataDocuments {
    /// Of an id for which no document was to be had.
    #[cold]
    pub(crate) fn cause_of(&self, client_id: &str) -> Option<Cause> {
        if !client_id.contains("://") {
            // One that could only be registered.
            return None;
        }
        let host = match url::judge(client_id) {
            Ok(host) => host,
            Err(why) => return Some(Cause::Advice(why)),
        };
        let is_here = match &self.settings.hosts {
            Hosts::These(hosts) => hosts.contains(host),
            Hosts::Any => true,
        };
        let why: &'static &'static str = match (is_here, &self.settings.allow, self.known_only) {
            (false, ..) => &"the host of the id is none of `MetadataDocuments::from_hosts`",
            // It may be dear, and is not asked again.
            (true, Some(_), true) => {
                &"`MetadataDocuments::allow` says no, or the client is not known, and `MetadataDocuments::known_only` holds"
            }
            (true, Some(_), false) => &"`MetadataDocuments::allow` says no",
            (true, None, true) => {
                &"the client is not known, and `MetadataDocuments::known_only` holds"
            }
            (true, None, false) => return None,
        };
        Some(Cause::Advice(why))
    }
}
