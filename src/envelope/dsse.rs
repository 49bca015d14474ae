//! Dead Simple Signing Envelope v1.0.2: what is signed (PAE) and what is
//! stored, as compositions that are streamed.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oci::{Content, Reread};
use crate::signature::Signature;

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The bytes that a signature of `payload` covers ("pre-authentication
/// encoding").
pub fn pre_authentication_encoding(payload: &Content) -> Content {
    let head = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.length());
    Content::concat([head.into_bytes().into(), payload.clone()])
}

/// The envelope with one signature, in the field order of cosign v2.
pub fn envelope(payload: &Content, signature: &Signature) -> Content {
    let head = format!(r#"{{"payloadType":"{IN_TOTO}","payload":""#);
    let tail = format!(
        r#"","signatures":[{{"keyid":"","sig":"{}"}}]}}"#,
        signature.to_base64()
    );
    Content::concat([
        head.into_bytes().into(),
        Content::from_source(Base64(payload.clone())),
        tail.into_bytes().into(),
    ])
}

/// Content in standard base64 with padding.
struct Base64(Content);

/// A multiple of 3, so that only the last piece is padded.
const PIECE: usize = 48 * 1024;

impl Reread for Base64 {
    fn length(&self) -> u64 {
        self.0.length().div_ceil(3) * 4
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Base64Reader {
            source: self.0.open()?,
            encoded: String::new(),
            position: 0,
        }))
    }
}

struct Base64Reader<R> {
    source: R,
    encoded: String,
    position: usize,
}

impl<R: Read> Read for Base64Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.encoded.len() {
            let mut piece = Vec::with_capacity(PIECE);
            self.source
                .by_ref()
                .take(PIECE as u64)
                .read_to_end(&mut piece)?;
            self.encoded.clear();
            STANDARD.encode_string(&piece, &mut self.encoded);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_that_of_cosign_two() {
        let payload = Content::from(b"{}".to_vec());
        assert_eq!(
            pre_authentication_encoding(&payload).to_bytes().unwrap(),
            "DSSEv1 28 application/vnd.in-toto+json 2 {}"
        );
        assert_eq!(
            envelope(&payload, &Signature::new(vec![0xff, 0xfe]))
                .to_bytes()
                .unwrap(),
            r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"//4="}]}"#
        );
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
