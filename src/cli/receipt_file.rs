//! The file of the receipt, and the files that it may not replace (SIG-39). How a
//! file is written is left to [`Destination`].

use std::path::Path;
use std::time::Instant;

use tracing::info;

use super::exit_code::Failure;
use super::{Environment, Inputs};
use crate::keys::{KeyReference, PasswordOrigin};
use crate::phase::{ClosedKey, Destination, Input, Notation, Plan, Receipt};
use crate::service::Variables;
use crate::store::Visible;

/// The file that the receipt is written to.
pub(super) struct ReceiptFile<'a> {
    path: &'a Path,
    destination: Destination,
}

impl<'a> ReceiptFile<'a> {
    /// Looks at the file, if one is wanted; it may replace none of those that were
    /// `read`. Touches the disk beside the file, to find out that it takes a new one.
    ///
    /// # Errors
    /// On a path that takes no receipt.
    pub(super) fn find(
        path: Option<&'a Path>,
        read: &[Input],
        until: Instant,
    ) -> Result<Option<Self>, Failure> {
        let Some(path) = path else {
            return Ok(None);
        };
        match Destination::find(path, read, until) {
            Ok(destination) => Ok(Some(Self { path, destination })),
            Err(source) => Err(Failure::Receipt {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes the receipt of a run that has changed what is `visible`.
    ///
    /// # Errors
    /// On a file that does not take it. Where something is visible the exit code is
    /// 117 and not 3: the platform lacks the record of it.
    pub(super) fn write(self, receipt: &Receipt, visible: Visible) -> Result<(), Failure> {
        let Self { path, destination } = self;
        let notation = Notation::of(path);
        receipt.write(destination, notation).map_err(|source| {
            let path = path.to_owned();
            match visible {
                Visible::No => Failure::Receipt { path, source },
                Visible::Maybe | Visible::Yes => Failure::Unreported { path, source },
            }
        })?;
        info!("Wrote the receipt to {}", path.display());
        Ok(())
    }
}

/// The files that the run has read or may read, which no receipt may replace. They
/// are known by device and inode, so that no other name of one helps.
pub(super) fn files_read(
    inputs: &Inputs,
    environment: &Environment,
    plan: &Plan,
    closed: &[ClosedKey],
    variables: &Variables,
) -> Vec<Input> {
    let mut files = Vec::new();
    let mut add = |path: &Path, role: String| files.extend(Input::find(path, role));
    add(&inputs.report, "the report".to_owned());
    add(&inputs.cosign_config, "the `cosign.toml`".to_owned());
    for signatory in plan.signatories() {
        if let KeyReference::File(path) = &*signatory.key {
            add(path, format!("the key of `{}`", signatory.name));
        }
    }
    for closed in closed {
        if let Some(PasswordOrigin::File(path)) =
            closed.key.password().map(|password| &password.origin)
        {
            add(path, format!("the password of `{}`", closed.name()));
        }
    }
    for path in variables.files_read() {
        add(&path, "a file with settings of a key".to_owned());
    }
    for candidate in environment.config_locations().candidates() {
        add(&candidate.path, "a file with credentials".to_owned());
    }
    let folders = environment
        .ssl_cert_dir
        .iter()
        .flat_map(std::env::split_paths);
    let entries = folders
        .filter_map(|folder| folder.read_dir().ok())
        .flatten();
    let certificates = entries.flatten().map(|entry| entry.path());
    for path in certificates.chain(environment.ssl_cert_file.clone()) {
        add(&path, "a file with certificates".to_owned());
    }
    if let Ok(path) = std::env::current_exe() {
        add(&path, "the program".to_owned());
    }
    files
}
