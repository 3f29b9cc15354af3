//! What the README shows is what can be used.

use crate::{pki, support::Files};

const README: &str = include_str!("../../README.md");

#[test]
fn whole_configuration_has_no_mistakes() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (configuration, _) = rest.split_once("```").unwrap();
    let files = Files::new(configuration);
    pki::issue(&files);
    let (code, said) = files.check();
    assert_eq!(said, ["gateway.toml: listeners: 2, routes: 3, no mistakes"]);
    assert_eq!(code, Some(0));
}

// The message of an unknown key lists those that there are.
#[test]
fn every_setting_is_in_its_table() {
    let unknown = "x = 1\n[admin]\nx = 1\n[clients]\nx = 1\n[redis]\nx = 1\n[assertions]\nx = 1\n[throttle]\nx = 1\n\
        [certificates]\nx = 1\n[identity]\nx = 1\n[identity.signed]\nx = 1\n[[listener]]\nx = 1\n\
        [[listener]]\naddress = \"127.0.0.1:0\"\ntls.x = 1\n[[route]]\nx = 1\n\
        [[route]]\nx = 1\nforward_auth = true\n";
    let (_, said) = Files::new(unknown).check();
    let lists = said.iter().filter_map(|line| line.split_once("; it has "));
    let keys: Vec<_> = lists.flat_map(|(_, keys)| keys.split(", ")).collect();
    assert_eq!(lists_of(&said), 13, "{said:?}");
    for key in keys {
        let key = key.trim_matches('`');
        let documented =
            [format!("`{key}`"), format!(".{key}`"), format!("[{key}]"), format!("`{key}.")];
        assert!(documented.iter().any(|form| README.contains(form)), "{key}");
    }
}

fn lists_of(said: &[String]) -> usize {
    said.iter().filter(|line| line.contains("; it has ")).count()
}
