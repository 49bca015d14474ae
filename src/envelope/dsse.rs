//! Dead Simple Signing Envelope v1.0.2: the signed message (PAE) and the stored
//! envelope, as compositions that are streamed (WIRE-32). A document of hundreds of
//! megabytes passes through in pieces, once to be hashed and once for each upload.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::oci::digest::{HashAlgorithm, Hasher};
use crate::oci::{Content, Reread};
use crate::signature::Signature;

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The beginning of every envelope, in the order of cosign v2: the signature comes last.
const HEAD: &str = r#"{"payloadType":"application/vnd.in-toto+json","payload":""#;

/// A payload that has been read once for all signatures of it: the signed
/// message and the envelope are hashed in the same pass. The signature stands
/// at the end of an envelope, so that another signature costs no further
/// reading.
pub struct HashedPayload {
    content: Content,
    message: Content,
    /// The hash of an envelope up to its signature.
    hasher: Hasher,
}

impl HashedPayload {
    /// Reads `content` to its end, which blocks; a large one is read ahead by another
    /// thread.
    ///
    /// # Errors
    /// On content that cannot be read.
    pub fn read(content: Content) -> io::Result<Self> {
        let message = pre_authentication_encoding(&content);
        let mut covered = Hasher::new(HashAlgorithm::Sha256);
        let mut enveloped = Hasher::new(HashAlgorithm::Sha256);
        covered.update(encoding_head(&content).as_bytes());
        enveloped.update(HEAD.as_bytes());
        let mut reader = content.open_ahead();
        let (mut piece, mut encoded) = (Vec::with_capacity(PIECE), String::new());
        while next_piece(&mut reader, &mut piece, &mut encoded)? {
            covered.update(&piece);
            enveloped.update(encoded.as_bytes());
        }
        Ok(Self {
            content,
            message: message.with_digest(covered.finish()),
            hasher: enveloped,
        })
    }

    /// The payload's own bytes.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The bytes that a signature covers; their digest is known.
    pub fn message(&self) -> &Content {
        &self.message
    }

    /// The payload in standard base64 with padding, which every reader of cosign's takes.
    pub(super) fn encoded(&self) -> Content {
        Content::from_source(Base64(self.content.clone()))
    }

    /// The envelope with one signature, in the field order of cosign v2; its
    /// digest is known: the hash of everything before the signature is continued. The
    /// empty `keyid` is cosign's, and no reader of tags compares it.
    pub fn envelope(&self, signature: &Signature) -> Content {
        let tail = format!(
            r#"","signatures":[{{"keyid":"","sig":"{}"}}]}}"#,
            signature.to_base64()
        );
        let mut hasher = self.hasher.clone();
        hasher.update(tail.as_bytes());
        let envelope = Content::concat([
            Bytes::from_static(HEAD.as_bytes()).into(),
            self.encoded(),
            tail.into_bytes().into(),
        ]);
        envelope.with_digest(hasher.finish())
    }
}

/// The "pre-authentication encoding": type and payload, each behind its length, so that
/// no two envelopes have the same one (dsse `protocol.md`).
fn pre_authentication_encoding(payload: &Content) -> Content {
    let head = encoding_head(payload).into_bytes();
    Content::concat([head.into(), payload.clone()])
}

fn encoding_head(payload: &Content) -> String {
    format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.length())
}

/// Content in standard base64 with padding. Its length follows from the content's, which
/// an upload has to state first.
struct Base64(Content);

/// A multiple of 3, so that only the last piece is padded.
const PIECE: usize = 48 * 1024;

impl Reread for Base64 {
    fn length(&self) -> u64 {
        self.0.length().div_ceil(3) * 4
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Base64Reader {
            source: self.0.open(),
            piece: Vec::with_capacity(PIECE),
            encoded: String::new(),
            position: 0,
        }))
    }
}

struct Base64Reader<R> {
    source: R,
    piece: Vec<u8>,
    encoded: String,
    position: usize,
}

impl<R: Read> Read for Base64Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.encoded.len() {
            next_piece(&mut self.source, &mut self.piece, &mut self.encoded)?;
            self.position = 0;
        }
        let rest = self
            .encoded
            .as_bytes()
            .get(self.position..)
            .unwrap_or_default();
        let count = (&mut &*rest).read(buffer)?;
        self.position += count;
        Ok(count)
    }
}

/// Reads the next piece, and encodes it. `false`: the content has ended.
fn next_piece(
    source: &mut impl Read,
    piece: &mut Vec<u8>,
    encoded: &mut String,
) -> io::Result<bool> {
    piece.clear();
    encoded.clear();
    source.by_ref().take(PIECE as u64).read_to_end(piece)?;
    STANDARD.encode_string(&*piece, encoded);
    Ok(!piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn the_envelope_is_that_of_cosign_two() {
        let payload = HashedPayload::read(Content::from(b"{}".to_vec())).unwrap();
        assert_eq!(
            payload.message().to_bytes().unwrap(),
            "DSSEv1 28 application/vnd.in-toto+json 2 {}"
        );
        assert_eq!(
            payload
                .envelope(&Signature::new(vec![0xff, 0xfe]))
                .to_bytes()
                .unwrap(),
            r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"//4="}]}"#
        );
    }

    #[test]
    fn the_digests_that_are_known_are_those_of_the_bytes() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let payload = HashedPayload::read(Content::from(vec![b'x'; length])).unwrap();
            let mut contents = vec![payload.message().clone()];
            for byte in 0..3 {
                contents.push(payload.envelope(&Signature::new(vec![byte; 71])));
            }
            for content in contents {
                let bytes = content.to_bytes().unwrap();
                assert_eq!(content.digest().unwrap(), Digest::of(&bytes), "{length}");
                assert_eq!(content.length(), bytes.len() as u64);
            }
        }
    }

    #[test]
    fn base64_of_any_length_is_that_of_the_whole() {
        for length in [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let content = Content::from_source(Base64(bytes.clone().into()));
            assert_eq!(
                content.to_bytes().unwrap(),
                STANDARD.encode(&bytes),
                "{length}"
            );
        }
    }
}
