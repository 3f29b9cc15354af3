//! The benches of tower-client-auth stand in `benches/`; this package exists so that nobody has to compile
//! for a test what only they need.
