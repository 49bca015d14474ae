//! Why a key cannot be used. Remedies are said by `cli/hint` alone, which knows
//! flags and variables; they follow from these variants.

use std::io;
use std::path::PathBuf;

use super::origin::PasswordOrigin;
use crate::pkcs11;
use crate::service::{ServiceError, Unreadable};
use crate::words::Count;

/// The most bytes that a key file or a password may have (KEY-1, KEY-11), and a file
/// with a public half or a signature. A P-256 key file of cosign's has 653.
pub const MAX_LENGTH: usize = 64 * 1024;

/// A key that the signer cannot use. No message holds a byte of key or
/// password (KEY-41).
#[derive(thiserror::Error, PartialEq, Eq)]
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
    /// The words are cosign's own, by which people search. The label is cut and
    /// escaped.
    #[error("unsupported pem type `{0}`")]
    PemType(String),
    #[error("the JSON in the PEM block ends too early")]
    JsonTruncated,
    #[error("the JSON in the PEM block cannot be read, at line {line}, column {column} of it")]
    /// Counted in the JSON, not in the file that holds it in base64.
    Json { line: usize, column: usize },
    #[error("`{0}` in the key file is not base64")]
    /// A member of the JSON, as `cipher.nonce`.
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
    /// Told before scrypt takes its memory: the crate would end the process.
    #[error("there is not enough memory to unlock the key")]
    Memory,
    #[error("the system gives no random bytes")]
    NoRandom,
    /// The tag does not match, which has both reasons (KEY-10). It is said of one
    /// try; the error of all tries names the password's origin.
    #[error("wrong password or damaged key")]
    Locked,
    #[error("wrong password or damaged key; the password was {0}")]
    WrongPassword(PasswordOrigin),
    #[error("the decrypted key is not PKCS#8")]
    NotPkcs8,
    /// By its OID.
    #[error("unsupported key type `{0}`")]
    KeyType(String),
    #[error("unknown elliptic curve `{0}`")]
    Curve(String),
    #[error("unsupported RSA key of {0} bits")]
    RsaSize(usize),
    #[error("the decrypted key is damaged")]
    Damaged,
    /// The label that was looked for.
    #[error("the file holds no `{0}` in PEM")]
    NotPublic(&'static str),
    /// The same.
    #[error("the file of the public half has more than {MAX_LENGTH} bytes")]
    PublicTooLong(&'static str),
    /// It is none of its kind: its point is not on the curve, or is one by which
    /// anybody's signatures are accepted.
    #[error("the public half of the key is damaged")]
    PublicHalf,
    /// By its name for cosign's flag.
    #[error("its service binds the key to {0}, by which no key of this kind is verified")]
    Hash(&'static str),
}

debug_as_display!(KeyError);

/// A key that cannot be opened, wherever it is.
#[derive(thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Told from an empty one: a job that was given no secret has the one or the
    /// other, and looks for it elsewhere (KEY-110).
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    #[error("the variable `{0}` is empty")]
    EmptyVariable(String),
    #[error(transparent)]
    File(#[from] Unreadable),
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A bug of the signer: the thread that was to open it has panicked.
    #[error("opening the key ended unexpectedly")]
    Crashed,
}

debug_as_display!(OpenError);

/// A message that could not be signed.
#[derive(thiserror::Error)]
pub enum SignError {
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    #[error("the message changed while it was being signed")]
    MessageChanged,
    /// The key signs nothing of this form, or not here.
    #[error("the key cannot sign")]
    Refused,
    /// A bug of the signer: the thread that was to sign or to verify has panicked.
    #[error("signing ended unexpectedly")]
    Crashed,
    /// The signature is discarded, whoever made it (KEY-36, KEY-114).
    #[error("the public half of the key does not accept the signature")]
    Mismatch,
    /// The same of a key that is not here: its public half came from somebody else,
    /// or the signature is of another message.
    #[error("the public half of the key does not accept the signature that was made elsewhere")]
    MismatchElsewhere,
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error(transparent)]
    Folder(Box<FolderError>),
}

debug_as_display!(SignError);

impl From<ServiceError> for SignError {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

impl From<FolderError> for SignError {
    fn from(error: FolderError) -> Self {
        Self::Folder(Box::new(error))
    }
}

/// A message whose signature is not in its folder (EVD-76, EVD-77). The words of an
/// index are cut and escaped: the folder went through other hands.
#[derive(thiserror::Error)]
pub enum FolderError {
    #[error("there is no `{}`, the signature of {message}{}", path.display(), and(*others))]
    Missing {
        path: PathBuf,
        /// The message's file, or its digest.
        message: String,
        /// How many more are missing.
        others: usize,
    },
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` has more than {MAX_LENGTH} bytes", .0.display())]
    TooLong(PathBuf),
    /// It is a signature of something else, or by something else, or none.
    #[error("`{}` holds no signature of the message by this key: {tried}{}", path.display(), rather(is.as_deref()))]
    NotTheirs {
        path: PathBuf,
        /// The readings of its bytes.
        tried: String,
        /// A signature that it is.
        is: Option<String>,
    },
    #[error("`{}` asks for signatures by the key `{theirs}`, and the public half given here is `{ours}`", index.display())]
    OtherKey {
        index: PathBuf,
        theirs: String,
        ours: String,
    },
    #[error("`{}` was written for `{theirs}`, and the report names `{ours}` now", index.display())]
    OtherImage {
        index: PathBuf,
        theirs: String,
        ours: String,
    },
    #[error(
        "what is to be signed for `{image}` has changed since `{}` was written: the bytes of its \
         {kind} had the sha256 {theirs}, and have {ours} now", index.display()
    )]
    OtherBytes {
        index: PathBuf,
        image: String,
        kind: &'static str,
        theirs: String,
        ours: String,
    },
    #[error("`{}` lists nothing to sign for `{image}`", index.display())]
    NotListed { index: PathBuf, image: String },
}

debug_as_display!(FolderError);

fn and(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", and 1 more signature is missing".to_owned(),
        others => format!(", and {} are missing", Count(others, "more signature")),
    }
}

fn rather(is: Option<&str>) -> String {
    is.map(|is| format!("; it is {is}")).unwrap_or_default()
}

/// A URI that names no key. The text is not repeated: it may hold a PIN.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("it is no `{scheme}` URI: {reason}")]
    Malformed {
        scheme: &'static str,
        reason: &'static str,
        /// How one is written.
        form: &'static str,
    },
    #[error("it is no `pkcs11:` URI")]
    Token(#[source] pkcs11::TokenUriError),
    #[error("it holds the PIN of the token")]
    Pin,
    /// A scheme that is never asked for a key.
    #[error("keys are not read from `{0}`")]
    Scheme(String),
    #[error("`{0}` is no scheme of a key")]
    Plugin(String),
}

debug_as_display!(UriError);
