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

/// The promises of the sections that have tests: each item of their lists, and the tests that it names.
fn promises(page: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    const WITHOUT: [&str; 4] = ["protected", "trusted", "left to others", "remains visible"];
    let sections = page.split("\n# ").skip(1);
    let with_tests = sections.filter(|section| {
        let title = section.lines().next().unwrap_or_default();
        !WITHOUT.iter().any(|end| title.ends_with(end))
    });
    with_tests.flat_map(|section| section.split("\n- ").skip(1)).map(|item| {
        let (promise, tests) =
            item.split_once("<details><summary>Tests</summary>").unwrap_or((item, ""));
        let tests = tests.split_once("</details>").map_or("", |(tests, _)| tests);
        (promise, tests.split('`').skip(1).step_by(2).collect())
    })
}

#[test]
fn every_promise_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    sources(&root.join("examples"), &mut files);
    let mut count = 0;
    for (promise, tests) in promises(&page) {
        assert!(!tests.is_empty(), "{promise:?} names no test");
        for name in tests {
            let Some((module, test)) = name.split_once("::") else {
                assert!(root.join(name).exists(), "{name} does not exist");
                continue;
            };
            let function = format!("fn {test}(");
            let found =
                files.iter().any(|(path, text)| is_of(path, module) && text.contains(&function));
            assert!(found, "there is no test {name}");
        }
        count += 1;
    }
    assert!(count > 30, "{PAGE} has lost its lists");
}
