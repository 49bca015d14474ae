//! Reading ahead: one processor makes the bytes, and another uses them.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// A reader holds six pieces at most: [`WAITING`], one in the making, and one
/// in use.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be used.
const WAITING: usize = 4;
/// Decompressing needs no more.
const STACK: usize = 512 * 1024;

/// The reader of `open`, read by another thread; by this one if the machine
/// gives no other. `open` may be called twice, and has to give the same bytes
/// each time.
pub fn read_ahead<R: Read + Send + 'static>(open: impl Fn() -> R) -> Box<dyn Read + Send> {
    match Ahead::start(open()) {
        Ok(ahead) => Box::new(ahead),
        // The first reader went with the thread that was refused.
        Err(_) => Box::new(open()),
    }
}

/// Bytes that another thread reads.
struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    position: usize,
    is_at_end: bool,
}

impl Ahead {
    /// Starts to read. The thread ends with the reader's end, with its first
    /// error, or when the `Ahead` is dropped.
    ///
    /// # Errors
    /// On a machine that gives no thread.
    fn start(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(WAITING);
        let thread = thread::Builder::new()
            .name("ahead".to_owned())
            .stack_size(STACK);
        thread.spawn(move || send_all(reader, &sender))?;
        Ok(Self {
            pieces,
            piece: Vec::new(),
            position: 0,
            is_at_end: false,
        })
    }
}

/// Sends the reader's bytes in pieces; the last piece is empty.
fn send_all(reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut reader = reader;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        let is_last = !matches!(read, Ok(count) if count > 0);
        if sender.send(read.map(|_| piece)).is_err() || is_last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.piece.len() && !self.is_at_end {
            let received = self.pieces.recv();
            // Gone without an empty last piece: the reader panicked, or has said
            // its error before. The bytes so far are no whole content.
            let stopped = |_| io::Error::other("the thread that reads ahead has stopped");
            self.piece = received.map_err(stopped)??;
            self.position = 0;
            self.is_at_end = self.piece.is_empty();
        }
        let mut rest = self.piece.get(self.position..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_ahead_is_what_is_there() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 5] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut ahead = Ahead::start(io::Cursor::new(bytes.clone())).unwrap();
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
            assert_eq!(ahead.read(&mut [0]).unwrap(), 0);
        }
    }

    struct Broken(u8);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0 {
                0 => Err(io::Error::other("broken")),
                1 => panic!("a reader that panics"),
                _ => {
                    self.0 -= 2;
                    io::repeat(7).take(9).read(buffer)
                }
            }
        }
    }

    #[test]
    fn errors_and_panics_are_errors_where_they_come() {
        for (broken, message) in [(2, "broken"), (3, "has stopped")] {
            let mut ahead = Ahead::start(Broken(broken)).unwrap();
            let mut read = Vec::new();
            let error = ahead.read_to_end(&mut read).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn a_reader_that_is_not_read_on_is_let_go() {
        let (sender, dropped) = std::sync::mpsc::channel::<()>();
        struct Endless(#[allow(dead_code, reason = "its drop tells")] std::sync::mpsc::Sender<()>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(buffer.len())
            }
        }
        let mut ahead = Ahead::start(Endless(sender)).unwrap();
        assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 9);
        drop(ahead);
        assert!(dropped.recv().is_err());
    }
}
