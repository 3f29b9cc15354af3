//! What tonic needs to take a single wrapped service.

use tonic::server::NamedService;

use crate::layer::{service::ClientAuth, tenant::TenantAuth};

/// `Server::add_service` routes by the name of the inner service.
impl<S: NamedService, P, M> NamedService for ClientAuth<S, P, M> {
    const NAME: &'static str = S::NAME;
}

/// As for [`ClientAuth`].
impl<S: NamedService, P, M> NamedService for TenantAuth<S, P, M> {
    const NAME: &'static str = S::NAME;
}
