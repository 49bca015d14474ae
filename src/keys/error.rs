//! Why a key cannot be used, and what the user can do about it.

use super::password::Origin;

/// The most bytes that a key file or a password may have.
pub const MAX_LENGTH: usize = 64 * 1024;

/// A key that cannot be used. No message holds a byte of key or password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("the key file has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the password has more than {MAX_LENGTH} bytes")]
    PasswordTooLong,
    #[error("the key file holds no PEM block")]
    NoPem,
    #[error("the PEM block of the key file has no matching END line")]
    Truncated,
    #[error("the PEM block of the key file is not base64")]
    NotBase64,
    #[error("unsupported pem type `{0}`")]
    PemType(String),
    #[error("the JSON in the PEM block ends too early")]
    JsonTruncated,
    #[error("the JSON in the PEM block cannot be read, at line {line}, column {column} of it")]
    Json { line: usize, column: usize },
    #[error("`{0}` in the key file is not base64")]
    Field(&'static str),
    #[error("unknown kdf name `{0}`")]
    Kdf(String),
    #[error("unknown cipher name `{0}`")]
    Cipher(String),
    #[error("unsupported scrypt parameters N={n}, r={r}, p={p}")]
    ScryptParameters { n: u64, r: u64, p: u64 },
    #[error("the nonce in the key file has {0} bytes, not 24")]
    NonceLength(usize),
    #[error("the ciphertext in the key file has {0} bytes, fewer than its tag alone")]
    CiphertextLength(usize),
    #[error("there is not enough memory to unlock the key")]
    Memory,
    #[error("wrong password or damaged key")]
    Locked,
    #[error("wrong password or damaged key; the password was {0}")]
    WrongPassword(Origin),
    #[error("the decrypted key is not PKCS#8")]
    NotPkcs8,
    #[error("unsupported key type `{0}`")]
    KeyType(String),
    #[error("unknown elliptic curve `{0}`")]
    Curve(String),
    #[error("unsupported RSA key of {0} bits")]
    RsaSize(usize),
    #[error("the decrypted key is damaged")]
    Damaged,
}

const COSIGN_KEYS: &str = "the key must be a file that `cosign generate-key-pair` or \
                           `cosign import-key-pair` wrote";
const COPY_AGAIN: &str = "the file seems to be cut off or changed: copy it again";

impl KeyError {
    /// What the user can do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::PemType(label) => return Some(pem_type_hint(label).to_owned()),
            Self::WrongPassword(origin) => return origin.hint().map(str::to_owned),
            Self::TooLong | Self::NoPem | Self::NotPkcs8 => COSIGN_KEYS,
            Self::PasswordTooLong | Self::Locked => return None,
            Self::Truncated
            | Self::NotBase64
            | Self::JsonTruncated
            | Self::Json { .. }
            | Self::Field(_)
            | Self::NonceLength(_)
            | Self::CiphertextLength(_) => COPY_AGAIN,
            Self::Kdf(_) | Self::Cipher(_) => {
                "only `scrypt` with `nacl/secretbox` is supported, which is what cosign writes"
            }
            Self::ScryptParameters { .. } => {
                "only N=32768, N=65536 and N=131072 with r=8 and p=1 are supported, as in cosign"
            }
            Self::Memory => "give the program 128 MiB or more, for each processor that it may use",
            Self::Curve(_) => "only P-256, P-384 and P-521 are supported, as in cosign",
            Self::RsaSize(_) => {
                "only RSA keys of 2048, 3072 and 4096 bits are supported, as in cosign"
            }
            Self::KeyType(_) => "only ECDSA, RSA and Ed25519 keys are supported, as in cosign",
            Self::Damaged => "make a new key with `cosign generate-key-pair`",
        };
        Some(hint.to_owned())
    }
}

fn pem_type_hint(label: &str) -> &'static str {
    match label {
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
            "turn it into a cosign key with `cosign import-key-pair --key FILE`"
        }
        "ENCRYPTED PRIVATE KEY" => {
            "decrypt it with `openssl pkey`, then turn it into a cosign key with \
             `cosign import-key-pair --key FILE`"
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            "this is a public key; signing needs the private one (`cosign.key`, not `cosign.pub`)"
        }
        _ => COSIGN_KEYS,
    }
}
