//! Why a key cannot be used.

use std::io;

use super::origin::Origin;
use super::remote::FolderError;
use crate::pkcs11;
use crate::service::{ServiceError, Unreadable};

/// The most bytes that a key file or a password may have.
pub const MAX_LENGTH: usize = 64 * 1024;

/// A key that the signer cannot use. No message holds a byte of key or
/// password.
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
    #[error("the key file has the two characters `\\n` where its line breaks should be")]
    EscapedLineBreaks,
    #[error("the key has lost its line breaks")]
    LostLineBreaks,
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
    #[error("the system gives no random bytes")]
    NoRandom,
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
    #[error("the file holds no `{0}` in PEM")]
    NotPublic(&'static str),
}

/// A key that cannot be opened, wherever it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    #[error("the variable `{0}` is empty")]
    EmptyVariable(String),
    #[error(transparent)]
    File(#[from] Unreadable),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A message that could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    #[error("the message changed while it was being signed")]
    MessageChanged,
    #[error("the key cannot sign")]
    Refused,
    #[error("the public half of the key does not accept the signature")]
    Mismatch,
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error(transparent)]
    Folder(Box<FolderError>),
}

/// A URI that names no key. The text is not repeated: it may hold a PIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("it is no `{scheme}` URI: {reason}")]
    Malformed {
        scheme: &'static str,
        reason: &'static str,
        /// How one is written.
        form: &'static str,
    },
    #[error("it is no `pkcs11:` URI")]
    Token(#[source] pkcs11::UriError),
    #[error("it holds the PIN of the token")]
    Pin,
    /// A scheme that is never asked for a key.
    #[error("keys are not read from `{0}`")]
    Scheme(String),
    #[error("`{0}` is no scheme of a key")]
    Plugin(String),
}
