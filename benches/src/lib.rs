//! The benches of tower-client-auth are in `benches/`; this package exists so that no test has to
//! compile what only they need. What they assert with has tests of its own.

#[cfg(test)]
#[expect(dead_code, reason = "the benches use the rest")]
#[path = "../benches/support/report.rs"]
mod report;
