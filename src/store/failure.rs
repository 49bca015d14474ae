//! What a failure means for the run, whatever the details: from it follow the
//! exit code, and whether running again can help.

/// Which of a few things went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer, or one that says nothing. Running again may do better.
    Unreachable,
    /// Access is denied.
    Denied,
    /// The change is refused for good.
    Refused,
    /// There was an answer, but not with the bytes that should be there.
    Content,
    /// What is to be stored cannot be read on this machine.
    Local,
    /// A setting of the user's leads to no host.
    Setting,
    /// The run was told to stop.
    Stopped,
}
