//! Certificates of clients, from the handshake to the layer.

mod axum;
mod axum_server;
mod chains;
mod clients;
mod handshakes;
mod pki;
mod tonic;
