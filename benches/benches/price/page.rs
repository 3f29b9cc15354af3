//! The page and its picture, and what the page has.

use std::{fmt::Write as _, fs, process::Command};

use crate::{
    PAGE, ROUNDS,
    measure::Measured,
    rows::{Outcome, Replay, Row},
    support::chart::{self, Line},
};

impl Measured {
    /// Instructions, and times that of a refused Basic.
    fn cell(&self, row: &Row, outcome: Outcome) -> String {
        let count = self.count(row, outcome).map_or("–".to_owned(), thousands);
        let ratio = self.of(&self.times, row, outcome);
        let ratio = ratio.map_or("–".to_owned(), |(_, ratio)| significant(ratio));
        format!("{count} · {ratio}")
    }

    /// How many of the dearest refusals of a row keep a core busy for a second.
    fn a_second(&self, row: &Row) -> String {
        let refused = row.outcomes().iter().filter(|outcome| !outcome.status().is_success());
        let times = refused.filter_map(|outcome| self.of(&self.times, row, *outcome));
        let dearest = times.map(|(time, _)| time).fold(0.0, f64::max);
        if dearest > 0.0 { significant(1.0 / dearest) } else { "–".to_owned() }
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Two digits that count, and all that stand before the point.
fn significant(number: f64) -> String {
    match number {
        number if number < 10.0 => format!("{number:.1}"),
        number if number < 100.0 => format!("{number:.0}"),
        number => {
            let unit = 10_f64.powf(number.log10().floor() - 1.0);
            thousands((number / unit).round() * unit)
        }
    }
}

pub(super) fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default()).trim().to_owned()
}

/// The lines of the page, each with its counts.
pub(super) fn published() -> Vec<(String, Vec<Option<f64>>)> {
    let page = fs::read_to_string(PAGE).unwrap_or_default();
    let cells = |line: &str| -> Option<(String, Vec<Option<f64>>)> {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let first = cells.iter().position(|cell| cell.contains(" · "))?;
        let (name, prices) = cells.split_at(first);
        let prices = prices.iter().filter_map(|cell| cell.split_once(" · "));
        let prices = prices.map(|(count, _)| count.replace(',', "").parse().ok());
        Some((name.join(" | "), prices.collect()))
    };
    page.lines().filter_map(cells).collect()
}

pub(super) fn page(rows: &[Row], measured: &Measured) -> String {
    let mut page = format!(
        "What each request costs the server, and how many of the dearest ones keep a core busy.\n\n\
         Written by `cargo bench -p benches --features argon2,cache,redis,unstable-attestation-x5c --bench price -- --write`,\n\
         with {}. The picture is of the same figures.\n\n\
         Each cell has the instructions that valgrind counts in the layer, with a form of 300 bytes and 100\n\
         clients; and behind the dot the time, over that of a wrong secret with Basic, stored in plain text, which\n\
         took {:.2} µs here (median of {ROUNDS} interleaved rounds, one request at a time, in memory). Valgrind does\n\
         not know the processor's instructions for SHA-256, so that the time is right and the count is not.\n\n\
         *To size*: a core makes one second ÷ (what HTTP and the handler take + ratio × {:.2} µs) requests a second.\n\
         HTTP/1.1 with hyper takes 6 to 15 µs. Only what costs hundreds of times a wrong Basic counts beside it. For example,\n\
         3,000 requests a second with secrets behind argon2id, at 40 a second and core, take 3,000 ÷ 40 = 75 cores at full load, and\n\
         100 where made-up ids take the quarter of the pool that they may; with secrets that a machine made, and SHA-256, less\n\
         than one. Count the hashes with all cores at work: what one makes alone is more than its part of what they make together.\n\n\
         *To limit*: `a second` is how many of the dearest refusals of a line keep one core busy, without HTTP.\n\
         Whoever can send a request can cause a refusal, for any id, of every method and algorithm that is\n\
         accepted. The share of a core that one address may take, times that number, is the limit by address; the\n\
         smallest number that applies counts. What no client uses is better turned off:\n\
         `ClientAuthLayer::auth_methods`, `Assertions::signing_algs`.\n\n\
         # Secrets\n\n\
         The line is that of the slowest kind that any client has, or that the decoy is. For `none`, *wrong* is a\n\
         client that has a secret and does not send it.\n\n",
        compiler(),
        measured.refused_basic() * 1e6,
        measured.refused_basic() * 1e6,
    );
    let is_secret = |row: &&Row| matches!(row, Row::Secret(..));
    let is_assertion = |row: &&Row| matches!(row, Row::Assertion(..));
    let is_attestation = |row: &&Row| matches!(row, Row::Attestation(_));
    table(&mut page, "method | secrets", &mut rows.iter().filter(is_secret), measured);
    page.push_str(
        "\n# Assertions\n\n\
         With a `MemoryReplayStore`. An assertion is as dear for any id as for that of a client. One that names\n\
         its key by `kid` is verified once; one that names none, twice where it fails, because a client may have\n\
         two keys.\n\n",
    );
    table(&mut page, "algorithm | key", &mut rows.iter().filter(is_assertion), measured);
    page.push_str(
        "\n# Attestations\n\n\
         With a `MemoryReplayStore`, all signed with ES256. An attestation and its proof of possession are two verifications,\n\
         right or wrong and for any id, and each certificate in `x5c` is one more. `Attesters::signing_algs` leaves out what no\n\
         attester and no instance uses; with another algorithm each is as dear as one of the assertions above.\n\n",
    );
    table(&mut page, "algorithm | known by", &mut rows.iter().filter(is_attestation), measured);
    page.push_str(
        "\n# Replay stores\n\n\
         An assertion of HS256 that is right, which is the only one that is remembered.\n\n\
         | replay store | right |\n|---|--:|\n",
    );
    for row in rows.iter().filter(|row| matches!(row, Row::Replay(_))) {
        let _infallible =
            writeln!(page, "| {} | {} |", row.name(), measured.cell(row, Outcome::Right));
    }
    let redis = Row::Replay(Replay::Redis);
    page.push_str(if measured.of(&measured.times, &redis, Outcome::Right).is_some() {
        "\nWith Redis it is the time of the server, not that of the caller, who waits for the answer, too.\n"
    } else {
        "\nRedis was not measured: there was no `redis-server`, and `REDIS_SERVER` named none.\n"
    });
    page
}

fn table(
    page: &mut String,
    first: &str,
    rows: &mut dyn Iterator<Item = &Row>,
    measured: &Measured,
) {
    for (number, row) in rows.enumerate() {
        if number == 0 {
            let names: Vec<_> = row.outcomes().iter().map(|outcome| outcome.name()).collect();
            let _infallible = writeln!(page, "| {first} | {} | a second |", names.join(" | "));
            let _infallible = writeln!(page, "|---|---|{}", "--:|".repeat(names.len() + 1));
        }
        let cells = row.outcomes().iter().map(|outcome| measured.cell(row, *outcome));
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let _infallible =
            writeln!(page, "| {} | {cells} | {} |", row.name(), measured.a_second(row));
    }
}

pub(super) fn picture(rows: &[Row], measured: &Measured) -> String {
    let dearest = |row: &Row, outcomes: &[Outcome]| {
        let counts = outcomes.iter().filter_map(|outcome| measured.count(row, *outcome));
        counts.reduce(f64::max)
    };
    let lines: Vec<_> = rows
        .iter()
        .filter(|row| !matches!(row, Row::Replay(_)))
        .map(|row| Line {
            label: row.name().replace('`', "").replace(" | ", ", "),
            values: vec![
                measured.count(row, Outcome::Right),
                dearest(row, &[Outcome::Wrong, Outcome::Unknown]),
                dearest(row, &[Outcome::WrongNameless, Outcome::UnknownNameless]),
            ],
        })
        .collect();
    chart::dots(
        "What a request costs",
        "instructions",
        &["right", "refused", "refused, no kid"],
        &lines,
    )
}
