//! Stdout, which may have no reader: lines wait here for their reader, and the
//! run does not wait for it (SIG-58).
//!
//! No thread writes them: each caller that adds a line, or waits, writes as
//! much as stdout takes at once. The machines that grant no thread are those
//! where the run must still be able to say why it ends (`spec/decisions/0020`).

use std::collections::VecDeque;
use std::io::{self, stdout};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::unistd::write;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::line::{Line as Words, Style};
use crate::file::wait;
use crate::secret::Secrets;
use crate::words::Count;

/// The most bytes that wait. Debug lines of a thousand requests are a quarter.
const ROOM: usize = 1 << 20;
/// The same with warnings and errors, which have room when other lines have
/// none.
const ROOM_FOR_ERRORS: usize = 2 * ROOM;
/// The bytes that a ready pipe takes without blocking its writer (`PIPE_BUF`).
/// Stdout is not made non-blocking instead: that would hold for every process that
/// shares it.
const PIECE: usize = 4096;
const TICK: Duration = Duration::from_millis(20);

/// The lines that wait. Clones are the same output.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<Waiting>);

/// Two locks: lines can be added while others are being written.
#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Backlog>,
    /// Its holder writes, and takes the other lock for a moment at a time; nobody
    /// takes them in the other order.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct Backlog {
    bytes: VecDeque<u8>,
    /// How many lines found no room since the last that did.
    missing: usize,
    /// The reader has gone.
    is_closed: bool,
    /// For the one line that is made here.
    style: Style,
}

impl Backlog {
    /// Adds `line`, whole or not at all, if no more than `room` bytes wait then.
    fn push(&mut self, line: &[u8], room: usize) {
        if self.is_closed {
            return;
        }
        if self.bytes.len() + line.len() > room {
            self.missing += 1;
            return;
        }
        self.say_missing();
        self.bytes.extend(line);
    }

    /// Says where the log has a gap: before the next line that finds room, or at the
    /// end.
    fn say_missing(&mut self) {
        if self.missing > 0 {
            let missing = Count(self.missing, "line");
            let words = Words::warning(format!("the log lacks {missing}: not read in time"));
            self.missing = 0;
            let line = words.written(&self.style, &Secrets::default());
            self.bytes.extend(line.as_bytes());
        }
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.bytes.clear();
        self.missing = 0;
    }
}

impl Output {
    pub(super) fn new(style: Style) -> Self {
        let lines = Mutex::new(Backlog {
            style,
            ..Backlog::default()
        });
        Self(Arc::new(Waiting {
            lines,
            ..Waiting::default()
        }))
    }

    fn lines(&self) -> MutexGuard<'_, Backlog> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: &[u8], room: usize) {
        self.lines().push(line, room);
        self.drain();
    }

    /// Writes the waiting lines, as far as stdout takes them without blocking.
    pub(super) fn drain(&self) {
        loop {
            let turn = match self.0.turn.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
                // The holder looks again for new lines before it is done.
                Err(TryLockError::WouldBlock) => return,
            };
            if !self.write() {
                return;
            }
            drop(turn);
            if self.lines().bytes.is_empty() {
                return;
            }
        }
    }

    /// `false` if stdout takes no more for now.
    fn write(&self) -> bool {
        let stdout = stdout();
        loop {
            let piece: Vec<u8> = self.lines().bytes.iter().take(PIECE).copied().collect();
            if piece.is_empty() {
                return true;
            }
            if !matches!(
                wait(stdout.as_fd(), PollFlags::POLLOUT, Instant::now()),
                Ok(true)
            ) {
                return false;
            }
            match write(&stdout, &piece) {
                Ok(count) => drop(self.lines().bytes.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return false,
                // The reader has gone, or the disk is full: the run goes on, and
                // its exit code says how it ended.
                Err(_) => self.lines().close(),
            }
        }
    }

    /// Writes the rest, as long as the reader takes some within `patience`, which
    /// is asked for again each time: a signal shortens it.
    pub(super) fn finish(&self, patience: impl Fn() -> Duration) {
        self.lines().say_missing();
        let mut read_last = Instant::now();
        let mut left = usize::MAX;
        loop {
            self.drain();
            let now_left = self.lines().bytes.len();
            if now_left < left {
                (left, read_last) = (now_left, Instant::now());
            }
            if left == 0 || read_last.elapsed() >= patience() {
                return;
            }
            // The wait ends when the reader has taken some.
            let _ = wait(stdout().as_fd(), PollFlags::POLLOUT, Instant::now() + TICK);
        }
    }
}

/// One line on its way.
pub(super) struct LineWriter<'a> {
    output: &'a Output,
    room: usize,
}

impl io::Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.say(bytes, self.room);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter {
            output: self,
            room: ROOM,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        let room = match *metadata.level() {
            Level::ERROR | Level::WARN => ROOM_FOR_ERRORS,
            _ => ROOM,
        };
        LineWriter { output: self, room }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Colour, LogFormat};

    #[test]
    fn lines_that_find_no_room_are_counted_and_errors_find_some() {
        let mut lines = Backlog::default();
        lines.style.set(Colour::Off, LogFormat::Text);
        lines.push(b"first\n", 10);
        lines.push(b"second\n", 10);
        lines.push(b"third\n", 10);
        lines.push(b"ERROR: why\n", 200);
        let text: Vec<u8> = lines.bytes.iter().copied().collect();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "first\nWarning: the log lacks 2 lines: not read in time\nERROR: why\n"
        );
    }

    /// SIG-83
    #[test]
    fn missing_lines_are_counted_in_the_format_of_the_log() {
        let mut lines = Backlog::default();
        lines.style.set(Colour::On, LogFormat::Json);
        lines.push(b"{}\n", 1);
        lines.say_missing();
        let text: Vec<u8> = lines.bytes.iter().copied().collect();
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(line["message"], "the log lacks 1 line: not read in time");
    }

    #[test]
    fn an_output_that_is_closed_keeps_nothing() {
        let mut lines = Backlog::default();
        lines.push(b"first\n", 10);
        lines.close();
        lines.push(b"second\n", 10);
        assert!(lines.bytes.is_empty());
    }
}
