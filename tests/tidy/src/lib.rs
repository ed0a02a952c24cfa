//! Keeps the house tidy: rules about the source that no compiler checks.
//!
//! A rule looks at one [`Source`] and says what is wrong with it; `tests/it` runs every rule over
//! the repository, and shows that each of them can fail.

mod compose;
mod rules;
mod source;

pub use compose::compose_is_pinned_and_closed;
pub use rules::{
    FILE_LINES_MAX, README_HEADINGS, Rule, crash_points_are_tested, domain_is_pure, file_is_short,
    layers_look_inwards, names_are_where_allowed, no_float_in_values, no_mod_rs,
};
pub use source::{Source, repository_root, sources};
