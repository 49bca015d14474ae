//! `sigstore-kms-pkcs11`: signs with a key in a token, for the signer and for
//! cosign, by sigstore's protocol of plugins (`spec/tokens.md`).
//!
//! A program of its own because the library of a token is loaded at run time,
//! which a static program cannot do. Each call is one process: it reads its
//! arguments, a message on its standard input if it needs one, and answers with
//! one JSON object. The protocol is version `v1` of sigstore v1.10.8
//! `pkg/signature/kms/cliplugin`; URIs, requests and answers are parsed and written by
//! [`signer::pkcs11`], which loads nothing.

mod error;
mod hint;
mod token;

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};
use signer::cli::privileges;
use signer::pkcs11::{
    Operation, Pin, PluginCall, PluginReply, RequestError, SignedInput, TokenKey, TokenKeyKind,
    TokenUriError, Uri,
};
use signer::secret::Secret;

use error::TokenError;
use token::OpenToken;

const PIN: &str = "COSIGN_PKCS11_PIN";
const MODULE: &str = "COSIGN_PKCS11_MODULE_PATH";
/// The most bytes of a file with a PIN.
const MAX_PIN: u64 = 1024;
/// The most bytes of a message that is signed as a whole, by Ed25519.
const MAX_WHOLE: usize = 16 << 20;
/// Bytes of a message that are read at a time: memory does not grow with its length.
const PIECE: usize = 64 * 1024;

const USAGE: &str = "\
sigstore-kms-pkcs11 signs with keys in tokens (PKCS #11). It is called by others:
  signer, for `key = \"pkcs11:token=T;object=K?module-path=/path/of/library.so\"`
  cosign 2.6 and 3, as sigstore-kms-NAME, for `--key NAME://token=T;object=K?…`
The PIN is that of COSIGN_PKCS11_PIN, or of the file that `pin-source` names.
";

#[expect(clippy::print_stderr, reason = "there is no log")]
fn main() -> ExitCode {
    hide_panics();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Before a library is loaded, which may print as it likes.
    let Some(stdout) = own_stdout() else {
        return ExitCode::FAILURE;
    };
    let texts: Vec<_> = arguments.iter().map(|text| text.to_str()).collect();
    let [Some(version), Some(json)] = texts.as_slice() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    // Before the PIN is read.
    if let Err(refused) = privileges::harden() {
        eprintln!("sigstore-kms-pkcs11: {refused}");
    }
    // An error is an answer too: cosign reads its words from standard output and
    // ignores the exit code.
    let answer = answer(version, json).unwrap_or_else(|error| PluginReply::Error(words(&error)));
    let is_good = !matches!(answer, PluginReply::Error(_));
    let mut stdout = std::fs::File::from(stdout);
    let written = writeln!(stdout, "{}", answer.to_json());
    match is_good && written.is_ok() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A panic says where it happened, without its message: that could quote a PIN.
#[expect(clippy::print_stderr, reason = "there is no log")]
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        eprintln!(
            "sigstore-kms-pkcs11: panicked at {}",
            place.unwrap_or_default()
        );
    }));
}

/// Standard output, for the answer alone: a library that prints there would spoil
/// it, so that its words go to standard error.
fn own_stdout() -> Option<std::os::fd::OwnedFd> {
    let stdout = io::stdout().as_fd().try_clone_to_owned().ok()?;
    nix::unistd::dup2_stdout(io::stderr()).ok()?;
    Some(stdout)
}

/// The settings of the environment; an empty variable counts as unset.
struct PluginEnvironment {
    pin: Option<Secret>,
    module: Option<PathBuf>,
}

impl PluginEnvironment {
    fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            pin: variable(PIN).map(|pin| Secret::new(pin.into_vec())),
            module: variable(MODULE).map(PathBuf::from),
        }
    }
}

/// The answer to one call.
fn answer(version: &str, json: &str) -> Result<PluginReply, PluginError> {
    let PluginCall { resource, method } =
        PluginCall::parse(version, json).map_err(PluginError::Request)?;
    match method {
        // These do not speak of a key: no library is loaded.
        Operation::DefaultAlgorithm => Ok(PluginReply::DefaultAlgorithm),
        Operation::SupportedAlgorithms => Ok(PluginReply::SupportedAlgorithms),
        Operation::CreateKey => Err(PluginError::CreateKey),
        Operation::PublicKey | Operation::Sign { .. } | Operation::Verify { .. } => {
            answer_of_key(&resource, method)
        }
    }
}

/// The answer to a call about a key. URI, PIN and library are found before the token is
/// asked.
fn answer_of_key(resource: &str, method: Operation) -> Result<PluginReply, PluginError> {
    let uri = Uri::parse(resource).map_err(PluginError::Uri)?;
    let environment = PluginEnvironment::of_process();
    let pin = pin(&uri, environment.pin)?;
    let module = module(&uri, environment.module)?;
    let mut token = OpenToken::open(&uri, &module)?;
    let key = token.public_key(&uri, pin.as_ref())?;
    match method {
        Operation::Sign { digest } => sign(&mut token, &uri, pin.as_ref(), &key, digest),
        Operation::Verify { digest, signature } => verify(&key, digest, &signature),
        _ => Ok(PluginReply::PublicKey(
            key.to_pem().ok_or(PluginError::Signature)?,
        )),
    }
}

fn sign(
    token: &mut OpenToken,
    uri: &Uri,
    pin: Option<&Secret>,
    key: &TokenKey,
    digest: Option<[u8; 32]>,
) -> Result<PluginReply, PluginError> {
    let message = Owned::read(key, digest, io::stdin().lock())?;
    let raw = match &message {
        Owned::Digest(digest) => token.sign(uri, pin, key.kind(), &key.input(digest)),
        Owned::Whole(message) => token.sign(uri, pin, key.kind(), message),
    };
    let signature = key.signature(&raw?).ok_or(PluginError::Signature)?;
    // Two objects of one name need not belong together (TOK-6).
    match key.accepts(message.borrowed(), &signature) {
        true => Ok(PluginReply::Signature(signature)),
        false => Err(PluginError::Mismatch),
    }
}

fn verify(
    key: &TokenKey,
    digest: Option<[u8; 32]>,
    signature: &[u8],
) -> Result<PluginReply, PluginError> {
    let message = Owned::read(key, digest, io::stdin().lock())?;
    match key.accepts(message.borrowed(), signature) {
        true => Ok(PluginReply::Verified),
        false => Err(PluginError::Refused),
    }
}

/// The PIN of the URI, or else that of the environment.
#[expect(clippy::print_stderr, reason = "there is no log")]
fn pin(uri: &Uri, of_environment: Option<Secret>) -> Result<Option<Secret>, PluginError> {
    match &uri.pin {
        None => Ok(of_environment),
        Some(Pin::Value(pin)) => {
            eprintln!(
                "sigstore-kms-pkcs11: warning: every user of this machine can see the PIN in the \
                 URI while this runs: use `pin-source`, or {PIN}"
            );
            Ok(Some(pin.copy()))
        }
        Some(Pin::File(path)) => read_pin(path).map(Some),
    }
}

/// The bytes of a file without the line break at their end (TOK-5). A password of a
/// key file is tried as it is first; a PIN is shown once, so that it can be tried one
/// way alone.
fn read_pin(path: &Path) -> Result<Secret, PluginError> {
    let cannot = |source| PluginError::PinFile {
        path: path.to_owned(),
        source,
    };
    // The buffer never grows: growing would leave a copy behind that nobody wipes.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MAX_PIN as usize + 1));
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(MAX_PIN + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.len() {
        0 => Err(cannot(io::ErrorKind::UnexpectedEof.into())),
        length if length as u64 > MAX_PIN => Err(cannot(io::ErrorKind::FileTooLarge.into())),
        _ => Ok(Secret::new(line.to_vec())),
    }
}

/// The library of the URI, or else that of the environment (TOK-4). A relative path
/// would depend on the caller's folder; the URI's was refused when it was parsed.
fn module(uri: &Uri, of_environment: Option<PathBuf>) -> Result<PathBuf, PluginError> {
    match (&uri.module_path, of_environment) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(path)) if path.is_absolute() => Ok(path),
        (None, Some(_)) => Err(PluginError::ModulePath),
        (None, None) => Err(PluginError::NoModule),
    }
}

/// The input of a signature, as the key wants it: a SHA-256 digest, or the whole
/// message for Ed25519, which hashes it by itself.
enum Owned {
    Digest([u8; 32]),
    Whole(Vec<u8>),
}

impl Owned {
    /// Takes the digest that was given, or that of `message`. Ed25519 needs the
    /// message, of which a digest that was given must be the digest.
    fn read(
        key: &TokenKey,
        digest: Option<[u8; 32]>,
        message: impl Read,
    ) -> Result<Self, PluginError> {
        match (key.kind(), digest) {
            (TokenKeyKind::Ed25519, digest) => {
                let bytes = whole(message)?;
                let is_of_it = |digest| <[u8; 32]>::from(Sha256::digest(&bytes)) == digest;
                match digest.is_none_or(is_of_it) {
                    true => Ok(Self::Whole(bytes)),
                    false => Err(PluginError::OtherMessage),
                }
            }
            // The message is not waited for (TOK-7): its sender may send none.
            (_, Some(digest)) => Ok(Self::Digest(digest)),
            (_, None) => hashed(message).map(Self::Digest),
        }
    }

    fn borrowed(&self) -> SignedInput<'_> {
        match self {
            Self::Digest(digest) => SignedInput::Digest(digest),
            Self::Whole(bytes) => SignedInput::Whole(bytes),
        }
    }
}

fn whole(message: impl Read) -> Result<Vec<u8>, PluginError> {
    let mut bytes = Vec::new();
    let most = MAX_WHOLE as u64 + 1;
    message
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(PluginError::Read)?;
    match bytes.len() > MAX_WHOLE {
        true => Err(PluginError::TooLong),
        false => Ok(bytes),
    }
}

/// The SHA-256 digest of a message of any length.
fn hashed(mut message: impl Read) -> Result<[u8; 32], PluginError> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; PIECE];
    loop {
        match message.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PluginError::Read(error)),
        }
    }
}

/// Why there is no answer. No message repeats a PIN, or a piece of a URI that could be
/// one (TOK-2).
#[derive(Debug, thiserror::Error)]
enum PluginError {
    #[error(transparent)]
    Request(RequestError),
    #[error(transparent)]
    Uri(TokenUriError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("keys are not made by this program")]
    CreateKey,
    #[error("no library of a token is named")]
    NoModule,
    #[error("the library of the token is named by a relative path")]
    ModulePath,
    #[error("cannot read the PIN from `{path}`")]
    PinFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    #[error("the message has more than {MAX_WHOLE} bytes, which an Ed25519 key cannot sign")]
    TooLong,
    #[error("the digest is not that of the message")]
    OtherMessage,
    #[error("what the token answers is no signature")]
    Signature,
    #[error("the signature of the token is not that of its public key")]
    Mismatch,
    #[error("the signature is not right")]
    Refused,
}

/// An error, its cause and its remedy in one line: the protocol has room for one text.
fn words(error: &PluginError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    match hint::of(error) {
        Some(hint) => format!("{words}; {hint}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(&format!("token=t;object=o?{text}")).unwrap()
    }

    /// TOK-5
    #[test]
    fn the_pin_of_the_uri_comes_before_that_of_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        let environment = || Some(Secret::new(b"environment".to_vec()));
        let found = |text: &str| {
            let pin = pin(&uri(text), environment()).unwrap().unwrap();
            String::from_utf8(pin.expose().to_vec()).unwrap()
        };
        assert_eq!(found(""), "environment");
        assert_eq!(found("pin-value=12%2034"), "12 34");
        for (text, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
            std::fs::write(&path, text).unwrap();
            let source = format!("pin-source={}", path.display());
            assert_eq!(found(&source), expected, "{text:?}");
        }
        assert!(pin(&uri(""), None).unwrap().is_none());
    }

    /// TOK-5
    #[test]
    fn a_file_without_a_pin_is_no_empty_pin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        for text in [&b""[..], b"\n", &[b'x'; 1025]] {
            std::fs::write(&path, text).unwrap();
            assert!(read_pin(&path).is_err());
        }
        assert!(read_pin(folder.path()).is_err());
        assert!(read_pin(Path::new("/nonexistent/pin")).is_err());
    }

    /// TOK-4
    #[test]
    fn the_library_of_the_uri_comes_before_that_of_the_environment() {
        let named = |text: &str, variable: Option<&str>| {
            module(&uri(text), variable.map(PathBuf::from)).map_err(|error| error.to_string())
        };
        let both = named("module-path=/a.so", Some("/b.so"));
        assert_eq!(both, Ok("/a.so".into()));
        assert_eq!(named("", Some("/b.so")), Ok("/b.so".into()));
        assert!(named("", Some("b.so")).is_err());
        assert!(named("", None).is_err());
    }

    fn key(kind: &str) -> TokenKey {
        let ed25519 = "302a300506032b6570032100ce503ce73ca42140f3e70c4f0867732b63d322156fb59921\
                       0f81d3ef2c5ef38a";
        let p256 = "3059301306072a8648ce3d020106082a8648ce3d03010703420004d831046d6a48ce95907f\
                    dd8b9ad63a7120ef09640dfd86d2bb5735c79efedba59f48fb1c8d7544ace73ae9c9370b4ab0\
                    e7d1d62a0b66ab1aa63fc20242636967";
        let der = if kind == "ed25519" { ed25519 } else { p256 };
        TokenKey::from_spki(&hex::decode(der).unwrap()).unwrap()
    }

    /// TOK-6
    #[test]
    fn a_key_that_signs_digests_reads_the_message_only_if_it_must() {
        let digest: [u8; 32] = Sha256::digest(b"a message").into();
        let read = |given, message: &[u8]| match Owned::read(&key("p256"), given, message) {
            Ok(Owned::Digest(digest)) => digest,
            _ => panic!("no digest"),
        };
        assert_eq!(read(None, b"a message"), digest);
        assert_eq!(read(Some(digest), b"another"), digest);
    }

    /// TOK-6
    #[test]
    fn ed25519_signs_the_message_of_the_digest_and_none_that_is_too_long() {
        let digest: [u8; 32] = Sha256::digest(b"a message").into();
        let read = |given, message: &[u8]| match Owned::read(&key("ed25519"), given, message) {
            Ok(Owned::Whole(message)) => Ok(message),
            Ok(Owned::Digest(_)) => panic!("a digest"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(read(Some(digest), b"a message"), Ok(b"a message".to_vec()));
        assert_eq!(read(None, b"a message"), Ok(b"a message".to_vec()));
        let other = read(Some(digest), b"").unwrap_err();
        assert_eq!(other, "the digest is not that of the message");
        assert!(read(None, &vec![0; MAX_WHOLE]).is_ok());
        assert!(
            read(None, &vec![0; MAX_WHOLE + 1])
                .unwrap_err()
                .contains("16777216 bytes")
        );
    }
}
