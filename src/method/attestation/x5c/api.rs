//! The setting.

use crate::{
    method::attestation::{
        settings::Attesters,
        x5c::anchors::{Anchored, TrustAnchors},
    },
    x509::subject::CertificateSubject,
};

/// # Attesters with certificates
impl Attesters {
    /// Believes the attester whose certificates these authorities issue, for the clients that are
    /// [registered](crate::RegisteredClient::attested) with its name (-11 §10.8). It brings its certificates in the header
    /// of each attestation, as `x5c` (RFC 7515 §4.1.6), and may change its key without telling anybody.
    ///
    /// `subject` is what the certificate of the attester must have: its subject, or one of its alternative names.
    /// `None` takes **every** certificate of these authorities, which is right only for an authority that issues them to this
    /// attester alone: with one that has other customers, each of these could vouch for the clients.
    ///
    /// A chain has at most 4 certificates, the one of the attester first. All of them are valid at the time of the
    /// [clock](crate::ClientAuthLayer::clock), the signatures, the path lengths and the name constraints are right (RFC 5280
    /// §6), and what they may be used for is digital signatures, or issuing certificates, where they say it. The first is
    /// neither that of an authority nor issued by itself: to trust one certificate and no authority, give its key to
    /// [`trust`](Self::trust). Revocation is not asked for; let certificates be short-lived. `kid` says nothing here. Each
    /// header may be 8 KiB long, of which a certificate in `x5c` takes 16/9 of its size
    /// ([`Limits::credential`](crate::Limits::credential)).
    ///
    /// Several anchors may have one name, as those of an authority that has changed its key: then each chain costs a
    /// verification more for each of them beyond the first, also those of other attesters. No more ways are tried, so a chain
    /// is refused, though right, that has two intermediate certificates with one name besides, if the right one is tried too
    /// late.
    ///
    /// An attester may have both: an attestation with `x5c` is then judged by its certificates, one without by its keys.
    /// A [signal](Self::as_signal), which may be that of any attester, counts if its certificates or its key are right. Of
    /// the attesters whose anchors have the name of an issuer in the chain up to 4 are asked: first those whose `subject` its
    /// first certificate has, or that have none, and of these in the order of their names.
    /// Authorities for a name that is there already take the place of those that it had.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_client_auth::{
    ///     BoxError,
    ///     attestation::{Attesters, TrustAnchors},
    ///     mutual_tls::CertificateSubject,
    ///     replay::MemoryReplayStore,
    /// };
    ///
    /// fn attesters(ca: &str) -> Result<Attesters, BoxError> {
    ///     let attester = CertificateSubject::dns("attester.wallet.example")?;
    ///     Ok(Attesters::new("https://as.example", MemoryReplayStore::default())?
    ///         .trust_anchors("wallet-provider", TrustAnchors::from_pem(ca)?, Some(attester)))
    /// }
    /// # drop(attesters);
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation-x5c")))]
    #[must_use]
    pub fn trust_anchors(
        mut self,
        attester: &str,
        anchors: TrustAnchors,
        subject: impl Into<Option<CertificateSubject>>,
    ) -> Self {
        self.issued.add(attester, Anchored::new(anchors, subject.into()));
        self
    }
}
