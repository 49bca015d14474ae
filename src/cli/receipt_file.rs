//! The file of the receipt, and the files that it may not replace (SIG-39). How a
//! file is written is left to [`Destination`].

use std::path::Path;
use std::time::Instant;

use tracing::info;

use super::exit_code::Failure;
use crate::file::Files;
use crate::phase::{Destination, Input, Notation, Receipt};

/// The file that the receipt is written to.
pub(super) struct ReceiptFile<'a> {
    path: &'a Path,
    destination: Destination,
}

impl<'a> ReceiptFile<'a> {
    /// Looks at the file, if one is wanted; it may replace none of the run's `files`.
    /// Touches the disk beside the file, to find out that it takes a new one.
    ///
    /// # Errors
    /// On a path that takes no receipt.
    pub(super) fn find(
        path: Option<&'a Path>,
        files: &Files,
        until: Instant,
    ) -> Result<Option<Self>, Failure> {
        let Some(path) = path else {
            return Ok(None);
        };
        match Destination::find(path, &inputs(files), until) {
            Ok(destination) => Ok(Some(Self { path, destination })),
            Err(source) => Err(Failure::Receipt {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes the receipt.
    ///
    /// # Errors
    /// As [`Failure::Receipt`], on a file that does not take it.
    pub(super) fn write(self, receipt: &Receipt) -> Result<(), Failure> {
        let Self { path, destination } = self;
        let notation = Notation::of(path);
        let written = receipt.write(destination, notation);
        written.map_err(|source| Failure::Receipt {
            path: path.to_owned(),
            source,
        })?;
        info!("Wrote the receipt to {}", path.display());
        Ok(())
    }
}

/// The files that the run has read or may read, which no receipt may replace. They
/// are known by device and inode, so that no other name of one helps.
fn inputs(files: &Files) -> Vec<Input> {
    if let Ok(program) = std::env::current_exe() {
        files.note(&program, "the program");
    }
    let noted = files.noted().into_iter();
    let inputs = noted.filter_map(|file| Input::find(&file.path, file.role));
    inputs.collect()
}
