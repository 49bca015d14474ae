//! Where the receipt goes: found before anything is sent, so that a run which
//! publishes can also say what (`spec/signer.md`, SIG-39).
//!
//! A plain file is replaced in one step, and written in place where its name cannot be
//! given to another file, as that of a mount point, which containers have. Pipes,
//! devices and the process's own output are written to at their end. An input of the
//! run is none of these.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::unistd::Uid;
use tempfile::NamedTempFile;

use crate::file::{self, Inode, WITHOUT_WAITING, wait};

/// How long a pipe without a reader is waited for, and a reader that does not
/// read.
const PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);
/// The bytes that a ready pipe takes without making its writer wait (`PIPE_BUF`).
const PIECE: usize = 4096;
/// As many links one behind the other as Linux follows.
const MOST_LINKS: usize = 40;
/// A disk that does not take this much takes no receipt.
const PROBE: [u8; 4096] = [0; 4096];

/// A file that the run has read, and its role in the run.
#[derive(Clone, Debug)]
pub struct Input {
    /// By device and inode: no other name, and no link, leads around it.
    identity: Inode,
    /// In words, for the error.
    role: String,
}

impl Input {
    /// The file at `path`; `None` if there is no plain file.
    pub fn find(path: &Path, role: String) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Self {
            identity: Inode::of(&metadata),
            role,
        })
    }
}

/// A place that takes a receipt.
#[derive(Debug)]
pub struct Destination(Way);

#[derive(Debug)]
enum Way {
    /// The name is given to a new file. `standing` is the file that has it now,
    /// if it may be written: it is where the name cannot be moved.
    Replace {
        target: PathBuf,
        standing: Option<File>,
    },
    /// Where the name cannot be given to another file.
    Overwrite(File),
    /// A pipe, a device or our own output.
    Append(File),
}

impl Destination {
    /// Finds out how a receipt can be written to `path`, and whether, by making a file
    /// beside it and removing that again. Links are followed. A pipe that nobody has
    /// opened for reading is waited for, until `until` at most. Files stay open until the
    /// receipt is written, so that their names may change meanwhile.
    ///
    /// # Errors
    /// On a path that leads to an input, to a folder, a socket or a disk, or to
    /// what this process may not write.
    pub fn find(path: &Path, inputs: &[Input], until: Instant) -> Result<Self, DestinationError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::new_file(path),
            Err(error) => return Err(error.into()),
        };
        // Before anything is opened for writing.
        let identity = Inode::of(&metadata);
        if let Some(input) = inputs.iter().find(|input| input.identity == identity) {
            return Err(DestinationError::Input(input.role.clone()));
        }
        if let Some(output) = own_output(identity) {
            return Ok(Self(Way::Append(output)));
        }
        let kind = metadata.file_type();
        if kind.is_file() {
            return Self::standing_file(path, &metadata);
        }
        if kind.is_fifo() {
            return Ok(Self(Way::Append(open_pipe(path, until)?)));
        }
        if kind.is_char_device() {
            return Ok(Self(Way::Append(open_without_waiting(path)?)));
        }
        Err(DestinationError::Kind(match kind.is_dir() {
            true => "a folder",
            false => "neither a file nor a pipe",
        }))
    }

    /// Nothing is there, or a link that leads nowhere yet.
    fn new_file(path: &Path) -> Result<Self, DestinationError> {
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(DestinationError::Kind("a folder"));
        }
        let target = end_of_links(path)?;
        probe_beside(&target)?;
        Ok(Self(Way::Replace {
            target,
            standing: None,
        }))
    }

    fn standing_file(path: &Path, metadata: &Metadata) -> Result<Self, DestinationError> {
        let standing = OpenOptions::new().write(true).open(path);
        if is_descriptor(path) {
            // A reader that holds the descriptor would not see a new file.
            return Ok(Self(Way::Overwrite(standing?)));
        }
        // The file that the links lead to is replaced, and not the link.
        let target = fs::canonicalize(path)?;
        let replaceable = probe_beside(&target).and_then(|()| may_move(&target, metadata));
        match (replaceable, standing) {
            (Ok(()), standing) => Ok(Self(Way::Replace {
                target,
                standing: standing.ok(),
            })),
            (Err(_), Ok(standing)) => Ok(Self(Way::Overwrite(standing))),
            (Err(error), Err(_)) => Err(error.into()),
        }
    }

    /// Writes `text` there.
    ///
    /// # Errors
    /// On a file that cannot be written, with what stood there before unchanged
    /// unless the disk fails, and on a reader that is gone or does not read.
    pub(super) fn write(self, text: &[u8]) -> Result<(), DestinationError> {
        match self.0 {
            // The name may have become a mount point since, or the folder read-only.
            Way::Replace { target, standing } => replace(&target, text).or_else(|error| {
                match standing.filter(|standing| is_at(standing, &target)) {
                    Some(standing) => overwrite(&standing, text),
                    None => Err(error),
                }
            }),
            Way::Overwrite(file) => overwrite(&file, text),
            Way::Append(file) => append(file, text),
        }
        .map_err(DestinationError::from)
    }
}

/// Gives the name to a new file, in one step: a reader sees the old text or the new one.
fn replace(target: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = beside(target)?;
    file.write_all(text)?;
    // Or the name could outlive a power cut, and the text not.
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// The part beyond the end of the old text comes first: it alone needs room on
/// the disk, and without it the old text still stands.
fn overwrite(file: &File, text: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    let known = usize::try_from(length).unwrap_or(usize::MAX);
    if let Some((over, beyond)) = text.split_at_checked(known) {
        if let Err(error) = file.write_all_at(beyond, length) {
            let _ = file.set_len(length);
            return Err(error);
        }
        file.write_all_at(over, 0)?;
    } else {
        file.write_all_at(text, 0)?;
        file.set_len(text.len() as u64)?;
    }
    file.sync_all()
}

/// In pieces that a pipe takes at once when it is ready, so that a reader that
/// does not read is noticed.
fn append(mut file: File, text: &[u8]) -> io::Result<()> {
    for mut piece in text.chunks(PIECE) {
        while !piece.is_empty() {
            if !wait(file.as_fd(), PollFlags::POLLOUT, Instant::now() + PATIENCE)? {
                let words = "nobody reads what is written there";
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
            match file.write(piece) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => piece = piece.get(count..).unwrap_or_default(),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// A pipe may have been filled by another writer since it was ready.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Our own output, if that is the file: what is written through another
/// descriptor would overwrite the log.
fn own_output(identity: Inode) -> Option<File> {
    let is_it = |output: BorrowedFd<'_>| {
        let file = File::from(output.try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        (Inode::of(&metadata) == identity).then_some(file)
    };
    is_it(io::stdout().as_fd()).or_else(|| is_it(io::stderr().as_fd()))
}

/// Opens a pipe for writing, as soon as somebody reads: without a reader the system
/// answers ENXIO to an opener that does not wait (fifo(7)).
fn open_pipe(path: &Path, until: Instant) -> Result<File, DestinationError> {
    let until = until.min(Instant::now() + PATIENCE);
    loop {
        match open_without_waiting(path) {
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {}
            outcome => return Ok(outcome?),
        }
        if Instant::now() >= until {
            return Err(DestinationError::Unread);
        }
        std::thread::sleep(TICK);
    }
}

fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(WITHOUT_WAITING)
        .open(path)
}

/// The end of the links that begin at `path`, which need not exist:
/// [`fs::canonicalize`] wants it to.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::ELOOP.into())
}

/// Whether the path leads through `/proc/<process>/fd`, as `/dev/fd/3` does.
fn is_descriptor(path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = fs::canonicalize(folder_of(&path)).unwrap_or_default();
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            return true;
        }
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return false,
        }
    }
    false
}

/// Whether the file's name can be given to another file: not if it is a mount
/// point, nor if it is somebody else's in a folder like `/tmp`.
fn may_move(target: &Path, file: &Metadata) -> io::Result<()> {
    let folder = folder_of(target);
    let of_folder = fs::metadata(folder)?;
    if file.dev() != of_folder.dev() || mount(target)? != mount(folder)? {
        return Err(Errno::EBUSY.into());
    }
    let user = Uid::effective();
    let is_owner = user.is_root() || [file.uid(), of_folder.uid()].contains(&user.as_raw());
    match of_folder.mode() & 0o1000 != 0 && !is_owner {
        true => Err(Errno::EPERM.into()),
        false => Ok(()),
    }
}

/// On which mount the file lies, as far as `/proc` tells. A file can be mounted
/// from the device that its folder is on.
fn mount(path: &Path) -> io::Result<Option<String>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_PATH.bits())
        .open(path)?;
    let info = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let info = fs::read_to_string(info).unwrap_or_default();
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    Ok(mount.map(|id| id.trim().to_owned()))
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(there)) => Inode::of(&file) == Inode::of(&there),
        _ => false,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a file beside `target`, and removes it again.
fn probe_beside(target: &Path) -> io::Result<()> {
    // Removed where the temporary file is dropped.
    beside(target)?.write_all(&PROBE)
}

/// A new file in the folder of `target`: only there can it be given that name.
fn beside(target: &Path) -> io::Result<NamedTempFile> {
    file::new_for_all(".receipt-", folder_of(target))
}

/// A path that takes no receipt.
#[derive(thiserror::Error)]
pub enum DestinationError {
    #[error("it is {0} of this run")]
    Input(String),
    #[error("it is {0}")]
    Kind(&'static str),
    #[error("it is a pipe, and nobody reads it")]
    Unread,
    #[error(transparent)]
    Io(#[from] io::Error),
}

debug_as_display!(DestinationError);

#[cfg(test)]
mod tests;
