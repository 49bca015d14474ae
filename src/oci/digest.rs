//! Content digests as image-spec v1.1 "Digests" writes them: `sha256:<hex>` or
//! `sha512:<hex>`, lower case. Other algorithms are refused.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// The algorithms a registry may use (image-spec v1.1, "Registered
/// Algorithms"). Blobs and manifests of others are read by either; only SHA-256
/// digests are signed (`spec/decisions/0023`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    Sha256,
    Sha512,
}

impl HashAlgorithm {
    /// As digests spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The digest of exact bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: HashAlgorithm,
    /// Lower case, as the specification demands: in upper case the same bytes
    /// would have a second name, and be compared as others.
    hex: String,
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Lower-case hexadecimal, without the algorithm.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Whether `bytes` have this digest, by this digest's own algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// A hasher of this digest's algorithm.
    pub fn hasher(&self) -> Hasher {
        Hasher::new(self.algorithm)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// Text that is no digest of a known algorithm.
#[derive(thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a digest (`sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits)"
)]
pub struct NotADigest(String);

debug_as_display!(NotADigest);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text may be of a registry or of a file: an error repeats the
        // beginning alone.
        let refuse = || NotADigest(text.chars().take(200).collect());
        let (name, hex) = text.split_once(':').ok_or_else(refuse)?;
        let algorithm = match name {
            "sha256" => HashAlgorithm::Sha256,
            "sha512" => HashAlgorithm::Sha512,
            _ => return Err(refuse()),
        };
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() != algorithm.hex_length() || !hex.bytes().all(lower_hex) {
            return Err(refuse());
        }
        Ok(Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

/// Computes a digest piece by piece.
#[derive(Clone)]
pub enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            HashAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(state) => Digest {
                algorithm: HashAlgorithm::Sha256,
                hex: hex::encode(state.finalize()),
            },
            Self::Sha512(state) => Digest {
                algorithm: HashAlgorithm::Sha512,
                hex: hex::encode(state.finalize()),
            },
        }
    }

    /// Hashes the rest of `reader`; gives its length too. In pieces, so that
    /// memory does not grow with the length. Blocks as `reader` does.
    ///
    /// # Errors
    /// The error of `reader`.
    pub fn drain(mut self, reader: &mut dyn Read) -> std::io::Result<(Digest, u64)> {
        let mut buffer = vec![0u8; 64 * 1024];
        let mut length = 0u64;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok((self.finish(), length)),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.update(buffer.get(..count).unwrap_or_default());
            length += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_back_as_it_is_written() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().unwrap(), Digest::of(b""));
        assert!(EMPTY.parse::<Digest>().unwrap().matches(b""));
        assert!(!EMPTY.parse::<Digest>().unwrap().matches(b"x"));
    }

    #[test]
    fn a_sha512_digest_is_checked_by_sha512() {
        let mut hasher = Hasher::new(HashAlgorithm::Sha512);
        hasher.update(b"x");
        let digest = hasher.finish();
        assert_eq!(digest.hex().len(), 128);
        assert!(digest.matches(b"x"));
    }

    #[test]
    fn text_that_is_no_digest_is_refused() {
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:abc",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &EMPTY.to_uppercase(),
            &format!("{EMPTY}0"),
            &EMPTY.replace("e3", "g3"),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
