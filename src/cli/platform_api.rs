//! The Platform API that the platform speaks (`CNB_PLATFORM_API`).
//!
//! Checked before flags are parsed, with the lifecycle's words (lifecycle v0.21
//! `cmd/lifecycle/main.go`, `api/version.go`; SIG-1). Unlike the lifecycle, the
//! signer accepts that none is named: its inputs are the same in all of them.

use std::ffi::OsStr;

/// The range of lifecycle v0.21 (`api/apis.go`). kpack speaks 0.9 at most.
const OLDEST: ApiVersion = ApiVersion { major: 0, minor: 7 };
const NEWEST: ApiVersion = ApiVersion {
    major: 0,
    minor: 15,
};

/// The outcome of the negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiated {
    /// `CNB_PLATFORM_API` is unset or blank; worth a debug line.
    Unset,
    Version(ApiVersion),
}

/// `<major>.<minor>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    pub major: u64,
    pub minor: u64,
}

/// Checks the value of `CNB_PLATFORM_API`.
///
/// # Errors
/// On a value that is no version, and on one below 0.7 or above 0.15.
pub fn negotiate(requested: Option<&OsStr>) -> Result<Negotiated, PlatformApiError> {
    let requested = requested.unwrap_or_default().to_string_lossy();
    if requested.trim().is_empty() {
        return Ok(Negotiated::Unset);
    }
    // The message repeats it, and a variable may be very long.
    let short = || requested.chars().take(64).collect();
    match parse(&requested) {
        None => Err(PlatformApiError::NotAVersion(short())),
        Some(version) if (OLDEST..=NEWEST).contains(&version) => Ok(Negotiated::Version(version)),
        Some(_) => Err(PlatformApiError::NotSupported(short())),
    }
}

/// The lifecycle's `^v?(\d+)\.?(\d*)$`: `0` and `0.` are 0.0.
fn parse(text: &str) -> Option<ApiVersion> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (major, minor) = match text.split_once('.') {
        Some((major, "")) => (major, "0"),
        Some(parts) => parts,
        None => (text, "0"),
    };
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // A number beyond 64 bits is a version that nobody supports.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    Some(ApiVersion {
        major: number(major)?,
        minor: number(minor)?,
    })
}

/// A Platform API that the signer does not speak. The message is the whole
/// line that the lifecycle prints.
#[derive(PartialEq, Eq, thiserror::Error)]
pub enum PlatformApiError {
    #[error("failed to parse platform API '{0}'")]
    NotAVersion(String),
    #[error(
        "failed to set platform API: platform API version '{0}' is incompatible with the lifecycle"
    )]
    NotSupported(String),
}

debug_as_display!(PlatformApiError);

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::cli::{Failure, hint};

    fn check(text: &str) -> Result<Negotiated, PlatformApiError> {
        negotiate(Some(OsStr::new(text)))
    }

    /// SIG-1
    #[test]
    fn every_platform_api_from_0_7_to_0_15_is_spoken() {
        for minor in 7..=15 {
            let version = ApiVersion { major: 0, minor };
            for text in [format!("0.{minor}"), format!("v0.{minor}")] {
                assert_eq!(check(&text), Ok(Negotiated::Version(version)), "{text}");
            }
        }
    }

    /// SIG-1
    #[test]
    fn no_platform_api_is_accepted() {
        assert_eq!(negotiate(None), Ok(Negotiated::Unset));
        for blank in ["", "  ", "\t\n"] {
            assert_eq!(check(blank), Ok(Negotiated::Unset));
        }
    }

    /// SIG-1
    #[test]
    fn other_platform_apis_are_refused_in_the_words_of_the_lifecycle() {
        for text in [
            "0.6",
            "0.16",
            "0.99",
            "1.0",
            "0",
            "1",
            "0.",
            "0.99999999999999999999",
        ] {
            assert_eq!(
                check(text).unwrap_err().to_string(),
                format!(
                    "failed to set platform API: platform API version '{text}' is incompatible \
                     with the lifecycle"
                )
            );
        }
    }

    /// SIG-1
    #[test]
    fn what_is_no_version_is_refused_in_the_words_of_the_lifecycle() {
        for text in [
            "abc", "0.x", ".7", "0.7.1", "-1", "0.7 ", " 0.7", "v", "0,7",
        ] {
            assert_eq!(
                check(text).unwrap_err().to_string(),
                format!("failed to parse platform API '{text}'")
            );
        }
        let error = negotiate(Some(OsStr::from_bytes(b"\xff"))).unwrap_err();
        assert_eq!(error.to_string(), "failed to parse platform API '\u{fffd}'");
    }

    #[test]
    fn the_hint_names_what_is_supported() {
        let failure = Failure::PlatformApi(check("0.6").unwrap_err());
        let hint = hint::of(&failure).unwrap();
        assert!(hint.contains(&format!("{}.{}", OLDEST.major, OLDEST.minor)));
        assert!(hint.contains(&format!("{}.{}", NEWEST.major, NEWEST.minor)));
    }
}
