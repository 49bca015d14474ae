//! A remedy in words.

use std::borrow::Cow;

/// The remedy, if one is known.
pub(in crate::cli) type Hint = Option<Cow<'static, str>>;

/// SIG-37: nothing is written twice.
pub(super) const RUN_AGAIN: &str = "running again is safe and completes what is missing";

pub(super) fn say(words: &'static str) -> Hint {
    Some(words.into())
}
