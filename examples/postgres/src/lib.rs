//! A token server whose clients are in PostgreSQL; see its README.

mod server;
mod store;

pub use crate::{
    server::{follow, router},
    store::{Client, Store},
};
