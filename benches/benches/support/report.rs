//! One table, and the goals under it.

use std::{io, process::ExitCode};

/// What a ratio must not exceed, which CI asserts, and what it should not.
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) must: f64,
    pub(crate) target: f64,
}

/// Whether the program was started with this argument.
pub(crate) fn asked_to(argument: &str) -> bool {
    std::env::args().any(|given| given == argument)
}

/// With `--assert` the program fails unless all is `good`.
pub(crate) fn verdict(good: bool) -> ExitCode {
    if good || !asked_to("--assert") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the goals, and says whether every "must" holds.
pub(crate) fn goals(goals: &[Goal]) -> bool {
    println!();
    println!("{:<22} {:<66} {:>9} {:>9} {:>9}", "goal", "", "measured", "must", "target");
    let mut good = true;
    for Goal { name, what, value, must, target } in goals {
        let verdict = match () {
            () if value > must => "MISSED",
            () if value > target => "must",
            () => "target",
        };
        good &= value <= must;
        println!("{name:<22} {what:<66} {value:>9.3} {must:>9.3} {target:>9.3}  {verdict}");
    }
    good
}

pub(crate) fn exit(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
