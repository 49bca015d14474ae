//! `-generate-key-pair`: a new key instead of a run (`spec/signer.md`, "A new
//! key pair").

use std::path::Path;

use tracing::{info, warn};

use super::exit_code::Failure;
use super::watch::Watch;
use super::{Environment, Flags, InputsError, hint, privileges};
use crate::keys::{KeyPair, PairFiles};
use crate::oci::Digest;
use crate::secret::Secret;

/// Writes `PREFIX.key` and `PREFIX.pub`. The other flags are looked at, not used. No
/// file is ever replaced, so that a second call with one prefix fails (KEY-52).
///
/// # Errors
/// On flags of a run and on arguments, and on a pair that cannot be made.
pub(super) fn make(
    prefix: &Path,
    flags: Flags,
    environment: &mut Environment,
    watch: &Watch,
) -> Result<(), Failure> {
    stands_alone(flags).map_err(Failure::Inputs)?;
    // As for a run: the new key is in memory from here on.
    if let Err(refused) = privileges::harden() {
        warn!("{refused}");
    }
    // The exact value (SIG-91). Nobody is prompted, as cosign prompts at a terminal.
    let password = environment.cosign_password.take().unwrap_or_else(|| {
        warn!(
            hint = hint::OF_EMPTY_PASSWORD,
            "COSIGN_PASSWORD is not set: the new key has the empty password"
        );
        Secret::new(Vec::new())
    });
    let pair = KeyPair::generate(&password).map_err(Failure::KeyPair)?;
    drop(password);
    // A signal from now on lets the files be written to their end: a private key
    // without its public half, or half a key, would be left behind. A disk that takes
    // longer than a signal may (SIG-57) leaves such, and the exit code says so.
    watch.finish();
    let PairFiles { private, public } = pair.write(prefix).map_err(Failure::KeyPair)?;
    let (private, public) = (private.display(), public.display());
    let fingerprint = Digest::of(pair.public_key().as_der());
    info!("Wrote the private key {private} and the public key {public} ({fingerprint})");
    Ok(())
}

/// A run that was asked for besides would be left out in silence (SIG-90). A flag
/// with its default value is refused as well.
fn stands_alone(flags: Flags) -> Result<(), InputsError> {
    let count = flags.arguments.len();
    let of_a_run = Flags {
        arguments: Vec::new(),
        colour: None,
        log_format: None,
        log_level: None,
        ..flags
    };
    match (count, of_a_run == Flags::default()) {
        (0, true) => Ok(()),
        (0, false) => Err(InputsError::KeyPairAlone),
        (count, _) => Err(InputsError::Arguments(count)),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;
    use crate::cli::Invocation;
    use crate::keys::{KeyError, KeyPairError};

    /// SIG-92
    #[test]
    fn each_reason_without_a_pair_has_its_exit_code_and_its_remedy() {
        let (path, source) = (
            PathBuf::from("a.key"),
            io::ErrorKind::PermissionDenied.into(),
        );
        for (error, code, remedy) in [
            (KeyPairError::Exists(path.clone()), 3, "ever replaced"),
            (KeyPairError::Write { path, source }, 3, "writable"),
            (KeyPairError::Seal(KeyError::Memory), 115, "128 MiB"),
            (KeyPairError::Seal(KeyError::PasswordTooLong), 115, ""),
            (KeyPairError::NoRandom, 1, ""),
        ] {
            let failure = Failure::KeyPair(error);
            assert_eq!(failure.exit_code(), code, "{failure:?}");
            let hint = hint::of(&failure).unwrap_or_default();
            assert!(hint.contains(remedy), "{failure:?}: {hint}");
        }
    }

    /// SIG-90
    #[test]
    fn flags_of_a_run_are_refused_and_those_of_the_log_are_not() {
        let flags = |text: &str| {
            let request = Invocation::parse(text.split(' ').map(Into::into)).unwrap();
            let Invocation::Run(mut flags) = request else {
                panic!("{text}: {request:?}");
            };
            assert!(flags.key_pair.take().is_some());
            flags
        };
        let good = "-generate-key-pair k -log-level=debug -log-format json -no-color";
        assert_eq!(stands_alone(flags(good)), Ok(()));
        for other in ["-report=r", "-uid 0", "-settle=0", "-strict-formats=false"] {
            let refused = stands_alone(flags(&format!("-generate-key-pair k {other}")));
            assert_eq!(refused, Err(InputsError::KeyPairAlone), "{other}");
        }
        let refused = stands_alone(flags("-generate-key-pair k a b"));
        assert_eq!(refused, Err(InputsError::Arguments(2)));
    }
}
