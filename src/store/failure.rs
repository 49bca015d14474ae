//! The meaning of a failure for the run, whatever the details: the exit code
//! follows from it, and whether running again can help.

/// The kind of a failure. The one map to exit codes is `cli::exit_code`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer, or none that can be used. Running again may do better.
    Unreachable,
    /// Access is denied.
    Denied,
    /// The change is refused for good.
    Refused,
    /// The answer has other bytes than it should have.
    Content,
    /// Content that is to be stored cannot be read on this machine.
    Local,
    /// A setting of the user's leads to no host.
    Setting,
    /// The run was told to stop.
    Stopped,
}
