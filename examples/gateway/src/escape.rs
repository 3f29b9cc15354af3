//! A log that can be read on a terminal.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// Escapes what JSON may have as it is, but terminals and viewers obey: control characters, and those that begin a line
/// or change the direction of text. To a parser it is the same.
pub(crate) struct Escaped<W>(pub(crate) W);

impl<W: Write> Write for Escaped<W> {
    /// An event is written at once, with the end of its line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(escape(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn is_obeyed(char: char) -> bool {
    let is_direction = matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    (char.is_control() && char != '\n') || is_direction || matches!(char, '\u{2028}' | '\u{2029}')
}

/// None of them is beyond four digits.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for char in line.chars() {
        if is_obeyed(char) {
            let _infallible = write!(escaped, "\\u{:04x}", u32::from(char));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_terminals_obey_is_escaped_and_stays_the_same_to_parsers() {
        let line = "{\"a\":\"\u{9b}2J\u{7f}\u{2028}\u{202e}\u{2066}\u{e4}\u{1f600}\"}\n";
        let escaped = escape(line);
        let expected = "{\"a\":\"\\u009b2J\\u007f\\u2028\\u202e\\u2066\u{e4}\u{1f600}\"}\n";
        assert_eq!(escaped, expected);
        let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        assert_eq!(parse(&escaped), parse(line));
    }
}
