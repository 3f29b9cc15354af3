//! SPIFFE IDs (SPIFFE-ID §2): the names that JWT-SVIDs are about.

/// SPIFFE-ID §2.3: no longer ones are made.
const LONGEST: usize = 2048;
/// Of a trust domain: it has the length of a host name.
const LONGEST_DOMAIN: usize = 255;
const SCHEME: &str = "spiffe://";

/// Where the trust domain of an id ends, which is as it should be (SPIFFE-ID §2.1, §2.2). The path may be empty.
pub(super) fn read(id: &str) -> Option<usize> {
    let rest = id.strip_prefix(SCHEME).filter(|_| id.len() <= LONGEST)?;
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_path = path.is_empty() || path.strip_prefix('/').is_some_and(is_path);
    (is_domain(domain) && is_path).then_some(SCHEME.len() + domain.len())
}

/// Whether it is the name of a trust domain.
pub(super) fn is_domain(domain: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    (1..=LONGEST_DOMAIN).contains(&domain.len()) && domain.bytes().all(allowed)
}

/// SPIFFE-ID §2.2: no empty segments, none that a URL parser removes, and no escapes.
fn is_path(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    path.split('/')
        .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed))
}

/// Whether `pattern`, which is an id, or a prefix of ids with `/*` behind it, stands for `id`.
pub(super) fn matches(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix('*') {
        // An id has no `/` at its end, so there is something behind the prefix.
        Some(prefix) => id.starts_with(prefix),
        None => id == pattern,
    }
}

/// What is wrong with a pattern for the ids of a trust domain.
pub(super) fn fault(domain: &str, pattern: &str) -> Option<&'static str> {
    if !is_domain(domain) {
        return Some("the trust domain is not the name of one, such as `prod.example`");
    }
    let id = pattern.strip_suffix("/*").unwrap_or(pattern);
    match read(id) {
        None => Some("`spiffe_id` is no SPIFFE ID, nor one with `/*` behind it"),
        Some(end) if id.get(SCHEME.len()..end) != Some(domain) => {
            Some("`spiffe_id` is of another trust domain")
        }
        // The trust domain itself is no workload.
        Some(end) if end == pattern.len() => Some("`spiffe_id` has no path"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "spiffe://prod.example/";

    #[test]
    fn spiffe_id_2_ids_are_read_as_they_are_written() {
        for (id, domain) in [
            ("spiffe://prod.example/ns/web/sa/api", Some("prod.example")),
            ("spiffe://prod.example", Some("prod.example")),
            ("spiffe://a_b-c.1/x", Some("a_b-c.1")),
            ("spiffe://prod.example/a..b/...", Some("prod.example")),
            ("spiffe://prod.example/A", Some("prod.example")),
            ("SPIFFE://prod.example/a", None),
            ("spiffe:/prod.example/a", None),
            ("spiffe://", None),
            ("spiffe:///a", None),
            ("spiffe://Prod.example/a", None),
            ("spiffe://prod.example:8443/a", None),
            ("spiffe://user@prod.example/a", None),
            ("spiffe://prod.example/", None),
            ("spiffe://prod.example/a/", None),
            ("spiffe://prod.example//a", None),
            ("spiffe://prod.example/./a", None),
            ("spiffe://prod.example/a/..", None),
            ("spiffe://prod.example/%61", None),
            ("spiffe://prod.example/a?b", None),
            ("spiffe://prod.example/a#b", None),
            ("spiffe://prod.example/é", None),
            ("spiffe://prod.example/*", None),
            ("https://prod.example/a", None),
        ] {
            let read = read(id).map(|end| id.get(SCHEME.len()..end).unwrap_or_default());
            assert_eq!(read, domain, "{id}");
        }
        let long = |length: usize| format!("{LONG}{}", "a".repeat(length - LONG.len()));
        assert!(read(&long(2048)).is_some());
        assert_eq!(read(&long(2049)), None);
        let domain = |length| format!("spiffe://{}/a", "a".repeat(length));
        assert!(read(&domain(255)).is_some());
        assert_eq!(read(&domain(256)), None);
    }

    // All short paths over the characters that matter, and the rules as SPIFFE-ID §2.2 has them.
    #[test]
    fn spiffe_id_2_2_paths_are_read_as_the_rules_say() {
        const ALPHABET: [char; 8] = ['a', 'Z', '.', '-', '/', '%', '*', '\\'];
        let mut paths = vec![String::new()];
        for length in 0..6 {
            let longest: Vec<_> =
                paths.iter().filter(|path| path.len() == length).cloned().collect();
            paths.extend(longest.iter().flat_map(|path| ALPHABET.map(|c| format!("{path}{c}"))));
        }
        let mut read_as_ids = 0;
        for path in paths {
            let bad = ["%", "*", "\\", "//", "/./", "/../"];
            let followed = format!("{path}/");
            let is_id = path.is_empty()
                || (path.starts_with('/')
                    && !path.ends_with('/')
                    && !bad.iter().any(|part| followed.contains(part)));
            assert_eq!(
                read(&format!("spiffe://a{path}")).is_some(),
                is_id || {
                    // Before the first `/` these belong to the trust domain.
                    let domain = path.split('/').next().unwrap_or_default();
                    let rest = path.get(domain.len()..).unwrap_or_default();
                    let followed = format!("{rest}/");
                    !domain.is_empty()
                        && domain.chars().all(|c| matches!(c, 'a' | '.' | '-'))
                        && (rest.is_empty() || !rest.ends_with('/'))
                        && !bad.iter().any(|part| followed.contains(part))
                },
                "{path}"
            );
            read_as_ids += u32::from(is_id);
        }
        assert!(read_as_ids > 1_000);
    }

    // All short patterns and ids, of which some are of another trust domain.
    #[test]
    fn pattern_stands_for_ids_that_have_its_segments() {
        let mut paths = vec![String::new()];
        for length in 0..5 {
            let longest: Vec<_> =
                paths.iter().filter(|path| path.len() == length).cloned().collect();
            let longer =
                longest.iter().flat_map(|path| ['a', '.', '/', '*'].map(|c| format!("{path}{c}")));
            paths.extend(longer);
        }
        let all: Vec<_> = paths.iter().map(|path| format!("spiffe://td{path}")).collect();
        let ids = || all.iter().filter(|id| read(id).is_some());
        let mut matched = 0;
        for pattern in all.iter().filter(|pattern| fault("td", pattern).is_none()) {
            let segments: Vec<_> = pattern.split('/').collect();
            for id in ids() {
                let of_id: Vec<_> = id.split('/').collect();
                let expected = match segments.split_last() {
                    Some((&"*", first)) => of_id.starts_with(first) && of_id.len() > first.len(),
                    _ => segments == of_id,
                };
                assert_eq!(matches(pattern, id), expected, "{pattern} {id}");
                matched += u32::from(expected);
            }
        }
        assert!(matched > 50, "{matched}");
    }

    #[test]
    fn prefix_ends_at_a_segment() {
        for (pattern, id, expected) in [
            ("spiffe://a.example/ns/*", "spiffe://a.example/ns/y", true),
            ("spiffe://a.example/ns/*", "spiffe://a.example/ns/y/z", true),
            ("spiffe://a.example/ns/*", "spiffe://a.example/nsx/y", false),
            ("spiffe://a.example/ns/*", "spiffe://a.example/ns", false),
            ("spiffe://a.example/*", "spiffe://a.example/x", true),
            ("spiffe://a.example/*", "spiffe://a.example", false),
            ("spiffe://a.example/*", "spiffe://a.example.evil/x", false),
            ("spiffe://a.example/x", "spiffe://a.example/x", true),
            ("spiffe://a.example/x", "spiffe://a.example/x/y", false),
            ("spiffe://a.example/x", "spiffe://a.example/X", false),
        ] {
            assert_eq!(matches(pattern, id), expected, "{pattern} {id}");
        }
    }

    #[test]
    fn pattern_that_no_id_can_match_has_a_fault() {
        for (domain, pattern, expected) in [
            ("a.example", "spiffe://a.example/x", None),
            ("a.example", "spiffe://a.example/x/*", None),
            ("a.example", "spiffe://a.example/*", None),
            ("A.example", "spiffe://a.example/x", Some("the trust domain is not the name of one")),
            ("", "spiffe:///x", Some("the trust domain is not the name of one")),
            ("a.example", "spiffe://b.example/x", Some("`spiffe_id` is of another trust domain")),
            ("a.example", "spiffe://a.example.evil/x", Some("`spiffe_id` is of another")),
            ("a.example", "spiffe://a.example", Some("`spiffe_id` has no path")),
            ("a.example", "spiffe://a.example/x*", Some("`spiffe_id` is no SPIFFE ID")),
            ("a.example", "spiffe://a.example/*/x", Some("`spiffe_id` is no SPIFFE ID")),
            ("a.example", "spiffe://a.example//*", Some("`spiffe_id` is no SPIFFE ID")),
            ("a.example", "*", Some("`spiffe_id` is no SPIFFE ID")),
            ("a.example", "", Some("`spiffe_id` is no SPIFFE ID")),
        ] {
            let fault = fault(domain, pattern);
            let same = fault.zip(expected).is_some_and(|(fault, text)| fault.starts_with(text));
            assert!(same || (fault.is_none() && expected.is_none()), "{pattern}: {fault:?}");
        }
    }
}
