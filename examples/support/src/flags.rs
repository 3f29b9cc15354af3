//! The command line.

use std::{
    env::Args,
    fmt::Display,
    iter::Skip,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use tower_client_auth::BoxError;

/// The arguments of the program, one after the other. `--help` and `-h` are answered with the usage.
///
/// ```no_run
/// # fn read() -> Result<(), tower_client_auth::BoxError> {
/// let (mut at, mut flags) = (None, example_support::Flags::new("usage: program [--at SECONDS]"));
/// while let Some(name) = flags.next() {
///     match name.as_str() {
///         "--at" => at = Some(flags.value::<i64>()?),
///         _ => return Err(flags.unknown()),
///     }
/// }
/// # let _ = at;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Flags {
    usage: &'static str,
    arguments: Skip<Args>,
    /// The last one taken, for messages.
    name: String,
}

impl Iterator for Flags {
    type Item = String;

    /// Prints the usage and ends the program if it is asked for.
    fn next(&mut self) -> Option<String> {
        self.name = self.arguments.next()?;
        if ["--help", "-h"].contains(&&*self.name) {
            println!("{}", self.usage);
            std::process::exit(0);
        }
        Some(self.name.clone())
    }
}

impl Flags {
    /// The arguments that the program was started with. `usage` is what it says of wrong ones.
    #[must_use]
    pub fn new(usage: &'static str) -> Self {
        Self { usage, arguments: std::env::args().skip(1), name: String::new() }
    }

    /// An argument that must be there, such as the name of a command.
    ///
    /// # Errors
    ///
    /// The usage if there are no more.
    pub fn word(&mut self) -> Result<String, BoxError> {
        self.next().ok_or_else(|| self.usage.into())
    }

    /// What follows the last flag.
    ///
    /// # Errors
    ///
    /// If nothing follows, or it does not have the form of a `T`.
    pub fn value<T: FromStr<Err: Display>>(&mut self) -> Result<T, BoxError> {
        let Self { arguments, name, .. } = self;
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        value.parse().map_err(|error| format!("{name}: {error}").into())
    }

    /// The address that follows the last flag, with a port: `127.0.0.1:8080`, `localhost:8080`, or `8080` alone.
    ///
    /// # Errors
    ///
    /// If nothing follows, or it is something else.
    pub fn address(&mut self) -> Result<SocketAddr, BoxError> {
        let text: String = self.value()?;
        if let Ok(port) = text.trim_start_matches(':').parse() {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
        let addresses = text.to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
        let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        first.copied().ok_or_else(|| {
            let name = &self.name;
            let text = text.escape_debug();
            format!(
                "{name}: {text} is no address; it is such as 127.0.0.1:8080, localhost:8080 or 8080"
            )
            .into()
        })
    }

    /// For a program or a command without more flags.
    ///
    /// # Errors
    ///
    /// If there is another argument.
    pub fn end(&mut self) -> Result<(), BoxError> {
        self.next().map_or(Ok(()), |_| Err(self.unknown()))
    }

    /// What to say of the last argument if it is unknown.
    #[must_use]
    pub fn unknown(&self) -> BoxError {
        format!("unknown argument {:?}; {}", self.name, self.usage).into()
    }

    /// What to say if something is missing.
    #[must_use]
    pub fn usage(&self) -> BoxError {
        self.usage.into()
    }
}

/// What to say of a flag that this program was built without.
#[must_use]
pub fn needs_feature(flag: &str, feature: &str) -> BoxError {
    format!("{flag} needs the feature `{feature}`").into()
}

/// A variable of the environment.
///
/// # Errors
///
/// If it is not set.
pub fn variable(name: &str) -> Result<String, BoxError> {
    std::env::var(name).map_err(|_unset| format!("{name} is not set").into())
}
