//! A token server whose clients are in Redis; see its README.

mod server;
mod store;

pub use crate::{
    server::{layer, router},
    store::{Client, Store},
};
