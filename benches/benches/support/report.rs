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
    for goal @ Goal { name, what, value, must, target } in goals {
        println!(
            "{name:<22} {what:<66} {value:>9.3} {must:>9.3} {target:>9.3}  {}",
            goal.reached()
        );
        good &= goal.holds();
    }
    good
}

impl Goal {
    /// Not if there is nothing that could be compared.
    fn holds(&self) -> bool {
        self.value <= self.must
    }

    fn reached(&self) -> &'static str {
        match () {
            () if self.value.is_nan() => "NOT MEASURED",
            () if !self.holds() => "MISSED",
            () if self.value > self.target => "must",
            () => "target",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(value: f64) -> Goal {
        Goal { name: "a goal", what: String::new(), value, must: 2.0, target: 1.0 }
    }

    #[test]
    fn must_is_a_bound_from_above() {
        for (value, reached, holds) in [
            (0.5, "target", true),
            (1.0, "target", true),
            (1.5, "must", true),
            (2.0, "must", true),
            (2.5, "MISSED", false),
            (f64::INFINITY, "MISSED", false),
        ] {
            assert_eq!((goal(value).reached(), goals(&[goal(value)])), (reached, holds), "{value}");
        }
    }

    #[test]
    fn goal_that_was_not_measured_is_not_met() {
        assert_eq!(goal(f64::NAN).reached(), "NOT MEASURED");
        assert!(!goals(&[goal(0.5), goal(f64::NAN), goal(0.5)]));
    }
}
