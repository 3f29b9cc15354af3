//! Reads tables of TOML, and collects what is wrong with them.
//!
//! Not by `serde`: a deserializer stops at the first mistake, and forgets the lines of what was right.

use std::{
    cell::RefCell,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Something wrong, or that may be, and where. It never quotes what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Mistake {
    /// As `--check` writes it.
    pub(crate) fn of_file(&self, path: &Path) -> String {
        let Self { line, what } = self;
        match line {
            0 => format!("{}: {what}", path.display()),
            line => format!("{}:{line}: {what}", path.display()),
        }
    }
}

/// A value, and its line.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

// Where a setting stands makes no difference to what it says.
impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    pub(crate) fn mistake(&self, what: impl Into<String>) -> Mistake {
        Mistake { line: self.line, what: what.into() }
    }
}

/// A whole file.
pub(crate) struct Reader<'a> {
    text: &'a str,
    directory: &'a Path,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'a> Reader<'a> {
    /// Paths in `text` are relative to `directory`.
    pub(crate) fn new(text: &'a str, directory: &'a Path) -> Self {
        Self { text, directory, mistakes: RefCell::default() }
    }

    /// What is no TOML is all that can be said of it: settings that seem to be missing may be there.
    pub(crate) fn parse(&self) -> Result<Spanned<DeTable<'a>>, Vec<Mistake>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mistakes = errors.iter().map(|error| Mistake {
            line: self.line(error.span().unwrap_or_default()),
            what: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
        });
        let mut mistakes: Vec<_> = mistakes.collect();
        mistakes.sort();
        mistakes.dedup();
        if mistakes.is_empty() { Ok(table) } else { Err(mistakes) }
    }

    pub(crate) fn root<'t>(&'t self, table: &'t Spanned<DeTable<'a>>) -> Table<'t> {
        Table::new(self, table.get_ref(), "the configuration ".to_owned(), 1)
    }

    pub(crate) fn note(&self, line: usize, what: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { line, what: what.into() });
    }

    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// A table of it. What was not asked for when it is dropped is an unknown key.
pub(crate) struct Table<'t> {
    reader: &'t Reader<'t>,
    table: &'t DeTable<'t>,
    /// As it is called in messages, with a space behind it.
    name: String,
    line: usize,
    known: RefCell<Vec<&'static str>>,
}

impl<'t> Table<'t> {
    fn new<'a>(reader: &'t Reader<'a>, table: &'t DeTable<'a>, name: String, line: usize) -> Self {
        Self { reader, table, name, line, known: RefCell::default() }
    }

    pub(crate) const fn line(&self) -> usize {
        self.line
    }

    pub(crate) fn note(&self, line: usize, what: impl Into<String>) {
        self.reader.note(line, what);
    }

    fn get(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key)
    }

    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    /// Of an array.
    pub(crate) fn length(&self, key: &'static str) -> usize {
        let array = self.table.get(key).and_then(|value| value.get_ref().as_array());
        array.map_or(0, |array| array.len())
    }

    fn read<T>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.get(key)?;
        let line = self.reader.line(value.span());
        match read(value.get_ref()) {
            Some(value) => Some(At { value, line }),
            None => {
                self.note(line, format!("`{key}` must be {wanted}"));
                None
            }
        }
    }

    /// A string that is not empty.
    pub(crate) fn text(&self, key: &'static str) -> Option<At<String>> {
        self.read(key, "a string, and not empty", |value| text(value).map(str::to_owned))
    }

    /// A string that may be in the environment instead, as `env:NAME`, because there is a password in it.
    pub(crate) fn secret(&self, key: &'static str) -> Option<At<String>> {
        let At { value, line } = self.text(key)?;
        let Some(name) = value.strip_prefix("env:") else { return Some(At { value, line }) };
        if let Ok(value) = std::env::var(name)
            && !value.is_empty()
        {
            return Some(At { value, line });
        }
        self.note(line, format!("{name} is not set, which `{key}` names"));
        None
    }

    /// A string that is a `T`; `wanted` says what that is.
    pub(crate) fn parsed<T: FromStr>(&self, key: &'static str, wanted: &str) -> Option<At<T>> {
        self.read(key, wanted, |value| text(value)?.parse().ok())
    }

    /// One of these strings.
    pub(crate) fn one_of<T: Clone>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<At<T>> {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("`\"{name}\"`")).collect();
        self.read(key, &names.join(" or "), |value| {
            let text = value.as_str()?;
            choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| choice.clone())
        })
    }

    pub(crate) fn flag(&self, key: &'static str) -> bool {
        self.read(key, "`true` or `false`", DeValue::as_bool).is_some_and(|flag| flag.value)
    }

    pub(crate) fn number(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<At<u64>> {
        let wanted = format!("a number between {} and {}", range.start(), range.end());
        self.read(key, &wanted, |value| {
            let digits = value.as_integer()?;
            let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    /// Whole seconds, up to a day.
    pub(crate) fn seconds(&self, key: &'static str, default: u64) -> Duration {
        let seconds = self.number(key, 1..=24 * 60 * 60);
        Duration::from_secs(seconds.map_or(default, |seconds| seconds.value))
    }

    pub(crate) fn file(&self, key: &'static str) -> Option<At<PathBuf>> {
        let name = self.text(key)?;
        Some(At { value: self.reader.directory.join(name.value), line: name.line })
    }

    pub(crate) fn files(&self, key: &'static str) -> Vec<At<PathBuf>> {
        let names = self.texts(key).unwrap_or_default().into_iter();
        names
            .map(|name| At { value: self.reader.directory.join(name.value), line: name.line })
            .collect()
    }

    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<At<String>>> {
        let list = self.read(key, "an array of strings", DeValue::as_array)?;
        let texts = list.value.iter().filter_map(|item| {
            let line = self.reader.line(item.span());
            let text = item.get_ref().as_str();
            if text.is_none() {
                self.note(line, format!("`{key}` must be an array of strings"));
            }
            Some(At { value: text?.to_owned(), line })
        });
        Some(texts.collect())
    }

    /// An array of strings that are each a `T`; `wanted` says what that is.
    pub(crate) fn all_parsed<T: FromStr>(
        &self,
        key: &'static str,
        wanted: &str,
    ) -> Option<Vec<At<T>>> {
        let texts = self.texts(key)?.into_iter();
        let parsed = texts.filter_map(|text| match text.value.parse() {
            Ok(value) => Some(At { value, line: text.line }),
            Err(_) => {
                self.note(text.line, format!("{:?} in `{key}` is not {wanted}", text.value));
                None
            }
        });
        Some(parsed.collect())
    }

    pub(crate) fn table(&self, key: &'static str) -> Option<Self> {
        let table = self.read(key, "a table", DeValue::as_table)?;
        Some(Table::new(self.reader, table.value, format!("[{key}] "), table.line))
    }

    /// An array of tables, which must be there.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Self> {
        let list = self.read(key, &format!("an array of tables, `[[{key}]]`"), DeValue::as_array);
        let line = list.as_ref().map_or(self.line, |list| list.line);
        if list.as_ref().map_or(!self.has(key), |list| list.value.is_empty()) {
            self.note(line, format!("there is no `[[{key}]]`"));
        }
        let tables = list.iter().flat_map(|list| list.value).filter_map(|item| {
            let line = self.reader.line(item.span());
            let table = item.get_ref().as_table();
            if table.is_none() {
                self.note(line, format!("`{key}` must be an array of tables, `[[{key}]]`"));
            }
            Some(Table::new(self.reader, table?, format!("[[{key}]] "), line))
        });
        tables.collect()
    }

    /// For what means nothing beside other settings: who wrote it takes it to mean something.
    pub(crate) fn refuse(&self, keys: &[&'static str], why: &str) {
        for key in keys {
            if let Some(value) = self.get(key) {
                self.note(self.reader.line(value.span()), format!("`{key}` {why}"));
            }
        }
    }

    /// For what must be there.
    pub(crate) fn required<T>(&self, key: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.note(self.line, format!("{}needs `{key}`", self.name));
        }
        value
    }
}

fn text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    value.as_str().filter(|text| !text.is_empty())
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let known = self.known.borrow();
        for (key, _) in self.table {
            if !known.contains(&&**key.get_ref()) {
                let line = self.reader.line(key.span());
                let known = known.join("`, `");
                let key = key.get_ref().escape_debug();
                self.note(line, format!("{}has no key `{key}`; it has `{known}`", self.name));
            }
        }
    }
}
