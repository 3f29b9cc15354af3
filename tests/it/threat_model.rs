//! `src/docs/threat_model.md` names the tests that hold each promise. Here they are looked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = "src/docs/threat_model.md";

fn sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// Whether the file is the module, or in the folder of that name.
fn is_of(path: &Path, module: &str) -> bool {
    path.components().any(|part| {
        let name = Path::new(part.as_os_str());
        name.file_stem().is_some_and(|stem| stem == module)
    })
}

/// The rows of the tables, by their columns.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let rows = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    rows.filter(|row: &Vec<_>| row.last() != Some(&"tests"))
}

#[test]
fn every_promise_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    sources(&root.join("examples"), &mut files);
    let mut promises = 0;
    for row in rows(&page) {
        let [_, _, tests] = row[..] else { panic!("{row:?} has not three columns") };
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row:?} names no test");
        for name in names {
            let Some((module, test)) = name.split_once("::") else {
                assert!(root.join(name).exists(), "{name} does not exist");
                continue;
            };
            let function = format!("fn {test}(");
            let found =
                files.iter().any(|(path, text)| is_of(path, module) && text.contains(&function));
            assert!(found, "there is no test {name}");
        }
        promises += 1;
    }
    assert!(promises > 30, "{PAGE} has lost its tables");
}
