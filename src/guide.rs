//! Pages to read. There is no code in here.

#[doc = include_str!("docs/switching_over.md")]
pub mod switching_over {}

#[doc = include_str!("docs/why.md")]
pub mod why {}
