//! Remedies for keys and passwords (`spec/keys.md`, sections 1 to 8; EVD-70 to 77 for
//! signatures that were made elsewhere). A key file that is refused here cosign refuses,
//! too, so that a remedy is most often one of its commands.

use super::service::of_service;
use super::{Hint, say};
use crate::keys::{
    FolderError, KeyError, KeyPairError, OpenError, PasswordOrigin, SignError, UriError,
};
use crate::pkcs11;

/// The one form of a key file that cosign takes (KEY-3).
const COSIGN_KEYS: &str = "the key must be a file that `cosign generate-key-pair` or \
                           `cosign import-key-pair` wrote";

pub(super) fn of_uri(error: &UriError) -> Hint {
    match error {
        UriError::Malformed { form, .. } => Some(format!("write `{form}`").into()),
        UriError::Token(pkcs11::TokenUriError::Encoding(_) | pkcs11::TokenUriError::NoValue(_)) => {
            say(
                "write `;`, `&`, `?`, `%` and spaces within a value as `%3B`, `%26`, `%3F`, `%25` and \
             `%20`",
            )
        }
        UriError::Token(_) => {
            say("write `pkcs11:token=NAME;object=KEY?module-path=/path/of/library.so`")
        }
        UriError::Pin => say(
            "secrets are not written into this file: write `pin-source` with the path of a file, \
             or set COSIGN_PKCS11_PIN",
        ),
        // Refused although plugins could have these names (KEY-111): a path was meant.
        UriError::Scheme(scheme) if scheme.starts_with("http") || scheme == "file" => {
            say("write the path of a file")
        }
        UriError::Scheme(_) => say("this version does not support it"),
        UriError::Plugin(_) => say(
            "a scheme names a program `sigstore-kms-<scheme>`, and is made of small letters, \
             digits and `-`",
        ),
    }
}

pub(super) fn of_opening(error: &OpenError) -> Hint {
    match error {
        OpenError::Key(error) => of_key(error),
        OpenError::NotSet(name) | OpenError::EmptyVariable(name) => {
            Some(format!("set `{name}` to the content of a key file").into())
        }
        OpenError::File(_) => say("paths in cosign.toml are relative to its folder"),
        OpenError::Service(error) => of_service(error),
        OpenError::Crashed => None,
    }
}

pub(super) fn of_key(error: &KeyError) -> Hint {
    match error {
        KeyError::PemType(label) => say(of_pem_type(label)),
        KeyError::WrongPassword(origin) => of_origin(origin),
        KeyError::TooLong | KeyError::NoPem | KeyError::NotPkcs8 => say(COSIGN_KEYS),
        KeyError::PasswordTooLong | KeyError::Locked | KeyError::NoRandom => None,
        KeyError::Truncated
        | KeyError::NotBase64
        | KeyError::JsonTruncated
        | KeyError::Json { .. }
        | KeyError::Field(_)
        | KeyError::NonceLength(_)
        | KeyError::CiphertextLength(_) => {
            say("the file seems to be cut off or changed: copy it again")
        }
        KeyError::EscapedLineBreaks => say(
            "turn each `\\n` of the file into a line break, as `printf '%b' \"$(cat FILE)\" > NEW` \
                 does",
        ),
        KeyError::LostLineBreaks => say(
            "write the key with the line breaks that its file has: each line of a PEM block is one \
             of its own",
        ),
        KeyError::Kdf(_) | KeyError::Cipher(_) => {
            say("only `scrypt` with `nacl/secretbox` is supported, which is what cosign writes")
        }
        KeyError::ScryptParameters { .. } => {
            say("only N=32768, N=65536 and N=131072 with r=8 and p=1 are supported, as in cosign")
        }
        // 64 MiB for N=65536, 128 MiB for the largest N that is accepted (KEY-6).
        KeyError::Memory => {
            say("give the program 128 MiB or more, for each processor that it may use")
        }
        KeyError::Curve(_) => say("only P-256, P-384 and P-521 are supported, as in cosign"),
        KeyError::RsaSize(_) => {
            say("only RSA keys of 2048, 3072 and 4096 bits are supported, as in cosign")
        }
        KeyError::KeyType(_) => say("only ECDSA, RSA and Ed25519 keys are supported, as in cosign"),
        KeyError::NotPublic("CERTIFICATE") | KeyError::PublicTooLong("CERTIFICATE") => {
            say("`certificate` names a certificate in PEM or DER")
        }
        KeyError::NotPublic(_) | KeyError::PublicTooLong(_) => {
            say("`public-key` names a public key in PEM, as `cosign public-key` prints it")
        }
        KeyError::Damaged => say("make a new key with `cosign generate-key-pair`"),
        KeyError::PublicHalf => say("export the public key again from where the private one is"),
        KeyError::Hash(_) => None,
    }
}

pub(super) const OF_EMPTY_PASSWORD: &str =
    "set COSIGN_PASSWORD to a password and make another pair, if others can read the file";

/// A key pair that could not be made.
pub(super) fn of_key_pair(error: &KeyPairError) -> Hint {
    match error {
        KeyPairError::Exists(_) => {
            say("no key is ever replaced: write another prefix, or move the file away")
        }
        KeyPairError::Write { .. } => {
            say("the folder must exist, have room, and be writable by the user of this process")
        }
        KeyPairError::Seal(error) => of_key(error),
        KeyPairError::NoRandom => None,
    }
}

fn of_pem_type(label: &str) -> &'static str {
    match label {
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
            "turn it into a cosign key with `cosign import-key-pair --key FILE`"
        }
        "ENCRYPTED PRIVATE KEY" => {
            "decrypt it with `openssl pkey -in FILE -out PLAIN`, then turn that into a cosign key with \
             `cosign import-key-pair --key PLAIN`"
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            "this is a public key; signing needs the private one (`cosign.key`, not `cosign.pub`)"
        }
        _ => COSIGN_KEYS,
    }
}

/// A password that does not open the key, by the rule that holds for its source:
/// files are tried once more without one line break, variables are not (KEY-12,
/// KEY-13).
fn of_origin(origin: &PasswordOrigin) -> Hint {
    match origin {
        PasswordOrigin::Empty => {
            say("name a password file in `password`, or set COSIGN_PASSWORD to the password")
        }
        PasswordOrigin::Environment => {
            say("COSIGN_PASSWORD is taken exactly as it is, a newline at its end included")
        }
        PasswordOrigin::Stored(_) => say(
            "the value must be the password of this very key and nothing else, but for one line \
             break at its end",
        ),
        PasswordOrigin::NotStored(name) => {
            Some(format!("keep the password under the name `{name}` beside the key").into())
        }
        PasswordOrigin::EmptyFile(_) => say(
            "write the password into the file; if COSIGN_PASSWORD holds it, leave `password` out",
        ),
        PasswordOrigin::File(_) => say(
            "the file must hold the password of this very key and nothing else, but for one line \
             break at its end",
        ),
    }
}

pub(super) fn of_signing(error: &SignError) -> Hint {
    match error {
        SignError::Mismatch => {
            say("the key file or this machine's memory is damaged; the signature was discarded")
        }
        // KEY-114: most often a program with the public half of another key, or with
        // PSS.
        SignError::MismatchElsewhere => say(
            "compare `public-key` or `certificate` of a `program` with the key that signs; the exact \
             bytes have to be signed, by SHA-256 and, with RSA, by PKCS#1 v1.5",
        ),
        SignError::Service(error) => of_service(error),
        SignError::Folder(error) => of_folder(error),
        SignError::Read(_)
        | SignError::MessageChanged
        | SignError::Refused
        | SignError::Crashed => None,
    }
}

/// A signature that was to be made elsewhere (EVD-76, EVD-77).
fn of_folder(error: &FolderError) -> Hint {
    match error {
        FolderError::Missing { .. } => say(
            "`-generate` writes the messages: let the exact bytes of each be signed, and save the \
             signature under that name",
        ),
        FolderError::NotTheirs { .. } => say(
            "sign the file's bytes as they are, by the `algorithm` of its `index.toml`: for ECDSA \
             and RSA (not PSS), `openssl dgst -sha256 -sign` does that",
        ),
        FolderError::OtherImage { .. }
        | FolderError::OtherBytes { .. }
        | FolderError::NotListed { .. } => say(
            "give the report and the cosign.toml that the messages were generated from, or \
             generate again and let that be signed",
        ),
        FolderError::OtherKey { .. } => {
            say("name the public half of the key that signs, or generate again")
        }
        FolderError::Unreadable { .. } => say(
            "paths in cosign.toml are relative to its folder; the files in `signatures` must be \
             readable by the phase's user",
        ),
        FolderError::TooLong(_) => say("the file must hold one signature and nothing else"),
    }
}
