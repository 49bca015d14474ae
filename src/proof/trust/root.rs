//! Trusted roots v0.1 and v0.2 (protobuf-specs v0.5.1 `sigstore_trustroot.proto`):
//! the logs, certificate authorities and timestamp authorities whose word counts.
//!
//! A key of a kind that nothing here verifies is left out: what it signed is then
//! by nobody who is trusted. Members that are not known are ignored. So newer files of
//! the public instance, with keys of kinds to come, can be read (EVD-51).
//!
//! Nothing that is missing is made up: an entry that does not say by which key, or
//! from when on, is an error of the whole file.

use std::fmt;

use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Encode as _, Error as DerError};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use serde::Deserialize;

use super::validity::{Validity, WrittenRange};
use super::{MAX_ENTRIES, MAX_LENGTH, shown};
use crate::proof::certificate::{Certificate, CertificateError};
use crate::proof::key::{KeyKind, KeyProblem, VerifyingKey};
use crate::proof::protojson::{Bytes, EnumValue};
use crate::signature::Hash;
use crate::signature::oid::RSA;

/// Media types of the versions that are read; the first is the oldest form of
/// v0.1.
const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// Those whose word counts, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRoot {
    pub authorities: Vec<CertificateAuthority>,
    pub logs: Vec<LogKey>,
    /// Logs of certificate transparency; none if the file lists none. The list may be
    /// empty, if all of its keys were left out.
    pub ct_logs: Option<Vec<LogKey>>,
    pub timestamp_authorities: Vec<TimestampAuthority>,
}

/// A key of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// It may lack a scheme, and need not be where entries are read. A log of Rekor v2
    /// calls itself by its host in checkpoints ([`host`](super::host)), so that it has one.
    pub base_url: String,
    /// `logId.keyId`, or `checkpointKeyId.keyId` where that is all there is: the name by
    /// which entries and promises select the log. It is not compared with the key.
    pub id: Vec<u8>,
    /// `checkpointKeyId.keyId`, by which checkpoints name the key.
    pub checkpoint_id: Option<Vec<u8>>,
    pub key: VerifyingKey,
    /// The hash that the log signs with, as `keyDetails` say.
    pub hash: Hash,
    /// When the key signed; its start is there.
    pub valid: Validity,
    /// None of v0.1, which does not say, as in the lists below.
    pub operator: Option<String>,
}

/// An authority that issues certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// As the file says it, perhaps empty: it is compared, never asked.
    pub url: String,
    /// Intermediates from the issuing one, then the anchor: the last is trusted. At
    /// least one.
    pub certificates: Vec<Certificate>,
    /// When it issued; both ends may be open.
    pub valid: Validity,
    pub operator: Option<String>,
}

/// An authority that stamps times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampAuthority {
    /// As the file says it, perhaps empty.
    pub url: String,
    /// The leaf where the file has it, intermediates, then the anchor: the last is
    /// trusted. At least one.
    pub certificates: Vec<Certificate>,
    pub valid: Validity,
    pub operator: Option<String>,
}

/// The path of an entry in the JSON of a trusted root: `tlogs[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonPath {
    list: &'static str,
    index: usize,
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.list, self.index)
    }
}

/// Bytes that are no trusted root.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustedRootError {
    #[error("it has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it is not the JSON of a trusted root, at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("it is no trusted root v0.1 or v0.2, but `{0}`")]
    MediaType(String),
    #[error("it has more than {MAX_ENTRIES} entries in `{0}`")]
    TooMany(&'static str),
    #[error("`{path}` has no `{member}`")]
    Missing {
        path: JsonPath,
        member: &'static str,
    },
    #[error("the key of `{path}` cannot be used")]
    Key {
        path: JsonPath,
        #[source]
        source: KeyProblem,
    },
    #[error("a certificate of `{path}` cannot be used")]
    Certificate {
        path: JsonPath,
        #[source]
        source: CertificateError,
    },
    #[error("the key of `{path}` is not of the kind that its `keyDetails` say")]
    OtherKey { path: JsonPath },
}

debug_as_display!(TrustedRootError);

impl TrustedRoot {
    /// Parses the bytes of a file. Nothing in it is valid or not yet: time is compared
    /// where a key is used.
    ///
    /// # Errors
    /// On what is no trusted root, and on entries that lack what it takes to trust
    /// somebody.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustedRootError> {
        let written = WrittenRoot::parse(bytes)?;
        let ct_logs = written.ct_logs.filter(|listed| !listed.is_empty());
        let ct_logs = ct_logs.map(|listed| logs("ctlogs", Some(listed)));
        Ok(Self {
            authorities: entries("certificateAuthorities", written.authorities, authority)?,
            logs: logs("tlogs", written.logs)?,
            ct_logs: ct_logs.transpose()?,
            timestamp_authorities: entries(
                "timestampAuthorities",
                written.timestamp_authorities,
                timestamp_authority,
            )?,
        })
    }
}

/// `dev.sigstore.trustroot.v1.TrustedRoot`. Its names in JSON are those of `json_name`,
/// the aliases those of the `.proto` file, which `protojson` reads too.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenRoot {
    #[serde(alias = "media_type")]
    media_type: Option<String>,
    #[serde(rename = "tlogs")]
    logs: Option<Vec<WrittenLog>>,
    #[serde(rename = "certificateAuthorities", alias = "certificate_authorities")]
    authorities: Option<Vec<WrittenAuthority>>,
    #[serde(rename = "ctlogs")]
    ct_logs: Option<Vec<WrittenLog>>,
    #[serde(alias = "timestamp_authorities")]
    timestamp_authorities: Option<Vec<WrittenAuthority>>,
}

impl WrittenRoot {
    fn parse(bytes: &[u8]) -> Result<Self, TrustedRootError> {
        if bytes.len() > MAX_LENGTH {
            return Err(TrustedRootError::TooLong);
        }
        let written: Self =
            serde_json::from_slice(bytes).map_err(|error| TrustedRootError::Json {
                line: error.line(),
                column: error.column(),
            })?;
        // The version first: members of another one may mean something else (EVD-50).
        let media_type = written.media_type.as_deref().unwrap_or_default();
        match MEDIA_TYPES.contains(&media_type) {
            true => Ok(written),
            false => Err(TrustedRootError::MediaType(shown(media_type))),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenLog {
    #[serde(alias = "base_url")]
    base_url: Option<String>,
    #[serde(alias = "hash_algorithm")]
    hash_algorithm: Option<EnumValue>,
    #[serde(alias = "public_key")]
    public_key: Option<WrittenLogKey>,
    #[serde(alias = "log_id")]
    log_id: Option<WrittenId>,
    #[serde(alias = "checkpoint_key_id")]
    checkpoint_key_id: Option<WrittenId>,
    operator: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenLogKey {
    #[serde(alias = "raw_bytes")]
    raw_bytes: Option<Bytes>,
    #[serde(alias = "key_details")]
    key_details: Option<EnumValue>,
    #[serde(alias = "valid_for")]
    valid_for: Option<WrittenRange>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenId {
    #[serde(alias = "key_id")]
    key_id: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenAuthority {
    uri: Option<String>,
    #[serde(alias = "cert_chain")]
    cert_chain: Option<WrittenChain>,
    #[serde(alias = "valid_for")]
    valid_for: Option<WrittenRange>,
    operator: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WrittenChain {
    certificates: Option<Vec<WrittenCertificate>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WrittenCertificate {
    #[serde(alias = "raw_bytes")]
    raw_bytes: Option<Bytes>,
}

/// The entries of a list, each with its path for messages.
fn entries<Written, Entry>(
    list: &'static str,
    written: Option<Vec<Written>>,
    entry: impl Fn(JsonPath, Written) -> Result<Entry, TrustedRootError>,
) -> Result<Vec<Entry>, TrustedRootError> {
    let written = written.unwrap_or_default();
    if written.len() > MAX_ENTRIES {
        return Err(TrustedRootError::TooMany(list));
    }
    let numbered = written.into_iter().enumerate();
    numbered
        .map(|(index, written)| entry(JsonPath { list, index }, written))
        .collect()
}

fn logs(
    list: &'static str,
    written: Option<Vec<WrittenLog>>,
) -> Result<Vec<LogKey>, TrustedRootError> {
    let logs = entries(list, written, log)?;
    Ok(logs.into_iter().flatten().collect())
}

/// A log's key; none if it is of a kind that is not verified here. The members that
/// every key needs are asked for before that, so that a file is refused for the same
/// things whatever kinds are known.
fn log(path: JsonPath, log: WrittenLog) -> Result<Option<LogKey>, TrustedRootError> {
    let missing = |member| TrustedRootError::Missing { path, member };
    let written = log.public_key.ok_or(missing("publicKey"))?;
    let bytes = written.raw_bytes.ok_or(missing("publicKey.rawBytes"))?.0;
    let details = written.key_details.unwrap_or_default();
    if details.is("PUBLIC_KEY_DETAILS_UNSPECIFIED", 0) {
        return Err(missing("publicKey.keyDetails"));
    }
    let valid = Validity::from(written.valid_for);
    if valid.start.is_none() {
        return Err(missing("publicKey.validFor.start"));
    }
    let id = |id: Option<WrittenId>| id?.key_id.map(|id| id.0).filter(|id| !id.is_empty());
    let checkpoint_id = id(log.checkpoint_key_id);
    let id = id(log.log_id).or_else(|| checkpoint_id.clone());
    let id = id.ok_or(missing("logId.keyId"))?;
    let Some((encoding, kind, hash)) = known_details(&details) else {
        return Ok(None);
    };
    if !log.hash_algorithm.is_none_or(|hash| is_sha256(&hash)) {
        return Ok(None);
    }
    let key = key(encoding, bytes).map_err(|source| TrustedRootError::Key { path, source })?;
    if key.kind() != kind {
        return Err(TrustedRootError::OtherKey { path });
    }
    Ok(Some(LogKey {
        base_url: log.base_url.unwrap_or_default(),
        id,
        checkpoint_id,
        key,
        hash,
        valid,
        operator: log.operator.filter(|operator| !operator.is_empty()),
    }))
}

/// Whether the log's tree is one of SHA-256: [`merkle`](crate::proof::merkle) knows no
/// other.
fn is_sha256(hash: &EnumValue) -> bool {
    hash.is("SHA2_256", 1) || hash.is("HASH_ALGORITHM_UNSPECIFIED", 0)
}

/// An authority of either kind. A certificate that cannot be read is an error here, and
/// not once somebody needs it.
fn authority(
    path: JsonPath,
    written: WrittenAuthority,
) -> Result<CertificateAuthority, TrustedRootError> {
    const CERTIFICATES: &str = "certChain.certificates";
    let missing = |member| TrustedRootError::Missing { path, member };
    let chain = written.cert_chain.and_then(|chain| chain.certificates);
    let chain = chain.unwrap_or_default();
    if chain.len() > MAX_ENTRIES {
        return Err(TrustedRootError::TooMany(CERTIFICATES));
    }
    if chain.is_empty() {
        return Err(missing(CERTIFICATES));
    }
    let certificate = |written: WrittenCertificate| {
        let bytes = written.raw_bytes.ok_or(missing(CERTIFICATES))?;
        let certificate = Certificate::from_der(&bytes.0);
        certificate.map_err(|source| TrustedRootError::Certificate { path, source })
    };
    let certificates = chain
        .into_iter()
        .map(certificate)
        .collect::<Result<_, _>>()?;
    Ok(CertificateAuthority {
        url: written.uri.unwrap_or_default(),
        certificates,
        valid: written.valid_for.into(),
        operator: written.operator.filter(|operator| !operator.is_empty()),
    })
}

fn timestamp_authority(
    path: JsonPath,
    written: WrittenAuthority,
) -> Result<TimestampAuthority, TrustedRootError> {
    let authority = authority(path, written)?;
    Ok(TimestampAuthority {
        url: authority.url,
        certificates: authority.certificates,
        valid: authority.valid,
        operator: authority.operator,
    })
}

/// How the bytes of a key are written. PKCS#1 is deprecated in protobuf-specs, and
/// older files have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// SubjectPublicKeyInfo
    Pkix,
    /// RSAPublicKey (RFC 8017, appendix A.1.1)
    Pkcs1,
}

type KeyDetails = (Encoding, KeyKind, Hash);

/// The meaning of `dev.sigstore.common.v1.PublicKeyDetails`, of kinds that are verified
/// here: RSA-PSS, Ed25519ph, ML-DSA and LMS are not. The details name the hash; for
/// Ed25519 it is any.
fn known_details(details: &EnumValue) -> Option<KeyDetails> {
    use Encoding::{Pkcs1, Pkix};
    const KNOWN: [(&str, i64, KeyDetails); 12] = [
        ("PKCS1_RSA_PKCS1V5", 1, (Pkcs1, KeyKind::Rsa, Hash::Sha256)),
        ("PKIX_RSA_PKCS1V5", 3, (Pkix, KeyKind::Rsa, Hash::Sha256)),
        (
            "PKIX_ECDSA_P256_SHA_256",
            5,
            (Pkix, KeyKind::P256, Hash::Sha256),
        ),
        (
            "PKIX_ECDSA_P256_HMAC_SHA_256",
            6,
            (Pkix, KeyKind::P256, Hash::Sha256),
        ),
        ("PKIX_ED25519", 7, (Pkix, KeyKind::Ed25519, Hash::Sha256)),
        (
            "PKIX_RSA_PKCS1V15_2048_SHA256",
            9,
            (Pkix, KeyKind::Rsa, Hash::Sha256),
        ),
        (
            "PKIX_RSA_PKCS1V15_3072_SHA256",
            10,
            (Pkix, KeyKind::Rsa, Hash::Sha256),
        ),
        (
            "PKIX_RSA_PKCS1V15_4096_SHA256",
            11,
            (Pkix, KeyKind::Rsa, Hash::Sha256),
        ),
        (
            "PKIX_ECDSA_P384_SHA_384",
            12,
            (Pkix, KeyKind::P384, Hash::Sha384),
        ),
        (
            "PKIX_ECDSA_P521_SHA_512",
            13,
            (Pkix, KeyKind::P521, Hash::Sha512),
        ),
        (
            "PKIX_ECDSA_P384_SHA_256",
            19,
            (Pkix, KeyKind::P384, Hash::Sha256),
        ),
        (
            "PKIX_ECDSA_P521_SHA_256",
            20,
            (Pkix, KeyKind::P521, Hash::Sha256),
        ),
    ];
    let mut known = KNOWN.iter();
    let found = known.find(|(name, number, _)| details.is(name, *number));
    found.map(|(_, _, details)| *details)
}

fn key(encoding: Encoding, bytes: Vec<u8>) -> Result<VerifyingKey, KeyProblem> {
    match encoding {
        Encoding::Pkix => VerifyingKey::from_der(&bytes),
        Encoding::Pkcs1 => {
            let der = pkix(&bytes).map_err(|_| KeyProblem::Damaged)?;
            VerifyingKey::from_der(&der)
        }
    }
}

/// The SubjectPublicKeyInfo of an RSAPublicKey (RFC 3279, section 2.3.1).
fn pkix(pkcs1: &[u8]) -> Result<Vec<u8>, DerError> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef {
            oid: RSA,
            parameters: Some(AnyRef::NULL),
        },
        subject_public_key: BitStringRef::from_bytes(pkcs1)?,
    };
    info.to_der()
}

#[cfg(test)]
mod tests;
