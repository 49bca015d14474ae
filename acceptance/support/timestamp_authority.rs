//! A timestamp authority by RFC 3161 that answers as a test says, right or wrong in
//! one thing. Real ones have no wrong answers.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, SigningKey as _, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

use super::registry::Answer;
use super::services::stand_in::{Recorded, StandIn};

pub const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
pub const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];

pub const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
pub const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5];
const BY_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 12];
const BY_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];
pub const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
pub const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
pub const SHA512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
pub const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const POLICY: &[u8] = &[0x2a, 3, 4];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The fields of an authority's certificate.
#[derive(Clone)]
pub struct Leaf {
    pub usages: Vec<&'static [u8]>,
    pub is_critical: bool,
    pub is_authority: bool,
    /// From the first day of one year to that of another.
    pub years: (i32, i32),
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            usages: vec![TIME_STAMPING],
            is_critical: true,
            is_authority: false,
            years: (2020, 2048),
        }
    }
}

/// An authority: a leaf of an intermediate of a root, all P-256.
pub struct Authority {
    key: KeyPair,
    /// DER of leaf, intermediate and root.
    pub certificates: Vec<Vec<u8>>,
    /// DER of the leaf's issuer, and its serial number.
    issuer: Vec<u8>,
}

const SERIAL: &[u8] = &[0x11, 0x22, 0x33];

/// One answer.
#[derive(Clone)]
pub struct Recipe {
    pub status: u8,
    pub words: Option<String>,
    pub version: u8,
    pub hash: &'static [u8],
    pub imprint: Vec<u8>,
    pub nonce: Option<Vec<u8>>,
    /// As GeneralizedTime.
    pub time: String,
    pub content_type: &'static [u8],
    /// The value of the signed attribute.
    pub attribute_type: &'static [u8],
    pub message_digest: Option<Vec<u8>>,
    pub certificate: Named,
    /// As UTCTime.
    pub signing_time: Option<String>,
    /// Beside the content's, each signed as well: DER of attributes.
    pub more: Vec<Vec<u8>>,
    pub digest: &'static [u8],
    pub algorithm: &'static [u8],
    pub signers: usize,
    /// DER of each.
    pub certificates: Vec<Vec<u8>>,
    pub is_signature_right: bool,
}

/// How the signed attributes name the signer's certificate.
#[derive(Clone)]
pub enum Named {
    BySha256,
    /// With issuer and serial number.
    Fully,
    /// That of something else.
    Wrongly,
    /// By another serial number.
    BySerialOfAnother,
    BySha1,
    Not,
}

impl Recipe {
    /// A right answer about an imprint.
    pub fn new(imprint: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 0,
            words: None,
            version: 1,
            hash: SHA256,
            imprint: imprint.into(),
            nonce: None,
            time: Timestamp::now().strftime("%Y%m%d%H%M%SZ").to_string(),
            content_type: TST_INFO,
            attribute_type: TST_INFO,
            message_digest: None,
            certificate: Named::BySha256,
            signing_time: None,
            more: Vec::new(),
            digest: SHA256,
            algorithm: ECDSA_SHA256,
            signers: 1,
            certificates: Vec::new(),
            is_signature_right: true,
        }
    }

    /// A right answer to a query of the signer's or cosign's: SHA-256, then a nonce
    /// if they sent one.
    ///
    /// # Panics
    /// On other queries.
    pub fn of_query(query: &[u8]) -> Self {
        assert_eq!(query[5..7], [SEQUENCE, 0x31], "{query:02x?}");
        let mut recipe = Self::new(&query[24..56]);
        if let Some([INTEGER, length, rest @ ..]) = query.get(56..) {
            recipe.nonce = Some(rest[..usize::from(*length)].to_vec());
        }
        recipe
    }
}

impl Authority {
    pub fn new() -> Self {
        Self::with(&Leaf::default())
    }

    pub fn with(leaf: &Leaf) -> Self {
        let parameters = |name: &str, years: (i32, i32)| {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.not_before = date_time_ymd(years.0, 1, 1);
            parameters.not_after = date_time_ymd(years.1, 1, 1);
            parameters
        };
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let authority = |name: &str| {
            let mut parameters = parameters(name, (2010, 2049));
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters
        };
        let (root, root_key) = (authority("Root of times"), key());
        let root_der = root.self_signed(&root_key).expect("a certificate");
        let root = Issuer::new(root, root_key);
        let (intermediate, intermediate_key) = (authority("Issuer of times"), key());
        let intermediate_der = intermediate.signed_by(&intermediate_key, &root);
        let intermediate = Issuer::new(intermediate, intermediate_key);
        let mut of_leaf = parameters("Stamps times", leaf.years);
        of_leaf.serial_number = Some(SERIAL.to_vec().into());
        if leaf.is_authority {
            of_leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let usages: Vec<_> = leaf.usages.iter().map(|id| der(OID, &[id])).collect();
        let usages = der(
            SEQUENCE,
            &usages.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        );
        let mut usages = CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, usages);
        usages.set_criticality(leaf.is_critical);
        of_leaf.custom_extensions.push(usages);
        let key = key();
        let leaf_der = of_leaf.signed_by(&key, &intermediate);
        Self {
            key,
            certificates: vec![
                leaf_der.expect("a certificate").der().to_vec(),
                intermediate_der.expect("a certificate").der().to_vec(),
                root_der.der().to_vec(),
            ],
            issuer: name("Issuer of times"),
        }
    }

    /// PEM of leaf, intermediate and root.
    pub fn pem(&self) -> String {
        let pem = |der: &Vec<u8>| {
            pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, der)
        };
        self.certificates
            .iter()
            .map(|der| pem(der).expect("a certificate"))
            .collect()
    }

    /// By HTTP: right answers to all queries, but for what `change` makes of them.
    /// The path is `/timestamp`, but any other does as well.
    pub fn serve(self, change: impl Fn(&Self, &mut Recipe) + Send + Sync + 'static) -> StandIn {
        StandIn::start(move |asked: &Recorded| {
            let mut recipe = Recipe::of_query(&asked.body);
            change(&self, &mut recipe);
            Answer::new(200).body("application/timestamp-reply", self.answer(&recipe))
        })
    }

    /// DER of a `TimeStampResp`.
    pub fn answer(&self, recipe: &Recipe) -> Vec<u8> {
        let words = recipe.words.as_ref().map_or(Vec::new(), |words| {
            der(SEQUENCE, &[&der(UTF8, &[words.as_bytes()])])
        });
        let status = der(SEQUENCE, &[&der(INTEGER, &[&[recipe.status]]), &words]);
        match recipe.status {
            0 | 1 => der(SEQUENCE, &[&status, &self.token(recipe)]),
            _ => der(SEQUENCE, &[&status]),
        }
    }

    fn token(&self, recipe: &Recipe) -> Vec<u8> {
        let info = info(recipe);
        let content = [
            oid(recipe.content_type),
            der(0xa0, &[&der(OCTETS, &[&info])]),
        ];
        let content = der(SEQUENCE, &[&content[0], &content[1]]);
        let signer = self.signer(recipe, &info);
        let signers = vec![signer.as_slice(); recipe.signers];
        let certificates: Vec<_> = recipe.certificates.iter().map(Vec::as_slice).collect();
        let certificates = match certificates.is_empty() {
            true => Vec::new(),
            false => der(0xa0, &certificates),
        };
        let signed = [
            der(INTEGER, &[&[3]]),
            der(SET, &[&algorithm(recipe.digest)]),
            content,
            certificates,
            der(SET, &signers),
        ];
        let signed = der(
            SEQUENCE,
            &signed.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        );
        der(SEQUENCE, &[&oid(SIGNED_DATA), &der(0xa0, &[&signed])])
    }

    fn signer(&self, recipe: &Recipe, info: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest(info).to_vec();
        let digest = recipe.message_digest.as_ref().unwrap_or(&digest);
        let mut attributes = vec![
            attribute(CONTENT_TYPE, &oid(recipe.attribute_type)),
            attribute(MESSAGE_DIGEST, &der(OCTETS, &[digest])),
        ];
        attributes.extend(self.named(&recipe.certificate));
        let time = recipe.signing_time.as_ref();
        attributes
            .extend(time.map(|time| attribute(SIGNING_TIME, &der(UTC_TIME, &[time.as_bytes()]))));
        attributes.extend(recipe.more.iter().cloned());
        attributes.sort();
        let attributes: Vec<_> = attributes.iter().map(Vec::as_slice).collect();
        let signature = self.key.sign(&der(SET, &attributes)).expect("a signature");
        let signature = match recipe.is_signature_right {
            true => signature,
            false => self.key.sign(b"something else").expect("a signature"),
        };
        let parts = [
            der(INTEGER, &[&[1]]),
            der(SEQUENCE, &[&self.issuer, &der(INTEGER, &[SERIAL])]),
            algorithm(recipe.digest),
            der(0xa0, &attributes),
            algorithm(recipe.algorithm),
            der(OCTETS, &[&signature]),
        ];
        der(
            SEQUENCE,
            &parts.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        )
    }

    fn named(&self, named: &Named) -> Option<Vec<u8>> {
        let hash = Sha256::digest(&self.certificates[0]);
        let with_serial = |serial: &[u8]| {
            let issuer = der(SEQUENCE, &[&der(0xa4, &[&self.issuer])]);
            let serial = der(SEQUENCE, &[&issuer, &der(INTEGER, &[serial])]);
            [der(OCTETS, &[&hash]), serial].concat()
        };
        let id = match named {
            Named::BySha256 => der(OCTETS, &[&hash]),
            Named::Fully => with_serial(SERIAL),
            Named::BySerialOfAnother => with_serial(&[7]),
            Named::Wrongly => der(OCTETS, &[&[7; 32]]),
            Named::BySha1 => der(OCTETS, &[&[7; 20]]),
            Named::Not => return None,
        };
        let id = der(SEQUENCE, &[&der(SEQUENCE, &[&der(SEQUENCE, &[&id])])]);
        Some(match named {
            Named::BySha1 => attribute(BY_SHA1, &id),
            _ => attribute(BY_SHA2, &id),
        })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn info(recipe: &Recipe) -> Vec<u8> {
    let imprint = [algorithm(recipe.hash), der(OCTETS, &[&recipe.imprint])];
    let nonce = recipe.nonce.as_ref();
    let parts = [
        der(INTEGER, &[&[recipe.version]]),
        oid(POLICY),
        der(SEQUENCE, &[&imprint[0], &imprint[1]]),
        der(INTEGER, &[&[1]]),
        der(TIME, &[recipe.time.as_bytes()]),
        nonce.map_or(Vec::new(), |nonce| der(INTEGER, &[nonce])),
    ];
    der(
        SEQUENCE,
        &parts.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    )
}

/// An attribute with one value.
pub fn attribute(id: &[u8], value: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&oid(id), &der(SET, &[value])])
}

fn algorithm(id: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&oid(id)])
}

/// A name of one part, as `rcgen` writes it.
fn name(text: &str) -> Vec<u8> {
    let common_name = oid(&[0x55, 4, 3]);
    let part = der(SEQUENCE, &[&common_name, &der(UTF8, &[text.as_bytes()])]);
    der(SEQUENCE, &[&der(SET, &[&part])])
}

fn oid(id: &[u8]) -> Vec<u8> {
    der(OID, &[id])
}

/// A value of DER.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match content.len() {
        short @ ..0x80 => der.push(short as u8),
        length @ ..0x100 => der.extend([0x81, length as u8]),
        length => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(content);
    der
}
