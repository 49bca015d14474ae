//! Entries of public logs, for tests and fuzzers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the files are our own"
)]
#![cfg_attr(not(test), allow(dead_code, reason = "fuzzers begin with one of them"))]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{EntryError, EntryVerifier, LogEntry, Loggable, SignedMessage};
use crate::oci::Content;
use crate::proof::certificate::Certificate;
use crate::proof::key::VerifyingKey;
use crate::proof::trust::Validity;
use crate::proof::trust::root::{LogKey, TrustedRoot};
use crate::signature::{Hash, PublicKey, Signature};

/// An entry of a public log, with what its bundle and its trusted root say.
#[derive(Clone)]
pub(super) struct Vector(pub(super) Value);

const PUBLIC: [&str; 5] = [
    include_str!("../../../testdata/proof/log/v1-hashedrekord-key.json"),
    include_str!("../../../testdata/proof/log/v1-hashedrekord-certificate.json"),
    include_str!("../../../testdata/proof/log/v1-dsse-certificate.json"),
    include_str!("../../../testdata/proof/log/v2-message-certificate.json"),
    include_str!("../../../testdata/proof/log/v2-envelope-certificate.json"),
];
pub(super) const V1_KEY: usize = 0;
pub(super) const V1_CERTIFICATE: usize = 1;
pub(super) const V1_DSSE: usize = 2;
pub(super) const V2_MESSAGE: usize = 3;

impl Vector {
    pub(super) fn of(number: usize) -> Self {
        Self(serde_json::from_str(PUBLIC[number]).unwrap())
    }

    pub(super) fn all() -> Vec<Self> {
        (0..PUBLIC.len()).map(Self::of).collect()
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        STANDARD.decode(self.0[name].as_str().unwrap()).unwrap()
    }

    pub(super) fn root(&self) -> TrustedRoot {
        let key = VerifyingKey::from_der(&self.bytes("logKey")).unwrap();
        TrustedRoot {
            authorities: Vec::new(),
            logs: vec![LogKey {
                base_url: self.0["baseUrl"].as_str().unwrap().to_owned(),
                id: self.bytes("logId"),
                checkpoint_id: None,
                hash: key.default_hash(),
                key,
                valid: Validity::default(),
                operator: None,
            }],
            ct_logs: None,
            timestamp_authorities: Vec::new(),
        }
    }

    pub(super) fn signature(&self) -> Loggable {
        let hex = |name: &str| hex::decode(self.0[name].as_str().unwrap()).unwrap();
        let content = |name: &str| {
            let digest = format!("sha256:{}", self.0[name].as_str().unwrap_or_default());
            digest
                .parse()
                .ok()
                .map(|digest| Content::from(Vec::new()).with_digest(digest))
        };
        let unknown = || Content::from(b"unknown".to_vec());
        Loggable {
            hash: Hash::Sha256,
            digest: hex("sha256"),
            signature: Signature::new(self.bytes("signature")),
            verifier: match self.0.get("key") {
                Some(_) => EntryVerifier::of_key(&PublicKey::from_der(self.bytes("key"))).unwrap(),
                None => {
                    let certificate = Certificate::from_der(&self.bytes("certificate"));
                    EntryVerifier::of_certificate(certificate.unwrap()).unwrap()
                }
            },
            message: match content("payloadSha256") {
                None => SignedMessage::Payload,
                Some(payload) => SignedMessage::Envelope {
                    envelope: content("envelopeSha256").unwrap_or_else(unknown),
                    payload,
                },
            },
        }
    }

    pub(super) fn entry(&self) -> String {
        self.0["entry"].to_string()
    }

    pub(super) fn read(&self) -> Result<LogEntry, EntryError> {
        LogEntry::read_bundle_json(&self.entry(), &self.signature(), &self.root())
    }

    /// The same with another value at a place of the entry.
    pub(super) fn with(&self, pointer: &str, value: Value) -> Self {
        let mut changed = self.clone();
        *changed.0["entry"].pointer_mut(pointer).unwrap() = value;
        changed
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.0["entry"].pointer(pointer).unwrap().as_str().unwrap()
    }
}
