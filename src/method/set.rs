//! Sets of methods, and which are accepted.

use std::fmt;

use crate::{
    error::{config::ConfigError, kind::ErrorKind},
    iana::AuthMethod,
    method::{Method, Settings},
};

/// A set of methods.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Methods(u16);

impl Methods {
    const EMPTY: Self = Self(0);

    const fn with(self, method: Method) -> Self {
        Self(self.0 | 1 << method as u16)
    }

    pub(crate) const fn contains(self, method: Method) -> bool {
        self.0 & 1 << method as u16 != 0
    }

    /// Those for which it holds.
    pub(crate) fn filter(self, holds: impl Fn(Method) -> bool) -> Self {
        self.iter().filter(|method| holds(*method)).fold(Self::EMPTY, Self::with)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Method::iana)).finish()
    }
}

/// What a request can succeed with. In whichever order they are set: a method counts when it has all
/// that it needs, and what was narrowed stays narrow.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// What the settings add up to.
    methods: Methods,
    narrowed: Option<Methods>,
    public_refused: bool,
}

impl Accepted {
    #[inline]
    pub(crate) const fn contains(&self, method: Method) -> bool {
        self.methods.contains(method)
    }

    pub(crate) const fn methods(&self) -> Methods {
        self.methods
    }

    pub(crate) const fn refuse_public(&mut self) {
        self.public_refused = true;
    }

    /// A method that this build cannot check must not look accepted.
    pub(crate) fn narrow(
        &mut self,
        methods: impl IntoIterator<Item = AuthMethod>,
    ) -> Result<(), ConfigError> {
        let mut set = Methods::EMPTY;
        for method in methods {
            match Method::ALL.iter().find(|known| known.is_available() && *known.iana() == method) {
                Some(known) => set = set.with(*known),
                None => return Err(ConfigError::UnsupportedMethod(method)),
            }
        }
        // What was left out before stays out.
        let narrowed =
            self.narrowed.map_or(set, |narrowed| set.filter(|method| narrowed.contains(method)));
        if narrowed == Methods::EMPTY {
            return Err(ConfigError::NoMethods);
        }
        self.narrowed = Some(narrowed);
        Ok(())
    }
}

impl Default for Accepted {
    /// The methods that need no settings of their own.
    fn default() -> Self {
        let methods = Methods::EMPTY.with(Method::None).with(Method::Basic).with(Method::Post);
        Self { methods, narrowed: None, public_refused: false }
    }
}

impl Settings {
    pub(crate) fn accept(&self, method: Method) -> Result<(), ErrorKind> {
        if self.accepted.contains(method) { Ok(()) } else { Err(ErrorKind::MethodNotAccepted) }
    }

    /// Adds up which methods are accepted, after a setting was changed.
    pub(crate) fn refresh(&mut self) {
        let Accepted { narrowed, public_refused, .. } = self.accepted;
        let methods = Method::ALL.into_iter().filter(|method| {
            self.is_set_up(*method)
                && narrowed.is_none_or(|narrowed| narrowed.contains(*method))
                && !(public_refused && *method == Method::None)
        });
        self.accepted.methods = methods.fold(Methods::EMPTY, Methods::with);
    }
}
