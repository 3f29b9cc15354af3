//! The benches of tower-client-auth are in `benches/`; this package exists so that no test has to
//! compile what only they need.
