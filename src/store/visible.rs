//! Whether a run has changed something that others see: the one fact from which
//! receipt and exit code follow.

/// From what is certain not to be seen to what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visible {
    /// Nothing has changed.
    #[default]
    No,
    /// A request may have been carried out whose answer does not tell.
    Maybe,
    /// A change was accepted.
    Yes,
}
