//! What tokens are good for.

/// A scope, and what it allows, in the words of the page of consent.
pub(crate) const ALL: [(&str, &str); 2] =
    [(BASIC, "call the tools of this server"), (NOTES, "read your notes")];

pub(crate) const BASIC: &str = "mcp";
pub(crate) const NOTES: &str = "notes:read";

/// The tools that need more than [`BASIC`].
pub(crate) fn needed(tool: &str) -> &'static str {
    match tool {
        "read_note" => NOTES,
        _ => BASIC,
    }
}

/// What is granted of what was asked for: all that there is of it, and [`BASIC`] if nothing was asked for.
/// RFC 6749 §3.3 lets a server ignore the rest; clients add `offline_access` and the like. `None` is an
/// invalid scope.
pub(crate) fn granted(asked: Option<&str>) -> Option<String> {
    let Some(asked) = asked else { return Some(BASIC.to_owned()) };
    let known = ALL.iter().map(|(scope, _)| *scope).filter(|scope| contains(asked, scope));
    let granted = known.collect::<Vec<_>>().join(" ");
    (!granted.is_empty()).then_some(granted)
}

pub(crate) fn contains(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|one| one == scope)
}
