//! Entries as logs answer them, and as bundles and annotations hold them.
//!
//! Nothing is judged here but the form. A bundle's entry is read as `protojson` reads it;
//! members that are not known are passed over, and what is absent has the default value.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::body::kind_of;
use super::error::EntryError;
use super::unverified::{Proof, Unverified};
use crate::proof::merkle::{DEEPEST, Node};
use crate::proof::protojson::{Bytes, Number};

/// `dev.sigstore.rekor.v1.TransparencyLogEntry`
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct BundleEntry {
    #[serde(alias = "log_index")]
    log_index: Option<Number>,
    #[serde(alias = "log_id")]
    log_id: Option<LogId>,
    #[serde(alias = "kind_version")]
    kind_version: Option<KindVersion>,
    #[serde(alias = "integrated_time")]
    integrated_time: Option<Number>,
    #[serde(alias = "inclusion_promise")]
    inclusion_promise: Option<Promise>,
    #[serde(alias = "inclusion_proof")]
    inclusion_proof: Option<BundleProof>,
    #[serde(alias = "canonicalized_body")]
    canonicalized_body: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct LogId {
    #[serde(alias = "key_id")]
    key_id: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KindVersion {
    kind: String,
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Promise {
    #[serde(alias = "signed_entry_timestamp")]
    signed_entry_timestamp: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct BundleProof {
    #[serde(alias = "log_index")]
    log_index: Option<Number>,
    #[serde(alias = "root_hash")]
    root_hash: Option<Bytes>,
    #[serde(alias = "tree_size")]
    tree_size: Option<Number>,
    hashes: Option<Vec<Bytes>>,
    checkpoint: Option<BundleCheckpoint>,
}

impl BundleProof {
    fn read(self) -> Result<Proof, EntryError> {
        Ok(Proof {
            index: self.log_index.unwrap_or_default().0,
            size: self.tree_size.unwrap_or_default().0,
            root: self.root_hash.unwrap_or_default().0,
            hashes: nodes(self.hashes.into_iter().flatten().map(|hash| Some(hash.0)))?,
            checkpoint: self.checkpoint.unwrap_or_default().envelope,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BundleCheckpoint {
    envelope: String,
}

/// An answer of Rekor v2, or an entry of a bundle.
pub(super) fn of_bundle(json: &[u8]) -> Result<Unverified, EntryError> {
    let entry: BundleEntry = serde_json::from_slice(json).map_err(|_| EntryError::Json)?;
    let kind = entry.kind_version.unwrap_or_default();
    let promise = entry
        .inclusion_promise
        .and_then(|one| one.signed_entry_timestamp);
    let proof = entry.inclusion_proof.map(BundleProof::read);
    let time = entry.integrated_time.unwrap_or_default().0;
    Ok(Unverified {
        index: entry.log_index.unwrap_or_default().0,
        log_id: entry.log_id.and_then(|id| id.key_id).unwrap_or_default().0,
        kind: kind.kind,
        kind_version: kind.version,
        time: i64::try_from(time).map_err(|_| EntryError::Json)?,
        promise: promise
            .map(|promise| promise.0)
            .filter(|one| !one.is_empty()),
        proof: proof.transpose()?,
        body: entry.canonicalized_body.unwrap_or_default().0,
    })
}

/// The hashes of a path, at most as many as there can be: one more is an error before it
/// is stored anywhere.
fn nodes(hashes: impl Iterator<Item = Option<Vec<u8>>>) -> Result<Vec<Node>, EntryError> {
    let hashes: Option<Vec<Node>> = hashes
        .take(DEEPEST + 1)
        .map(|hash| hash?.try_into().ok())
        .collect();
    let hashes = hashes.filter(|hashes| hashes.len() <= DEEPEST);
    hashes.ok_or(EntryError::Json)
}

/// An entry of Rekor v1: `LogEntry` of its `openapi.yaml`. Numbers are numbers there, and
/// ids and hashes are hexadecimal.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerEntry {
    /// Base64 of the canonical body.
    body: String,
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    /// Over all trees of the log, unlike that of the proof.
    log_index: u64,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    inclusion_proof: Option<AnswerProof>,
    signed_entry_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerProof {
    checkpoint: String,
    hashes: Vec<String>,
    log_index: u64,
    root_hash: String,
    tree_size: u64,
}

impl AnswerProof {
    fn read(self) -> Result<Proof, EntryError> {
        Ok(Proof {
            index: self.log_index,
            size: self.tree_size,
            root: hex::decode(self.root_hash).map_err(|_| EntryError::Json)?,
            hashes: nodes(self.hashes.iter().map(|hash| hex::decode(hash).ok()))?,
            checkpoint: self.checkpoint,
        })
    }
}

/// An answer of Rekor v1: a map of one entry, by its UUID. That name is not compared: the
/// leaf's hash in it is what the proof starts from.
pub(super) fn of_answer_v1(json: &[u8]) -> Result<Unverified, EntryError> {
    let answer: BTreeMap<String, AnswerEntry> =
        serde_json::from_slice(json).map_err(|_| EntryError::Json)?;
    let mut entries = answer.into_values();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        return Err(EntryError::Json);
    };
    let (promise, proof) = match entry.verification {
        None => (None, None),
        Some(found) => (found.signed_entry_timestamp, found.inclusion_proof),
    };
    let proof = proof.map(AnswerProof::read);
    let written = PromisedPayload {
        body: entry.body,
        integrated_time: entry.integrated_time,
        log_index: entry.log_index,
        log_id: entry.log_id,
    };
    Ok(Unverified {
        proof: proof.transpose()?,
        ..written.into_entry(promise.as_deref())?
    })
}

/// The annotation `dev.sigstore.cosign/bundle` (cosign v3.1.2
/// `pkg/cosign/bundle`), in the order of its fields there.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Promised {
    signed_entry_timestamp: String,
    payload: PromisedPayload,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PromisedPayload {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

impl PromisedPayload {
    /// The entry; an empty promise is none.
    fn into_entry(self, promise: Option<&str>) -> Result<Unverified, EntryError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| EntryError::Json);
        let body = decode(&self.body)?;
        let promise = promise.filter(|promise| !promise.is_empty());
        let (kind, kind_version) = kind_of(&body)?;
        Ok(Unverified {
            index: self.log_index,
            log_id: hex::decode(&self.log_id).map_err(|_| EntryError::Json)?,
            kind,
            kind_version,
            time: self.integrated_time,
            promise: promise.map(decode).transpose()?,
            proof: None,
            body,
        })
    }
}

/// An entry from the annotation, as [`to_annotation`] writes it.
pub(super) fn of_annotation(text: &str) -> Result<Unverified, EntryError> {
    let promised: Promised = serde_json::from_str(text).map_err(|_| EntryError::Json)?;
    let promise = promised.signed_entry_timestamp;
    promised.payload.into_entry(Some(&promise))
}

/// The bytes that a promise signs: JSON with sorted names (RFC 8785). Base64 and
/// hexadecimal need no escapes. They are made of the values that were read, so that it
/// does not matter how an answer or annotation wrote them.
pub(super) fn promised_bytes(entry: &Unverified) -> Vec<u8> {
    let (body, id) = (STANDARD.encode(&entry.body), hex::encode(&entry.log_id));
    let (time, index) = (entry.time, entry.index);
    format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#)
        .into_bytes()
}

/// The annotation, in the field order of cosign; none without a promise.
pub(super) fn to_annotation(entry: &Unverified) -> Option<String> {
    let promised = Promised {
        signed_entry_timestamp: STANDARD.encode(entry.promise.as_ref()?),
        payload: PromisedPayload {
            body: STANDARD.encode(&entry.body),
            integrated_time: entry.time,
            log_index: entry.index,
            log_id: hex::encode(&entry.log_id),
        },
    };
    serde_json::to_string(&promised).ok()
}

/// `TransparencyLogEntry` as cosign v3 orders it; members with default values are
/// left out, as `protojson` does (EVD-34). None without an inclusion proof, which a
/// bundle v0.3 must have.
pub(super) fn to_bundle(entry: &Unverified) -> Option<String> {
    let mut members = Vec::new();
    members.extend(number("logIndex", entry.index));
    members.push(format!(r#""logId":{{"keyId":{}}}"#, base64(&entry.log_id)));
    let (kind, kind_version) = (&entry.kind, &entry.kind_version);
    members.push(format!(
        r#""kindVersion":{{"kind":"{kind}","version":"{kind_version}"}}"#
    ));
    // A time means something together with the promise that signs it.
    if let Some(promise) = &entry.promise {
        members.extend(number("integratedTime", u64::try_from(entry.time).ok()?));
        let promise = base64(promise);
        members.push(format!(
            r#""inclusionPromise":{{"signedEntryTimestamp":{promise}}}"#
        ));
    }
    let proof = inclusion_proof(entry.proof.as_ref()?)?;
    members.push(format!(r#""inclusionProof":{{{proof}}}"#));
    members.push(format!(r#""canonicalizedBody":{}"#, base64(&entry.body)));
    Some(format!("{{{}}}", members.join(",")))
}

/// The members of `InclusionProof`.
fn inclusion_proof(proof: &Proof) -> Option<String> {
    let mut members = Vec::new();
    members.extend(number("logIndex", proof.index));
    members.push(format!(r#""rootHash":{}"#, base64(&proof.root)));
    members.extend(number("treeSize", proof.size));
    if !proof.hashes.is_empty() {
        let hashes: Vec<String> = proof.hashes.iter().map(|hash| base64(hash)).collect();
        members.push(format!(r#""hashes":[{}]"#, hashes.join(",")));
    }
    let checkpoint = serde_json::to_string(&proof.checkpoint).ok()?;
    members.push(format!(r#""checkpoint":{{"envelope":{checkpoint}}}"#));
    Some(members.join(","))
}

fn base64(bytes: &[u8]) -> String {
    format!(r#""{}""#, STANDARD.encode(bytes))
}

/// A member with a 64-bit integer, which is a string in ProtoJSON; none for 0.
fn number(name: &str, number: u64) -> Option<String> {
    (number != 0).then(|| format!(r#""{name}":"{number}""#))
}
