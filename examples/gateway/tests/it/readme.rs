//! What the README shows is what can be used.

use crate::{
    pki,
    support::{FORM, Files, Gateway, Upstream, call},
};

const README: &str = include_str!("../../README.md");

/// The blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let blocks = README.split(&begin).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

#[test]
fn configurations_have_no_mistakes() {
    let expected = ["listeners: 1, routes: 2", "listeners: 2, routes: 3"];
    let expected = expected.map(|counted| format!("gateway.toml: {counted}, no mistakes"));
    // The clients of each.
    let clients = blocks("json");
    // The one after them is a part.
    let checked =
        blocks("toml").into_iter().zip(clients).take(2).map(|(configuration, clients)| {
            let files = Files::new(configuration);
            pki::issue(&files);
            files.write("clients.json", clients);
            files.check()
        });
    let expected = expected.map(|line| (Some(0), vec![line]));
    assert_eq!(checked.collect::<Vec<_>>(), expected);
}

#[test]
fn first_one_does_what_is_said_of_it() {
    let upstream = Upstream::silent();
    let files = Files::new(
        &blocks("toml")[0]
            .replace("127.0.0.1:8080", "127.0.0.1:0")
            .replace("127.0.0.1:9000", &upstream.address),
    );
    files.write("clients.json", blocks("json")[0]);
    let gateway = Gateway::start_in(files, 1);
    // batch:gX9kWZ2c
    let basic = "authorization: Basic YmF0Y2g6Z1g5a1daMmM=";
    for (first, lines) in [("GET /", &[basic][..]), ("POST /token", &[basic, FORM])] {
        assert_eq!(call(gateway.address(), first, lines, "").status(), 204);
        assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
    }
    let wrong = "authorization: Basic YmF0Y2g6Z3Uzc3MzZA==";
    assert_eq!(call(gateway.address(), "GET /", &[wrong], "").status(), 401);
    gateway.wait_for(&[("reason", "wrong_secret"), ("client_id", "batch")]);
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
