//! The server as its clients meet it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod database;
mod flow;
mod programs;
mod support;
mod tokens;
