//! `src/method/README.md` lists the places that a method is named in. Here the page is compared with
//! the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const PAGE: &str = "src/method/README.md";
/// What the page writes where a row has nothing to say.
const NOTHING: &str = "–";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(root().join(file)).ok()
}

/// The section of a page, or the item of a source file, from the line that holds `name` to its end: the
/// next heading of its level or table of its kind, or the bracket that stands as far to the left.
fn item<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let level = name.len() - name.trim_start_matches('#').len();
    let found = if level > 0 { text.find(&format!("\n{name}\n"))? + 1 } else { text.find(name)? };
    let start = text[..found].rfind('\n').map_or(0, |newline| newline + 1);
    let margin = &text[start..start + text[start..].find(|c| c != ' ')?];
    let mut end = start;
    for line in text[start..].split_inclusive('\n') {
        let is_first = end == start;
        let is_end = match level {
            0 if name.starts_with('[') => line.starts_with('['),
            0 => line.strip_prefix(margin).is_some_and(|line| line.starts_with(['}', ']'])),
            _ => line.starts_with(&name[..=level]),
        };
        if is_end && !is_first {
            break;
        }
        end += line.len();
        if level == 0 && line.trim_end().ends_with("];") {
            break;
        }
    }
    Some(&text[start..end])
}

/// The variants of `AuthMethod` that stand for a registered name, with that name.
fn registered() -> BTreeMap<String, String> {
    let iana = read("src/iana/mod.rs").unwrap();
    let names = item(&iana, "fn as_str(").unwrap();
    let variants = item(&iana, "pub enum AuthMethod {").unwrap().lines().skip(1);
    variants
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| !line.starts_with("//") && !line.starts_with("Other("))
        .map(|variant| {
            let (_, name) = names.split_once(&format!("Self::{variant} => \"")).unwrap();
            (name.split('"').next().unwrap().to_owned(), variant.to_owned())
        })
        .collect()
}

/// What stands in backticks in a cell. Several are alternatives, and none is a dash.
fn quoted(cell: &str) -> Vec<&str> {
    assert!(
        cell.contains('`') || cell == NOTHING,
        "a cell of {PAGE} is neither code nor –: {cell}"
    );
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows below the line that begins with `heading`, each a list of cells.
fn table<'a>(page: &'a str, heading: &str) -> (Vec<&'a str>, Vec<Vec<&'a str>>) {
    let section = item(page, heading).unwrap_or_else(|| panic!("{PAGE} has no {heading}"));
    let mut rows = section
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    (rows.next().unwrap_or_else(|| panic!("{heading} of {PAGE} has no table")), rows.collect())
}

/// A method that is built, by its placeholders. One without a value has none.
type Method<'a> = BTreeMap<&'a str, &'a str>;

fn built(page: &str) -> Vec<Method<'_>> {
    let (placeholders, rows) = table(page, "## The methods");
    rows.iter()
        .map(|row| {
            let values = placeholders.iter().zip(row).filter_map(|(placeholder, value)| {
                Some((*quoted(placeholder).first()?, *quoted(value).first()?))
            });
            values.collect()
        })
        .collect()
}

/// `None` if the method has no value for one of the placeholders.
fn fill(pattern: &str, method: &Method<'_>) -> Option<String> {
    let mut filled = pattern.to_owned();
    for (placeholder, value) in method {
        filled = filled.replace(placeholder, value);
    }
    let is_placeholder = |part: &str| part.split_once('}').is_some_and(|(name, _)| is_word(name));
    (!filled.split('{').skip(1).any(is_placeholder)).then_some(filled)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `pattern` as a word of its own where it begins and ends like one.
fn contains(text: &str, pattern: &str) -> bool {
    let both = |left: Option<char>, right: Option<char>| {
        [left, right].iter().all(|c| c.is_some_and(|c| is_word(&c.to_string())))
    };
    text.match_indices(pattern).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + pattern.len()..]);
        !both(before.chars().next_back(), pattern.chars().next())
            && !both(pattern.chars().next_back(), after.chars().next())
    })
}

#[test]
fn every_method_is_built_or_named_as_not_built() {
    let page = read(PAGE).unwrap();
    let not_built: BTreeSet<_> = item(&page, "### Not built yet")
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'))
        .collect();
    let built = built(&page);
    let named: BTreeMap<_, _> =
        built.iter().map(|method| (method["{name}"], method["{AuthMethod}"])).collect();
    let registered = registered();
    assert!(registered.len() > 6, "the variants of `AuthMethod` are read wrongly: {registered:?}");
    for (name, variant) in &registered {
        assert!(
            named.contains_key(name.as_str()) != not_built.contains(name.as_str()),
            "{name} must be in the table of methods of {PAGE} or under \"Not built yet\""
        );
        assert!(named.get(name.as_str()).is_none_or(|named| named == variant), "{name}");
    }
    for name in named.keys().chain(&not_built) {
        assert!(
            registered.contains_key(*name),
            "{PAGE} names {name}, and src/iana/mod.rs does not"
        );
    }
}

#[test]
fn every_method_is_in_every_place() {
    let page = read(PAGE).unwrap();
    let (_, places) = table(&page, "## Places");
    assert!(places.len() > 30, "the table of places is read wrongly");
    let mut missing = Vec::new();
    for method in built(&page) {
        for place in &places {
            let [file, items, patterns, _] = place[..] else { panic!("{place:?}") };
            let file = fill(quoted(file)[0], &method).unwrap();
            let Some(text) = read(&file) else {
                missing.push(format!("{file} does not exist"));
                continue;
            };
            let items = quoted(items);
            let parts: Vec<_> = items.iter().filter_map(|name| item(&text, name)).collect();
            if parts.len() != items.len() {
                missing.push(format!("{file} has no {items:?}"));
                continue;
            }
            let parts = if parts.is_empty() { vec![&*text] } else { parts };
            let patterns: Vec<_> = quoted(patterns);
            let filled: Vec<_> =
                patterns.iter().filter_map(|pattern| fill(pattern, &method)).collect();
            let found = |pattern: &String| parts.iter().any(|part| contains(part, pattern));
            if filled.len() == patterns.len() && !filled.is_empty() && !filled.iter().any(found) {
                missing.push(format!("{}: {file}, {items:?}: {filled:?}", method["{name}"]));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_file_that_the_page_names_exists() {
    let page = read(PAGE).unwrap();
    let prose: String = page.split("```").step_by(2).collect();
    let folders = ["src/", "tests/", "benches/", "examples/", ".ci/"];
    let files: BTreeSet<_> = prose
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| folders.iter().any(|folder| name.starts_with(folder)))
        .collect();
    assert!(files.len() > 15, "the names of files are read wrongly: {files:?}");
    for file in files {
        assert!(root().join(file).exists(), "{PAGE} names {file}, which does not exist");
    }
}
