//! A token server whose clients are in SQLite; see its README.

mod server;
mod store;

pub use crate::{
    server::router,
    store::{Client, Store},
};
