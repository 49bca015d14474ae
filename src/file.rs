//! The files that a run reads, and what it knows of them afterwards; and new ones for
//! everybody.
//!
//! A file may be a pipe, a terminal or a device. The reader waits for a pipe,
//! but not for ever: `<(…)` of a shell is a file to its users, and nothing
//! outside a run may keep it from ending (`spec/decisions/0020`).

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// The least room for a file, in bytes: pipes do not say how long they are.
const FIRST: usize = 4096;

/// Flags with which no pipe and no device blocks the opener, and no terminal
/// becomes that of the process.
pub(crate) const WITHOUT_WAITING: i32 = OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits();

/// The files of one run. Each that is read through it is known from then on, so that
/// no reader can forget to name one that a receipt may not replace (SIG-39).
/// Clones are the same files.
#[derive(Clone, Debug)]
pub struct Files(Arc<FilesOfRun>);

#[derive(Debug)]
struct FilesOfRun {
    /// When every pipe must have ended.
    until: Instant,
    noted: Mutex<Vec<NotedFile>>,
}

/// A file that the run reads, or is going to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedFile {
    pub path: PathBuf,
    /// Its role in the run, in words: "the report".
    pub role: String,
}

impl Files {
    /// None yet; pipes are waited for until `until`.
    pub fn until(until: Instant) -> Self {
        Self(Arc::new(FilesOfRun {
            until,
            noted: Mutex::default(),
        }))
    }

    /// Reads the file at `path`, at most one byte more than `most`, so that the
    /// caller can tell a file that is too large. A file that is a pipe is read to
    /// where its last writer closes it, and has nothing for a second call.
    ///
    /// Blocks its thread. The bytes are taken for a secret: every buffer is wiped.
    ///
    /// # Errors
    /// On a file that cannot be read, and as [`io::ErrorKind::TimedOut`] on one that
    /// does not end in time.
    pub(crate) fn read(
        &self,
        path: &Path,
        role: &str,
        most: usize,
    ) -> io::Result<Zeroizing<Vec<u8>>> {
        self.note(path, role);
        read(path, most, self.0.until)
    }

    /// Notes a file that is read later, or by others: a folder's, a library's, a
    /// program.
    pub(crate) fn note(&self, path: &Path, role: &str) {
        let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(NotedFile {
            path: path.to_owned(),
            role: role.to_owned(),
        });
    }

    /// The files so far, there or not, in the order in which they became known.
    pub(crate) fn noted(&self) -> Vec<NotedFile> {
        let noted = self.0.noted.lock();
        noted.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// As [`Files::read`].
fn read(path: &Path, most: usize, until: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(WITHOUT_WAITING)
        .open(path)?;
    // The length of a plain file is most often right. A buffer of `most` bytes
    // would have to be wiped whole, however few bytes were read.
    let length = file.metadata()?.len().min(most as u64) as usize;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.max(FIRST) + 1));
    loop {
        // A plain file is ready at once, also after `until`.
        if !wait(file.as_fd(), PollFlags::POLLIN, until)? {
            let words = "it is a pipe or a device, and did not end in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, words));
        }
        let room = bytes.capacity().min(most + 1) - bytes.len();
        match file.by_ref().take(room as u64).read_to_end(&mut bytes) {
            Ok(count) if count < room || bytes.len() > most => return Ok(bytes),
            Ok(_) => bytes = moved(&bytes, most),
            // The pipe is empty for now; the bytes read so far are kept.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The bytes in a buffer of twice the size, of `most` and one at most. The old
/// buffer is wiped; a vector that grows by itself does not do that.
fn moved(bytes: &[u8], most: usize) -> Zeroizing<Vec<u8>> {
    let capacity = bytes.len().saturating_mul(2).min(most + 1);
    let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
    larger.extend_from_slice(bytes);
    larger
}

/// Waits until `file` is ready for `flags`, or broken, which the next read or
/// write reports; `false` if neither happens by `until`.
///
/// # Errors
/// On a file that the system cannot wait for.
pub(crate) fn wait(file: BorrowedFd<'_>, flags: PollFlags, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up to a millisecond: a timeout of 0 would spin through the
        // last one.
        let left = left.as_micros().div_ceil(1000).min(60_000);
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(file, flags)], left) {
            Ok(0) if Instant::now() >= until => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The file behind a path, by device and inode: two paths may lead to one, by a
/// link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    device: u64,
    inode: u64,
}

impl Inode {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A new file in `folder` that everybody may read, whatever the umask of the process.
/// Dropped without another name, it is removed.
///
/// # Errors
/// On a folder that takes no new file.
pub(crate) fn new_for_all(prefix: &str, folder: &Path) -> io::Result<NamedTempFile> {
    let mode = Permissions::from_mode(0o644);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix).permissions(mode.clone());
    let file = builder.tempfile_in(folder)?;
    // Where a file system has no modes, its mount says who may read.
    let _ = file.as_file().set_permissions(mode);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_that_is_read_or_noted_is_known_from_then_on() {
        let files = Files::until(soon());
        let path = Path::new("/nonexistent/file");
        assert!(files.clone().read(path, "the report", 10).is_err());
        files.note(Path::new("/nonexistent/program"), "a program");
        let noted = files.noted().into_iter();
        let noted: Vec<_> = noted.map(|file| (file.path, file.role)).collect();
        let expected = [
            ("/nonexistent/file", "the report"),
            ("/nonexistent/program", "a program"),
        ];
        assert_eq!(
            noted,
            expected.map(|(path, role)| (path.into(), role.into()))
        );
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(300)
    }

    fn fifo() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_is_read_to_one_byte_beyond_what_it_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (length, read_length) in [(0, 0), (9, 9), (10, 10), (11, 11), (12, 11)] {
            std::fs::write(&path, vec![7; length]).unwrap();
            let read = read(&path, 10, soon()).unwrap();
            assert_eq!(*read, vec![7; read_length]);
        }
        assert!(read(folder.path(), 10, soon()).is_err());
        assert_eq!(
            read(Path::new("/dev/zero"), 10, soon()).unwrap().as_slice(),
            [0; 11]
        );
        assert!(read(Path::new("/dev/null"), 10, soon()).unwrap().is_empty());
    }

    /// All of the buffer is wiped.
    #[test]
    fn a_buffer_is_no_larger_than_what_is_read_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 1, FIRST - 1, FIRST, FIRST + 1, 100_000] {
            std::fs::write(&path, vec![7; length]).unwrap();
            let read = read(&path, 32 << 20, soon()).unwrap();
            assert_eq!(read.len(), length);
            assert!(read.capacity() <= length.max(FIRST) + 1);
        }
        let endless = read(Path::new("/dev/zero"), 100_000, soon()).unwrap();
        assert_eq!((endless.len(), endless.capacity()), (100_001, 100_001));
    }

    #[test]
    fn a_pipe_is_read_to_where_its_writer_closes_it() {
        let (_folder, path) = fifo();
        let writer = {
            let path = path.clone();
            thread::spawn(move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                for part in ["a key", " in two", " parts"] {
                    pipe.write_all(part.as_bytes()).unwrap();
                    thread::sleep(Duration::from_millis(30));
                }
            })
        };
        let late = Instant::now() + Duration::from_secs(60);
        let read = read(&path, 100, late).unwrap();
        assert_eq!(*read, b"a key in two parts");
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_feeds_or_closes_is_not_waited_for_for_ever() {
        let (_folder, path) = fifo();
        let error = read(&path, 100, soon()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut both_ends = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        both_ends.write_all(b"a half").unwrap();
        let error = read(&path, 100, soon()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
