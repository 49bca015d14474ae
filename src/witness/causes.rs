//! A failure with its causes, in one line: what proofs say of an answer becomes the
//! reason in a [`Trouble`](crate::service::Trouble), which has no cause of its own.

use std::error::Error;

/// The words of a failure.
pub(super) fn in_one_line(error: &dyn Error) -> String {
    with_causes(error.to_string(), error)
}

/// `words` that stand for a failure, then those of its causes.
pub(super) fn with_causes(words: String, error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(words, |words, cause| format!("{words}: {cause}"))
}
