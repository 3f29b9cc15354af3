//! Runs the recipes of the guide, which use crates that this one does not depend on.

#[cfg(doctest)]
#[doc = include_str!("../../../src/docs/recipes.md")]
struct Recipes;
