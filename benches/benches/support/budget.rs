//! What requests may cost: `benches/budgets.toml`.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use super::report;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.toml");
const MADE_WITH: &str = "made with";

/// Compares what was measured with a section of the file. With `--update` the section is written
/// anew instead.
///
/// A deviation of more than `tolerance` percent is one in either direction: what became cheaper
/// must stay so.
pub(crate) fn check(section: &str, tolerance: f64, measured: &[(String, u64)]) -> bool {
    let text = std::fs::read_to_string(FILE).unwrap_or_default();
    let made_with = made_with();
    if report::asked_to("--update") {
        let written = std::fs::write(FILE, updated(&text, section, &made_with, measured));
        println!(
            "\n{FILE}: [{section}] {}",
            if written.is_ok() { "updated" } else { "NOT WRITTEN" }
        );
        return written.is_ok();
    }
    let budgets = read(&text, section);
    let theirs = budgets.get(MADE_WITH).copied().unwrap_or_default().trim_matches('"');
    if theirs != made_with {
        println!(
            "\nBUDGETS NOT COMPARED: those of [{section}] were made with {theirs}, and this is {made_with}."
        );
        return true;
    }
    let mut good = true;
    for (name, count) in measured {
        let budget = budgets.get(name.as_str()).and_then(|budget| budget.parse::<u64>().ok());
        let deviation = budget.map_or(f64::INFINITY, |budget| percent(*count, budget));
        if deviation.abs() > tolerance {
            good = false;
            let budget = budget.map_or("none".to_owned(), |budget| budget.to_string());
            println!("BUDGET MISSED: {name}: {count}, budget {budget} ({deviation:+.1} %)");
        }
    }
    println!(
        "\n{} budgets of [{section}] {}",
        measured.len(),
        if good { "hold" } else { "DO NOT HOLD" }
    );
    good
}

fn percent(count: u64, budget: u64) -> f64 {
    if count == budget { 0.0 } else { (count as f64 / budget as f64 - 1.0) * 100.0 }
}

/// The compiler, and the features that the requests pass through.
fn made_with() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output().map(|output| output.stdout);
    let mut made_with = String::from_utf8_lossy(&output.unwrap_or_default()).trim().to_owned();
    for (name, on) in [
        ("argon2", cfg!(feature = "argon2")),
        ("axum", cfg!(feature = "axum")),
        ("jwt", cfg!(feature = "jwt")),
        ("mtls", cfg!(feature = "mtls")),
        ("unstable-attestation", cfg!(feature = "unstable-attestation")),
    ] {
        if on {
            made_with += ", ";
            made_with += name;
        }
    }
    made_with
}

/// The lines `"name" = value` of a section, which is all of TOML that the file has.
fn read<'a>(text: &'a str, section: &str) -> BTreeMap<&'a str, &'a str> {
    let title = format!("[{section}]");
    let lines = text.lines().skip_while(|line| *line != title).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.rsplit_once(" = "))
        .map(|(name, value)| (name.trim_matches('"'), value))
        .collect()
}

fn updated(text: &str, section: &str, made_with: &str, measured: &[(String, u64)]) -> String {
    let mut sections: Vec<&str> = text.split("\n[").collect();
    let mine = format!("{section}]");
    sections.retain(|old| !old.starts_with(&mine));
    let mut text = sections.join("\n[").trim_end().to_owned();
    let _infallible = write!(text, "\n\n[{section}]\n\"{MADE_WITH}\" = \"{made_with}\"\n");
    for (name, count) in measured {
        let _infallible = writeln!(text, "\"{name}\" = {count}");
    }
    text
}
