//! Whether a run has made a change that others can see: receipt and exit code
//! follow from this one fact.

/// From surely invisible to surely visible. A failed run ends with 117 from
/// [`Maybe`](Self::Maybe) on (SIG-18, SIG-46).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visible {
    /// Nothing has changed.
    #[default]
    No,
    /// The outcome of a request is unknown: it may have been carried out.
    Maybe,
    /// A change was accepted.
    Yes,
}
