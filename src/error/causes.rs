//! An error and what caused it, on one line of a log.

use std::{
    error::Error,
    fmt::{self, Write},
    iter,
};

/// In bytes: more than errors say, too little to flood a log with.
const LONGEST: usize = 1024;
/// Of a chain, which an application can make as long as it likes.
const MOST: usize = 16;
const BETWEEN: &str = ": ";

/// Written when somebody asks for it.
pub(super) struct Causes<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line { text: String::new(), is_full: false };
        let mut causes = iter::successors(Some(self.0), |&cause| cause.source());
        causes.by_ref().take(MOST).for_each(|cause| line.add(cause));
        f.write_str(&line.text)?;
        f.write_str(if line.is_full || causes.next().is_some() { "…" } else { "" })
    }
}

struct Line {
    text: String,
    is_full: bool,
}

impl Line {
    /// Some errors say what their cause says, which is written once.
    fn add(&mut self, cause: &dyn Error) {
        let end = self.text.len();
        let between = if end == 0 { "" } else { BETWEEN };
        // An error ends where there is no more room, or where it fails to say more.
        let _ended = self.write_str(between).and_then(|()| write!(self, "{cause}"));
        let (before, added) = self.text.split_at(end);
        if added.strip_prefix(between).is_some_and(|cause| before.ends_with(cause)) {
            self.text.truncate(end);
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| self.write_char(character))
    }

    /// Escaped as by `Debug`: what an error quotes, such as the name in a certificate, may be a caller's.
    fn write_char(&mut self, character: char) -> fmt::Result {
        let end = self.text.len();
        match character {
            // They end nothing here, and messages have them.
            '"' | '\'' | '\\' => self.text.push(character),
            _ => self.text.extend(character.escape_debug()),
        }
        if self.is_full || self.text.len() > LONGEST {
            self.text.truncate(end);
            self.is_full = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}
