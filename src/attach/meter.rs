//! The bytes of a run's uploads that have been sent, for the log (SIG-81). Nothing
//! else depends on it.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::IN_ONE_PIECE;
use crate::oci::{Content, Digest, Repository, Reread};
use crate::words::ByteCount;

/// A blob on its way to a repository.
pub(super) type BlobKey = (Repository, Digest);

/// The blobs of a run. Clones are the same meter.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<HashMap<BlobKey, SentShare>>>);

/// The bytes of a blob that were sent.
#[derive(Clone, Copy)]
struct SentShare {
    sent: u64,
    length: u64,
}

/// The bytes sent of all blobs that are known to be wanted: `1.2 MB of 3.0 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    sent: u64,
    all: u64,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", ByteCount(self.sent), ByteCount(self.all))
    }
}

impl Meter {
    /// How far the blobs are.
    pub(crate) fn sent(&self) -> Sent {
        let shares = self.shares();
        Sent {
            sent: shares.values().map(|share| share.sent).sum(),
            all: shares.values().map(|share| share.length).sum(),
        }
    }

    /// A blob of `length` bytes is going to be sent. Safe to repeat.
    pub(super) fn announce(&self, key: &BlobKey, length: u64) {
        let share = SentShare { sent: 0, length };
        self.shares().entry(key.clone()).or_insert(share);
    }

    /// A blob is not going to be sent, if it was not.
    pub(super) fn withdraw(&self, key: &BlobKey) {
        let mut shares = self.shares();
        if shares.get(key).is_some_and(|share| share.sent == 0) {
            shares.remove(key);
        }
    }

    /// A blob is there, whether it was sent or mounted.
    pub(super) fn finish(&self, key: &BlobKey) {
        self.set(key, |share| share.sent = share.length);
    }

    /// The content of the blob `key`, which is counted as it is read if it is
    /// streamed, and else when it is there; reading it again counts anew. Counted where
    /// the client reads it, so up to a few pieces ahead of the line.
    pub(super) fn counted(&self, key: &BlobKey, content: &Content) -> Content {
        self.announce(key, content.length());
        if content.length() <= IN_ONE_PIECE {
            return content.clone();
        }
        let counted = Counted {
            content: content.clone(),
            meter: self.clone(),
            key: key.clone(),
        };
        Content::from_source(counted).with_digest(key.1.clone())
    }

    fn set(&self, key: &BlobKey, change: impl FnOnce(&mut SentShare)) {
        if let Some(share) = self.shares().get_mut(key) {
            change(share);
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<BlobKey, SentShare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob's content.
struct Counted {
    content: Content,
    meter: Meter,
    key: BlobKey,
}

impl Reread for Counted {
    fn length(&self) -> u64 {
        self.content.length()
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.meter.set(&self.key, |share| share.sent = 0);
        Ok(Box::new(Counting {
            reader: self.content.open(),
            meter: self.meter.clone(),
            key: self.key.clone(),
        }))
    }
}

/// A reader of a blob's content.
struct Counting<R> {
    reader: R,
    meter: Meter,
    key: BlobKey,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.meter.set(&self.key, |share| {
            share.sent = share.length.min(share.sent + count as u64);
        });
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 1_000_000;

    fn blob(name: u8, length: u64) -> (BlobKey, Content) {
        let bytes = vec![name; length.try_into().unwrap()];
        let digest = Digest::of(&bytes);
        (("r.io/app".parse().unwrap(), digest), bytes.into())
    }

    /// SIG-81
    #[test]
    fn what_is_read_of_a_blob_is_sent_and_reading_it_again_begins_anew() {
        let meter = Meter::default();
        let ((key, content), (other, _)) = (blob(1, LARGE), blob(2, LARGE));
        meter.announce(&other, LARGE);
        let counted = meter.counted(&key, &content);
        assert_eq!(meter.sent().to_string(), "0 bytes of 2.0 MB");
        let read = |count: usize| {
            let mut reader = counted.open();
            reader.read_exact(&mut vec![0; count]).unwrap();
            meter.sent().to_string()
        };
        assert_eq!(read(700_000), "700.0 kB of 2.0 MB");
        assert_eq!(read(400_000), "400.0 kB of 2.0 MB");
        // It was mounted.
        meter.finish(&other);
        assert_eq!(read(1_000_000), "2.0 MB of 2.0 MB");
        assert_eq!(counted.digest().unwrap(), key.1);
    }

    #[test]
    fn a_blob_counts_once_and_not_if_it_is_withdrawn() {
        let meter = Meter::default();
        let ((key, content), (other, _)) = (blob(1, 10), blob(2, 20));
        meter.announce(&key, 10);
        meter.announce(&other, 20);
        meter.announce(&other, 20);
        let small = meter.counted(&key, &content).to_bytes().unwrap();
        assert_eq!(small.len(), 10);
        assert_eq!(meter.sent(), Sent { sent: 0, all: 30 });
        meter.finish(&key);
        meter.withdraw(&other);
        meter.withdraw(&key);
        assert_eq!(meter.sent(), Sent { sent: 10, all: 10 });
    }
}
