//! Whose documents are fetched.

use tower_client_auth::{
    AuthMethod, BoxError, assertion::HttpsJwksSource, metadata_documents::MetadataDocuments,
};

use crate::Flags;

/// `--metadata-documents any` or `--metadata-documents HOST,HOST`, and for development
/// `--allow-loopback-documents CA.pem`, which lets documents and keys be fetched from loopback addresses, and trusts
/// this authority beside those of the system.
#[derive(Debug, Default)]
pub struct DocumentFlags {
    hosts: Option<String>,
    authorities: Option<Vec<u8>>,
}

impl DocumentFlags {
    /// Takes the value of the flag if it is one of these, and tells whether it is.
    ///
    /// # Errors
    ///
    /// If the value is missing, or the file cannot be read.
    pub fn take(&mut self, name: &str, flags: &mut Flags) -> Result<bool, BoxError> {
        match name {
            "--metadata-documents" => self.hosts = Some(flags.value()?),
            "--allow-loopback-documents" => {
                self.authorities = Some(std::fs::read(flags.value::<String>()?)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The documents, if any are to be fetched, for an endpoint that accepts these methods, or some of them.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, or the file held no certificate.
    pub fn documents(
        &self,
        mut accepted: impl Iterator<Item = &'static str>,
    ) -> Result<Option<MetadataDocuments>, BoxError> {
        let Some(hosts) = &self.hosts else { return Ok(None) };
        let documents = match hosts.as_str() {
            "any" => MetadataDocuments::from_any_host()?,
            hosts => MetadataDocuments::from_hosts(hosts.split(','))?,
        };
        // A client that lists several methods is held to the strongest of those that are accepted.
        let documents = if accepted.any(|method| method == "private_key_jwt") {
            documents
        } else {
            documents.auth_methods([AuthMethod::None])?
        };
        Ok(Some(match &self.authorities {
            Some(authorities) => documents.dangerously_allow_loopback(authorities)?,
            None => documents,
        }))
    }

    /// Where the keys come from that clients publish.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, or the file held no certificate.
    pub fn jwks_source(&self) -> Result<HttpsJwksSource, BoxError> {
        let source = HttpsJwksSource::new()?;
        match &self.authorities {
            Some(authorities) => source.dangerously_allow_loopback(authorities),
            None => Ok(source),
        }
    }
}
