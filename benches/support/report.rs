//! One table, and the goals under it.

use std::process::ExitCode;

/// What a ratio must not exceed, and what it should not.
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) must: f64,
    pub(crate) target: f64,
}

/// Prints the goals. With `--assert` the program fails if a "must" does not hold.
pub(crate) fn goals(goals: &[Goal]) -> ExitCode {
    println!();
    println!("{:<5} {:<66} {:>9} {:>9} {:>9}", "goal", "", "measured", "must", "target");
    let mut good = true;
    for Goal { name, what, value, must, target } in goals {
        let verdict = match () {
            () if value > must => "MISSED",
            () if value > target => "must",
            () => "target",
        };
        good &= value <= must;
        println!("{name:<5} {what:<66} {value:>9.3} {must:>9.3} {target:>9.3}  {verdict}");
    }
    if good || !std::env::args().any(|argument| argument == "--assert") {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
