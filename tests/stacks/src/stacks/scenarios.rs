//! 51 ways to build the layer into a stack, each compiled, and run once over a real socket.
//!
//! A scenario that compiles with both kinds of body is in `both_modes.rs`, which is compiled
//! twice; its doc comment starts with its number. Six do not compile with the default bodies:
//!
//! | No. | Scenario | Why not | Way out |
//! | --- | --- | --- | --- |
//! | 46 | above `axum::middleware::from_fn` in one `ServiceBuilder` | E0277: `FromFn` is a service of `Request<axum::body::Body>` only | `axum_bodies()`, or a `Router::layer` call for each |
//! | 47 | around a whole `Router` that `axum::serve` serves | E0271: `axum::serve` (0.8) takes services with `Response<axum::body::Body>` only | `axum_bodies()`, or `Router::layer` |
//! | 48 | around hyper-util's `Client<_, axum::body::Body>` | E0277: the body type of the client is fixed before the layer | `axum_bodies()`, `MapRequestBodyLayer` below (18), or leave the type to inference (17) |
//! | 49 | `option_layer` on hyper | E0271: with and without the layer the response types differ | `axum_bodies()` |
//! | 50 | `option_layer` on axum | E0271: the same | `axum_bodies()` |
//! | 51 | around a service that is not `Clone` | E0277: the instance that is ready is called, and a clone replaces it | `Buffer` below (36), whatever the bodies |
//!
//! 46 to 50 are in `axum_bodies.rs`; 51 compiles with neither kind of body.

#[cfg(feature = "axum")]
mod axum_bodies;
mod default_bodies;
mod ways_out;
