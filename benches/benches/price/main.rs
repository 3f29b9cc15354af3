//! What each request costs the server: by method, algorithm and outcome, kind of secret and replay store.
//!
//! `cargo bench -p benches --features argon2,cache,redis,unstable-attestation-x5c --bench price -- --write` writes the page
//! `src/docs/price_list.md` and its picture, with instructions, which valgrind counts, and times, as ratios to
//! a refused Basic. `-- --assert` counts alone, and compares with the page; `-- --test` only shows that it
//! runs, and that the page has a line for everything that the crate can check.

#![expect(clippy::indexing_slicing, reason = "JSON: what is not there is `null`")]

mod measure;
mod page;
mod rows;
mod run;
mod setup;
#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

use std::{fmt::Write as _, fs, process::ExitCode};

use measure::{Measured, count, time};
use page::{compiler, page, picture, published};
use rows::{Row, jobs, rows};
use run::RUNTIME;
use setup::prepare;
use support::{BoxError, report};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/price_list.md");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs/price_list.svg");
/// By how much a count may differ from the page, which is there to size by. Where a map puts its clients is random.
const TOLERANCE: f64 = 0.1;
const ROUNDS: usize = 101;

const SECRET: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Public keys, each with its signatures of `CLAIMS` under `{"alg":…,"kid":"1"}`. The private ones are
/// gone: what is signed anew costs some instructions more or less each time.
const SIGNED: &str = include_str!("../support/signed.json");
/// The same for attestations: the certificate of an authority, and chains below it, each with the signature of the
/// attestation that has it in its header.
const ATTESTED: &str = include_str!("../support/attested.json");

fn main() -> ExitCode {
    // Where there is a runtime, what is dear is computed on another thread.
    let _entered = RUNTIME.enter();
    let result = match () {
        () if report::asked_to("--count") => ask_twice(),
        () if report::asked_to("--assert") => compare(),
        () if report::asked_to("--test") || !report::asked_to("--bench") => trial(),
        () => publish(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The first time pays for what is done once.
fn ask_twice() -> Result<(), BoxError> {
    for job in jobs(&rows()?) {
        if let Some(mut run) = prepare(&job, None)? {
            run(1);
            run(1);
        }
    }
    Ok(())
}

fn publish() -> Result<(), BoxError> {
    let rows = rows()?;
    let jobs = jobs(&rows);
    let counts = count(&jobs)?;
    let times = time(&jobs, ROUNDS)?;
    let measured = Measured { jobs, counts, times };
    let page = page(&rows, &measured);
    if report::asked_to("--write") {
        fs::write(PAGE, page)?;
        fs::write(PICTURE, picture(&rows, &measured))?;
    } else {
        print!("{page}");
    }
    Ok(())
}

/// Everything once, and whether the page has a line for it.
fn trial() -> Result<(), BoxError> {
    let rows = rows()?;
    let jobs = jobs(&rows);
    let times = time(&jobs, 1)?;
    let counts = jobs.iter().map(|_| Some(1.0)).collect();
    let measured = Measured { jobs, counts, times };
    println!("{}{}", page(&rows, &measured), picture(&rows, &measured));
    same_rows(&rows, &published())
}

fn compare() -> Result<(), BoxError> {
    let (rows, published) = (rows()?, published());
    same_rows(&rows, &published)?;
    let compiler = compiler();
    if !fs::read_to_string(PAGE)?.contains(&compiler) {
        println!("COUNTS NOT COMPARED: the price list was not made with {compiler}");
        return Ok(());
    }
    let jobs = jobs(&rows);
    let counts = count(&jobs)?;
    let (mut problems, mut compared) = (String::new(), 0);
    for ((row, outcome), count) in jobs.iter().zip(counts) {
        let place = row.outcomes().iter().position(|other| other == outcome);
        let cells = published.iter().find(|(name, _)| *name == row.name());
        let cell = place.and_then(|place| cells?.1.get(place).copied().flatten());
        compared += 1;
        let apart = match (cell, count) {
            (None, None) => continue,
            (Some(cell), Some(count)) => (count / cell - 1.0).abs(),
            _ => f64::INFINITY,
        };
        if apart > TOLERANCE {
            let _infallible = writeln!(
                problems,
                "PRICE CHANGED: {}, {}: {count:?}, on the page {cell:?}",
                row.name(),
                outcome.name(),
            );
        }
    }
    if problems.is_empty() {
        println!("{compared} prices are as on the page");
        return Ok(());
    }
    Err(format!("{problems}`-- --write` writes it anew, see benches/README.md").into())
}

fn same_rows(rows: &[Row], published: &[(String, Vec<Option<f64>>)]) -> Result<(), BoxError> {
    let made: Vec<_> = rows.iter().map(Row::name).collect();
    let found: Vec<_> = published.iter().map(|(name, _)| name.clone()).collect();
    if made == found {
        return Ok(());
    }
    let missing: Vec<_> = made.iter().filter(|name| !found.contains(name)).collect();
    let foreign: Vec<_> = found.iter().filter(|name| !made.contains(name)).collect();
    Err(format!(
        "the price list has other lines than the crate: missing {missing:?}, foreign {foreign:?}"
    )
    .into())
}
