//! What every example must do, and none of their own tests can see.

use std::{fs, path::Path};

fn providers(folder: &Path, found: &mut Vec<(String, usize)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            providers(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let count = |what: &str| text.matches(what).count();
            let providers = count("ClientProvider for ");
            if providers > 0 {
                let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                let without = providers - count("fn find_federated(").min(providers);
                found.push((name.display().to_string(), without));
            }
        }
    }
}

// The default finds nobody, so a provider that wraps another one refuses its workloads without a word.
#[test]
fn provider_that_can_hold_workloads_finds_them_by_their_tokens() {
    let mut found = Vec::new();
    providers(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut found);
    assert!(found.len() > 6, "{found:?}");
    found.retain(|(_, without)| *without > 0);
    found.sort();
    // They wrap none: these have tables of their own.
    let tables = [
        "examples/custom_provider/src/main.rs",
        "examples/gateway/src/clients/postgres.rs",
        "examples/mcp_authorization_server/src/store.rs",
        "examples/postgres/src/store.rs",
        "examples/redis/src/store.rs",
        "examples/sqlite/src/store.rs",
    ];
    assert_eq!(found, tables.map(|name| (name.to_owned(), 1)));
}
