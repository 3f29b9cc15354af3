//! Certificates of clients, from the handshake to the layer.

mod axum;
mod axum_server;
mod clients;
mod handshakes;
mod pki;
mod tonic;
