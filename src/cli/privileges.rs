//! The user of the process, and the protection of its memory (lifecycle v0.21
//! `priv/user_linux.go`).
//!
//! Platforms start registry phases as root or as the build image's user. Unlike
//! in the lifecycle, an id that was not given changes nothing: there it is 0, so that
//! a phase which is not root fails without `-uid`. As in the lifecycle, supplementary
//! groups are kept. All of this is of the whole process, its threads included.

use std::fmt;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, getresgid, getresuid, setresgid, setresuid};

/// Keeps the memory of this process, which holds keys, from core dumps and from
/// other processes of the same user (SIG-17). To be called before the first key is
/// read; a process of root's can read the memory all the same.
///
/// # Errors
/// If the kernel refuses, as a seccomp filter may.
pub fn harden() -> Result<(), PrivilegesError> {
    // The limit alone does not keep a core from a program that the kernel pipes it
    // to (core(5)), the flag does.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
        .and_then(|()| prctl::set_dumpable(false))
        .map_err(|errno| PrivilegesError::Harden(SystemRefusal(errno)))
}

/// Whether [`run_as`] with these ids would change the user of this process.
pub fn will_change(uid: Option<u32>, gid: Option<u32>) -> bool {
    let (user, group) = (Uid::effective().as_raw(), Gid::effective().as_raw());
    uid.is_some_and(|uid| uid != user) || gid.is_some_and(|gid| gid != group)
}

/// Becomes the user `uid` and the group `gid`, for good: real, effective and
/// saved ids are set, the group's first. `None` is no change. A process that
/// has the ids already needs no privilege. Afterwards the process is as
/// [hardened](harden) as before, where the kernel would reset that.
///
/// # Errors
/// If this process may not.
pub fn run_as(uid: Option<u32>, gid: Option<u32>) -> Result<(), PrivilegesError> {
    become_user(uid, gid).map_err(|errno| PrivilegesError::RunAs {
        uid: uid.unwrap_or_else(|| Uid::effective().as_raw()),
        gid: gid.unwrap_or_else(|| Gid::effective().as_raw()),
        source: SystemRefusal(errno),
    })
}

fn become_user(uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    // A change of the effective ids sets the flag anew (prctl(2), PR_SET_DUMPABLE).
    let dumpable = prctl::get_dumpable()?;
    // The group first: the new user has no right to change it any more.
    if let Some(gid) = gid.map(Gid::from_raw) {
        let now = getresgid()?;
        if [now.real, now.effective, now.saved] != [gid; 3] {
            setresgid(gid, gid, gid)?;
        }
    }
    if let Some(uid) = uid.map(Uid::from_raw) {
        let now = getresuid()?;
        if [now.real, now.effective, now.saved] != [uid; 3] {
            setresuid(uid, uid, uid)?;
        }
    }
    if !dumpable {
        prctl::set_dumpable(false)?;
    }
    Ok(())
}

/// A change of privileges that the kernel refused.
#[derive(PartialEq, Eq, thiserror::Error)]
pub enum PrivilegesError {
    #[error("failed to exec as user {uid}:{gid}")]
    RunAs {
        uid: u32,
        gid: u32,
        #[source]
        source: SystemRefusal,
    },
    #[error("failed to keep the memory of this process private")]
    Harden(#[source] SystemRefusal),
}

debug_as_display!(PrivilegesError);

/// The kernel's reason, in the words of Go: `operation not permitted`.
#[derive(Debug, PartialEq, Eq)]
pub struct SystemRefusal(Errno);

impl fmt::Display for SystemRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.desc().to_lowercase())
    }
}

impl std::error::Error for SystemRefusal {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::process::Command;

    use nix::sys::resource::getrlimit;

    use super::*;
    use crate::cli::{Failure, hint};

    /// Ids and limits belong to the whole process: each situation runs in a
    /// process of its own, which is this test again with the name of the
    /// situation in the environment.
    const SITUATION: &str = "SIGNER_TEST_SITUATION";

    fn in_own_process(situation: &str) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "cli::privileges::tests::child",
                "--nocapture",
            ])
            .env(SITUATION, situation)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("the situation was met"),
            "{situation}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn ids() -> [u32; 6] {
        let (user, group) = (getresuid().unwrap(), getresgid().unwrap());
        [user.real, user.effective, user.saved]
            .map(Uid::as_raw)
            .into_iter()
            .chain([group.real, group.effective, group.saved].map(Gid::as_raw))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    #[ignore = "the tests below run it in a process of its own"]
    #[expect(clippy::print_stdout, reason = "the parent process reads it")]
    fn child() {
        let situation = std::env::var(SITUATION).expect("a situation");
        let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        match situation.as_str() {
            "harden" => {
                harden().unwrap();
                assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
                assert!(!prctl::get_dumpable().unwrap());
            }
            "unset" => {
                run_as(None, None).unwrap();
                assert_eq!(ids(), [uid, uid, uid, gid, gid, gid]);
            }
            "same" => run_as(Some(uid), Some(gid)).unwrap(),
            "both" => {
                harden().unwrap();
                run_as(Some(1234), Some(5678)).unwrap();
                assert_eq!(ids(), [1234, 1234, 1234, 5678, 5678, 5678]);
                assert!(!prctl::get_dumpable().unwrap());
                // A process can read its own descriptors nevertheless.
                std::fs::File::open("/proc/self/fd/0").unwrap();
                let error = run_as(Some(0), Some(0)).unwrap_err();
                assert_eq!(error.to_string(), "failed to exec as user 0:0");
                let source = error.source().unwrap().to_string();
                assert_eq!(source, "operation not permitted");
                run_as(Some(1234), Some(5678)).unwrap();
            }
            "uid" => {
                run_as(Some(1234), None).unwrap();
                assert_eq!(ids(), [1234, 1234, 1234, gid, gid, gid]);
            }
            "gid" => {
                run_as(None, Some(5678)).unwrap();
                assert_eq!(ids(), [uid, uid, uid, 5678, 5678, 5678]);
            }
            "refused" => {
                let error = run_as(Some(uid + 1), Some(gid)).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("failed to exec as user {}:{gid}", uid + 1)
                );
                let failure = Failure::Privileges(error);
                assert!(hint::of(&failure).unwrap().contains("only root"));
            }
            other => panic!("{other}"),
        }
        println!("the situation was met");
    }

    /// SIG-17
    #[test]
    fn a_hardened_process_dumps_no_core_and_shows_no_memory() {
        in_own_process("harden");
    }

    /// SIG-16
    #[test]
    fn ids_that_were_not_given_change_nothing() {
        in_own_process("unset");
    }

    #[test]
    fn whoever_has_the_ids_already_needs_no_privilege() {
        in_own_process("same");
    }

    /// SIG-16
    #[test]
    fn root_becomes_another_user_for_good_and_others_are_refused() {
        if Uid::effective().is_root() {
            for situation in ["both", "uid", "gid"] {
                in_own_process(situation);
            }
        } else {
            in_own_process("refused");
        }
    }
}
