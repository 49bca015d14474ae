//! cosign's key files: a PEM block that holds JSON that holds an encrypted
//! PKCS#8 key.
//! Implements `spec/keys.md`, sections 1 to 3. The format is that of cosign
//! v2.6.4 `pkg/cosign/keys.go` and go-securesystemslib v0.11.0
//! `encrypted/encrypted.go`. Knows no paths, no source of a password and none of
//! random bytes. The key inside is `local`'s, and a newline behind the password
//! `password`'s.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::{AeadInPlace as _, KeyInit as _, XSalsa20Poly1305};
use pkcs8::der::pem::{LineEnding, encode_string};
use scrypt::{Params, scrypt};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::error::{KeyError, MAX_LENGTH};
use super::local::LocalKey;
use super::pem::{self, NoBlock};
use crate::secret::Secret;

/// cosign 2.0.2 and later write the first, cosign 1 and 2.0.0 the second.
const LABELS: [&str; 2] = [
    "ENCRYPTED SIGSTORE PRIVATE KEY",
    "ENCRYPTED COSIGN PRIVATE KEY",
];
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";
/// scrypt's N, and its base-2 logarithm; r and p. cosign 1 wrote the first, cosign
/// since 2.2 writes the second, and reads all three (KEY-6).
const ACCEPTED: [(u64, u8); 3] = [(32_768, 15), (65_536, 16), (131_072, 17)];
const R: u32 = 8;
const P: u32 = 1;
/// The logarithm of N in the files that cosign writes.
const LOG_N: u8 = 16;
/// The bytes of salt in the files that cosign writes.
const SALT_LENGTH: usize = 32;
/// The memory of scrypt beside its table, which is a few KiB with r = 8 and p = 1; the
/// rest is room for the allocator.
const SCRATCH: usize = 64 * 1024;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;
/// The most characters of a name in the file that a message repeats (KEY-41): a file
/// that is none may have its secret there.
const SHOWN: usize = 64;

/// A key file that has been read and found acceptable, still locked.
pub struct KeyFile {
    /// The base-2 logarithm of scrypt's N.
    log_n: u8,
    salt: Vec<u8>,
    nonce: [u8; NONCE_LENGTH],
    /// The tag, then the encrypted key.
    ciphertext: Vec<u8>,
}

impl KeyFile {
    /// Reads the bytes of a key file. Takes no password and little time, so that a
    /// file that is no key is told before anything is sent (KEY-8). The bytes may
    /// come from anywhere: the length is looked at here again.
    ///
    /// # Errors
    /// On every fault of the file that shows while it is locked.
    pub fn parse(pem: &Secret) -> Result<Self, KeyError> {
        if pem.expose().len() > MAX_LENGTH {
            return Err(KeyError::TooLong);
        }
        // The two that go wrong with keys in variables and in stores of secrets come
        // first: they look like any other fault, and have a remedy of their own
        // (cosign#1051, cosign#4020).
        let block = pem::first_block(pem.expose()).map_err(|reason| match reason {
            _ if has_escaped_line_breaks(pem.expose()) => KeyError::EscapedLineBreaks,
            _ if has_lost_line_breaks(pem.expose()) => KeyError::LostLineBreaks,
            NoBlock::Absent => KeyError::NoPem,
            NoBlock::Unfinished => KeyError::Truncated,
            NoBlock::NotBase64 => KeyError::NotBase64,
        })?;
        if !LABELS.contains(&block.label.as_str()) {
            return Err(KeyError::PemType(shown(&block.label)));
        }
        let written: WrittenKeyFile = serde_json::from_slice(&block.bytes).map_err(json_error)?;
        written.check()
    }

    /// Encrypts a PKCS#8 key in DER, with the parameters of cosign. Takes as
    /// long, and as much memory, as [`unlock`](Self::unlock). `random` is used up:
    /// one nonce for two keys under one password would reveal both.
    ///
    /// # Errors
    /// [`KeyError::PasswordTooLong`], and [`KeyError::Memory`].
    pub(super) fn seal(pkcs8: &[u8], password: &Secret, random: Random) -> Result<Self, KeyError> {
        let Random { salt, nonce } = random;
        let mut key = Zeroizing::new(CipherKey::default());
        derive(LOG_N, &salt, password, &mut key)?;
        // The tag comes first, and nothing grows: no plaintext stays anywhere.
        let mut sealed = Zeroizing::new(vec![0; TAG_LENGTH + pkcs8.len()]);
        let (tag, encrypted) = sealed.split_at_mut(TAG_LENGTH);
        encrypted.copy_from_slice(pkcs8);
        let computed = XSalsa20Poly1305::new((&*key).into())
            .encrypt_in_place_detached((&nonce).into(), b"", encrypted)
            .map_err(|_| KeyError::Damaged)?;
        tag.copy_from_slice(&computed);
        Ok(Self {
            log_n: LOG_N,
            salt: salt.to_vec(),
            nonce,
            ciphertext: sealed.to_vec(),
        })
    }

    /// The bytes of the key file: the block that cosign 2.0.2 and later write, with
    /// lines of 64 characters (KEY-51). `None` cannot happen; the encoders have it.
    pub(super) fn to_pem(&self) -> Option<String> {
        let json = serde_json::to_vec(&WrittenKeyFile {
            kdf: WrittenKdf {
                name: KDF.to_owned(),
                params: WrittenParameters {
                    n: 1 << self.log_n,
                    r: R.into(),
                    p: P.into(),
                },
                salt: STANDARD.encode(&self.salt),
            },
            cipher: WrittenCipher {
                name: CIPHER.to_owned(),
                nonce: STANDARD.encode(self.nonce),
            },
            ciphertext: STANDARD.encode(&self.ciphertext),
        });
        let [label, _] = LABELS;
        encode_string(label, LineEnding::LF, &json.ok()?).ok()
    }

    /// Decrypts the key with exactly these bytes (KEY-10). Takes a tenth of a second
    /// or more and up to 128 MiB of memory, so not on an async thread. May be called
    /// again, with another password.
    ///
    /// # Errors
    /// [`KeyError::Locked`] on a wrong password, which cannot be told from a
    /// changed ciphertext; [`KeyError::Memory`]; others on a decrypted key of an
    /// unsupported kind.
    pub fn unlock(&self, password: &Secret) -> Result<LocalKey, KeyError> {
        let mut key = Zeroizing::new(CipherKey::default());
        derive(self.log_n, &self.salt, password, &mut key)?;
        // `parse` has seen that the tag is there.
        let (tag, encrypted) = self
            .ciphertext
            .split_at_checked(TAG_LENGTH)
            .ok_or(KeyError::CiphertextLength(self.ciphertext.len()))?;
        // Decrypted in place: the only plaintext lies in this buffer, and is wiped.
        let mut pkcs8 = Zeroizing::new(encrypted.to_vec());
        XSalsa20Poly1305::new((&*key).into())
            .decrypt_in_place_detached((&self.nonce).into(), b"", &mut pkcs8, tag.into())
            .map_err(|_| KeyError::Locked)?;
        LocalKey::from_pkcs8(&pkcs8)
    }
}

/// The random bytes of a key file, which no other file may share.
#[derive(Default)]
pub(super) struct Random {
    pub(super) salt: [u8; SALT_LENGTH],
    pub(super) nonce: [u8; NONCE_LENGTH],
}

type CipherKey = [u8; XSalsa20Poly1305::KEY_SIZE];

/// Fills in the key that the password gives. `log_n` is one of [`ACCEPTED`], by which
/// `has_memory` cannot overflow.
fn derive(log_n: u8, salt: &[u8], password: &Secret, key: &mut CipherKey) -> Result<(), KeyError> {
    if password.expose().len() > MAX_LENGTH {
        return Err(KeyError::PasswordTooLong);
    }
    if !has_memory(log_n) {
        return Err(KeyError::Memory);
    }
    let parameters = Params::new(log_n, R, P).map_err(|_| KeyError::Damaged)?;
    scrypt(password.expose(), salt, &parameters, key).map_err(|_| KeyError::Damaged)
}

/// Whether the line breaks of the key are written `\n`, as a variable or a JSON
/// string holds them.
fn has_escaped_line_breaks(pem: &[u8]) -> bool {
    let breaks: [&[u8]; 2] = [br"-----\n", br"-----\r"];
    pem.windows(7).any(|bytes| breaks.contains(&bytes))
}

/// Whether a block is all in one line, as a store of secrets may leave it.
fn has_lost_line_breaks(pem: &[u8]) -> bool {
    let line = pem.trim_ascii();
    line.starts_with(b"-----BEGIN ") && line.ends_with(b"-----") && !line.contains(&b'\n')
}

/// Whether the system grants scrypt's memory. Otherwise the crate would end the
/// process, without an exit code of the phase (`spec/decisions/0012`). The memory is
/// given back before scrypt takes it: another program may get it in between.
fn has_memory(log_n: u8) -> bool {
    let table = (128 * R as usize) << log_n;
    Vec::<u8>::new().try_reserve_exact(table + SCRATCH).is_ok()
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile(scrypt N=2^{})", self.log_n)
    }
}

/// The JSON as it stands (KEY-4). Unknown fields are ignored, as cosign does; absent
/// ones are empty and fail in [`WrittenKeyFile::check`]. The fields stand in the order
/// in which cosign writes them, and in which they are written here (KEY-51).
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct WrittenKeyFile {
    kdf: WrittenKdf,
    cipher: WrittenCipher,
    ciphertext: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct WrittenKdf {
    name: String,
    params: WrittenParameters,
    salt: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct WrittenParameters {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct WrittenCipher {
    name: String,
    nonce: String,
}

impl WrittenKeyFile {
    /// The parameters are looked at before any memory is taken for them (KEY-6). The
    /// salt may have any length, as in cosign (KEY-7).
    fn check(self) -> Result<KeyFile, KeyError> {
        if self.kdf.name != KDF {
            return Err(KeyError::Kdf(shown(&self.kdf.name)));
        }
        if self.cipher.name != CIPHER {
            return Err(KeyError::Cipher(shown(&self.cipher.name)));
        }
        let log_n = self.kdf.params.check()?;
        let nonce = base64("cipher.nonce", &self.cipher.nonce)?;
        let nonce = nonce
            .try_into()
            .map_err(|nonce: Vec<u8>| KeyError::NonceLength(nonce.len()))?;
        let ciphertext = base64("ciphertext", &self.ciphertext)?;
        if ciphertext.len() < TAG_LENGTH {
            return Err(KeyError::CiphertextLength(ciphertext.len()));
        }
        Ok(KeyFile {
            log_n,
            salt: base64("kdf.salt", &self.kdf.salt)?,
            nonce,
            ciphertext,
        })
    }
}

impl WrittenParameters {
    /// Only the sets that cosign accepts. Others could ask for memory that
    /// cannot be had (go-securesystemslib `CheckParams` refuses them for the
    /// same reason).
    fn check(&self) -> Result<u8, KeyError> {
        let refused = KeyError::ScryptParameters {
            n: self.n,
            r: self.r,
            p: self.p,
        };
        let accepted = ACCEPTED.iter().find(|(n, _)| *n == self.n);
        match accepted {
            Some((_, log_n)) if (self.r, self.p) == (u64::from(R), u64::from(P)) => Ok(*log_n),
            _ => Err(refused),
        }
    }
}

/// The position of the error, without serde's text, which may quote the file.
fn json_error(error: serde_json::Error) -> KeyError {
    match error.classify() {
        Category::Eof => KeyError::JsonTruncated,
        _ => KeyError::Json {
            line: error.line(),
            column: error.column(),
        },
    }
}

fn base64(field: &'static str, text: &str) -> Result<Vec<u8>, KeyError> {
    STANDARD.decode(text).map_err(|_| KeyError::Field(field))
}

/// A name that stands in the file, fit to print: cut, its control characters escaped.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    cut.escape_debug().to_string()
}
