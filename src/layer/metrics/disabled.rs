//! Without the feature `metrics` no decision is counted.

use crate::layer::outcome::Outcome;

pub(crate) const fn decision(_outcome: &Outcome<'_>) {}
