//! The documentation of each reason begins with its label. Here it is compared with the table.

use std::{collections::BTreeMap, fs, path::Path};

/// The label that the documentation of each variant begins with, if it begins with one.
fn documented(source: &str) -> BTreeMap<&str, &str> {
    let (_, variants) = source.split_once("pub enum ").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    let (mut found, mut label) = (BTreeMap::new(), None);
    for line in variants.lines().skip(1).map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            label = label.or_else(|| Some(text.strip_prefix('`')?.split_once("`: ")?.0));
        } else if let Some(variant) = line.strip_suffix(',') {
            if !variant.ends_with(')') {
                found.insert(variant, label.unwrap_or_default());
            }
            label = None;
        }
    }
    found
}

/// The label that each variant has.
fn labels(source: &str) -> BTreeMap<&str, &str> {
    let rows = source.split("Self::").skip(1).filter_map(|row| {
        let (variant, row) = row.split_once(" => entry! {")?;
        Some((variant, row.split('"').nth(1)?))
    });
    rows.collect()
}

/// The labels of all kinds of reasons, of whatever feature.
fn all_labels() -> Vec<String> {
    let mut all: Vec<_> = ["kind/table.rs", "assertion.rs", "attestation.rs", "certificate.rs"]
        .iter()
        .flat_map(|file| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/error").join(file);
            let source = fs::read_to_string(path).unwrap();
            labels(&source).into_values().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn every_reason_has_one_row_in_the_troubleshooting_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/troubleshooting.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = |line: &str| line.matches(" | ").count();
    let mut rows = Vec::new();
    let mut columns = 0;
    for line in page.lines() {
        if line.starts_with("| reason ") {
            columns = cells(line);
        } else if let Some((label, _)) =
            line.strip_prefix("| `").and_then(|row| row.split_once('`'))
        {
            assert_eq!(cells(line), columns, "{line}");
            rows.push(label.to_owned());
        }
    }
    rows.sort();
    assert_eq!(rows, all_labels());
    assert!(rows.len() > 60, "{}", rows.len());
}

/// What the caller gets is what people search for. One text has a heading, and one is that of every 503.
#[test]
fn troubleshooting_page_has_the_text_of_every_answer() {
    let read = |file: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
    };
    let page = read("docs/troubleshooting.md");
    let mut texts = 0;
    for file in ["entry.rs", "kind/table.rs", "assertion.rs", "attestation.rs", "certificate.rs"] {
        let source = read(&format!("error/{file}"));
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let pieces: Vec<_> = code.split('"').collect();
        // The last argument of an answer, which nobody is there to get where it was abandoned.
        for text in pieces.windows(2).filter(|pair| pair[1].trim_start().starts_with(')')) {
            if text[0].contains(' ') && text[0] != "The request was abandoned" {
                assert!(page.contains(&format!("\"{}\"", text[0])), "{file}: {}", text[0]);
                texts += 1;
            }
        }
    }
    assert!(texts > 25, "{texts}");
}

#[test]
fn documentation_of_a_reason_begins_with_its_label() {
    let read = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/error").join(file);
        fs::read_to_string(path).unwrap()
    };
    for (file, table, least) in [
        ("kind.rs", "kind/table.rs", 40),
        ("assertion.rs", "assertion.rs", 18),
        ("attestation.rs", "attestation.rs", 20),
    ] {
        let (source, table) = (read(file), read(table));
        let labels = labels(&table);
        assert_eq!(documented(&source), labels, "{file}");
        assert!(labels.len() >= least, "{file} has {}", labels.len());
    }
    let kind = tower_client_auth::ErrorKind::WrongSecret;
    assert_eq!(kind.as_str(), "wrong_secret");
}
