//! A certificate transparency log (RFC 6962) that promises everything and keeps
//! nothing: it signs what an authority wants to issue.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::der::{Element, contents, element, inside};
use crate::support::registry::Answer;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::stand_in::{Recorded, StandIn};

const SEQUENCE: u8 = 0x30;
/// The tag of a certificate's extensions, `[3]`.
const EXTENSIONS: u8 = 0xa3;
/// 1.3.6.1.4.1.11129.2.4.3, by which a certificate says that it is not issued yet.
const POISON: &[u8] = &[
    0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x03,
];

/// Its key, and where it listens.
pub struct CertificateLog {
    service: StandIn,
    public: String,
}

impl CertificateLog {
    /// The one of this process.
    pub fn shared() -> &'static Self {
        static LOG: LazyLock<CertificateLog> = LazyLock::new(|| {
            let pair = Pair::generate(Kind::P256);
            let public = pair.public();
            let service = StandIn::start(move |asked| promise(asked, &pair));
            CertificateLog { service, public }
        });
        &LOG
    }

    /// Its base, below which `/ct/v1/…` is.
    pub fn url(&self) -> String {
        format!("{}/log", self.service.url())
    }

    /// Its public key (PEM).
    pub fn public(&self) -> &str {
        &self.public
    }
}

/// `add-pre-chain` (RFC 6962, 4.2): a signed certificate timestamp.
fn promise(asked: &Recorded, pair: &Pair) -> Answer {
    if asked.path() != "/log/ct/v1/add-pre-chain" {
        return Answer::new(404);
    }
    let body = asked.json();
    let certificate = |place: usize| -> Vec<u8> {
        let text = body["chain"][place].as_str().expect("a certificate");
        STANDARD.decode(text).expect("base64")
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = u64::try_from(now.expect("after 1970").as_millis()).expect("before 584556019");
    let mut signed = vec![0, 0];
    signed.extend_from_slice(&now.to_be_bytes());
    signed.extend_from_slice(&[0, 1]);
    signed.extend(Hash::Sha256.of(public_key(&certificate(1))));
    let names = without_poison(&certificate(0));
    let length = u32::try_from(names.len())
        .expect("a certificate")
        .to_be_bytes();
    signed.extend_from_slice(&length[1..]);
    signed.extend_from_slice(&names);
    signed.extend_from_slice(&[0, 0]);
    let signature = pair.sign_message(Hash::Sha256, &signed);
    // SHA-256, ECDSA
    let mut digitally_signed = vec![4, 3];
    let length = u16::try_from(signature.len()).expect("a signature");
    digitally_signed.extend_from_slice(&length.to_be_bytes());
    digitally_signed.extend_from_slice(&signature);
    let answer: Value = json!({
        "sct_version": 0,
        "id": STANDARD.encode(Hash::Sha256.of(pair.public_der())),
        "timestamp": now,
        "extensions": "",
        "signature": STANDARD.encode(digitally_signed),
    });
    Answer::json(200, &answer)
}

/// The part of a certificate that is signed.
fn signed_part(certificate: Element<'_>) -> Element<'_> {
    inside(certificate)[0]
}

/// `SubjectPublicKeyInfo`: with the version `[0]` before it, the seventh.
fn public_key(certificate: Element<'_>) -> Element<'_> {
    inside(signed_part(certificate))[6]
}

/// The signed part as it will be issued, so far.
fn without_poison(certificate: Element<'_>) -> Vec<u8> {
    let parts = inside(signed_part(certificate)).into_iter().map(|part| {
        if part[0] != EXTENSIONS {
            return part.to_vec();
        }
        let all = inside(inside(part)[0]).into_iter();
        let kept = all.filter(|extension| !contents(extension).starts_with(POISON));
        let kept = kept.collect::<Vec<_>>().concat();
        element(EXTENSIONS, &element(SEQUENCE, &kept))
    });
    element(SEQUENCE, &parts.collect::<Vec<_>>().concat())
}
