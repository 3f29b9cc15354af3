//! Certificates of clients, from the handshake on.

mod handshakes;
mod pki;
