//! The keys of a plan: their references in `cosign.toml`, resolved, and their files.
//! Nothing is unlocked here, and no service is asked (KEY-8).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{self, CosignConfig, IdentityToken, PublicKeyFile};
use crate::keys::{
    self, Closed, KeyReference, KeyUri, Password, PasswordOrigin, Program, PublicFileName,
    SignatureFolder,
};
use crate::phase::error::PhaseError;
use crate::phase::secret_file::{self, SecretRole};
use crate::phase::signatory::Signatory;
use crate::secret::Secret;
use crate::service::Variables;
use crate::witness::token::ClosedToken;

/// The settings for reading keys, beside `cosign.toml`.
pub struct KeySettings<'a> {
    /// `COSIGN_PASSWORD`
    pub cosign_password: Option<&'a Secret>,
    /// The settings and credentials of key services.
    pub variables: &'a Variables,
}

/// A key that waits to be opened, for one or more signatories. It holds secrets, and
/// wipes them when it is dropped.
pub struct ClosedKey {
    /// At least one.
    pub signatories: Vec<Arc<Signatory>>,
    pub reference: Arc<KeyReference>,
    /// With its password, if a password opens it.
    pub key: Closed,
    /// The identity that an authority is to certify.
    pub token: Option<ClosedToken>,
}

impl ClosedKey {
    /// The first signatory's name, for messages.
    pub fn name(&self) -> &str {
        let first = self.signatories.first();
        first.map_or("", |first| first.name.as_str())
    }
}

/// The key of a config, its paths resolved (CFG-7).
///
/// # Errors
/// On a URI that is none, and on a password for a key that none opens (CFG-8).
pub(super) fn reference(
    config: &CosignConfig,
    entry: &config::Config,
) -> Result<KeyReference, PhaseError> {
    let position = || entry.key_position.clone();
    let reference = match &entry.key {
        config::WrittenKey::File(path) => KeyReference::File(config.resolve(path)),
        config::WrittenKey::Uri(uri) => {
            let uri = KeyUri::parse(uri).map_err(|source| PhaseError::KeyUri {
                position: position(),
                source,
            })?;
            KeyReference::Uri(uri)
        }
        config::WrittenKey::Program { command, public } => KeyReference::Program(Program {
            command: program(config, command),
            public: public_half(config, public),
        }),
        config::WrittenKey::Identity(IdentityToken::File(path)) => {
            KeyReference::Identity(IdentityToken::File(config.resolve(path)))
        }
        config::WrittenKey::Identity(provider) => KeyReference::Identity(provider.clone()),
        config::WrittenKey::Signatures { folder, public } => {
            KeyReference::Signatures(SignatureFolder {
                folder: config.resolve(folder),
                public: public_half(config, public),
            })
        }
    };
    match entry.password {
        Some(_) if !reference.has_password() => Err(PhaseError::NeedlessPassword {
            position: position(),
            key: Arc::new(reference),
        }),
        _ => Ok(reference),
    }
}

fn public_half(config: &CosignConfig, public: &PublicKeyFile) -> PublicFileName {
    match public {
        PublicKeyFile::Key(path) => PublicFileName::Key(config.resolve(path)),
        PublicKeyFile::Certificate(path) => PublicFileName::Certificate(config.resolve(path)),
    }
}

/// A program that is named by a relative path starts at the folder of the
/// config, as other paths do; a mere name is looked for in `PATH`.
fn program(config: &CosignConfig, command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut()
        && program.contains('/')
    {
        *program = config
            .resolve(Path::new(program))
            .to_string_lossy()
            .into_owned();
    }
    command
}

/// Reads the keys, each once with each password: unlocking is the longest computation
/// of a run, and a service is asked once for a key, however many configs name it.
///
/// # Errors
/// On the first key, password or token that cannot be read.
pub(super) fn read_keys(
    signatories: &[Arc<Signatory>],
    config: &CosignConfig,
    settings: &KeySettings<'_>,
    now: Timestamp,
) -> Result<Vec<ClosedKey>, PhaseError> {
    let mut closed: Vec<ClosedKey> = Vec::new();
    let mut known: HashMap<(Arc<KeyReference>, Option<PathBuf>), usize> = HashMap::new();
    for (signatory, entry) in signatories.iter().zip(config.configs()) {
        let password_path = entry.password.as_ref().map(|path| config.resolve(path));
        // Two paths of one file are two keys here; `sign` tells signatures by the
        // fingerprints of keys.
        let identity = (Arc::clone(&signatory.key), password_path.clone());
        if let Some(same) = known
            .get(&identity)
            .and_then(|position| closed.get_mut(*position))
        {
            same.signatories.push(Arc::clone(signatory));
            continue;
        }
        known.insert(identity, closed.len());
        let password = read_password(signatory, password_path, settings)?;
        closed.push(ClosedKey {
            signatories: vec![Arc::clone(signatory)],
            reference: Arc::clone(&signatory.key),
            key: read_key(signatory, password, settings)?,
            token: find_token(signatory, settings, now)?,
        });
    }
    warn_of_readers(&closed);
    Ok(closed)
}

fn read_key(
    signatory: &Signatory,
    password: Password,
    settings: &KeySettings<'_>,
) -> Result<Closed, PhaseError> {
    let closed = match &*signatory.key {
        KeyReference::File(path) => {
            let pem = read_secret(SecretRole::Key, signatory, path, settings)?;
            Closed::of_file(&pem, password).map_err(Into::into)
        }
        elsewhere => keys::find(elsewhere, password, settings.variables),
    };
    closed.map_err(|source| PhaseError::Key {
        signatory: signatory.name.clone(),
        key: Arc::clone(&signatory.key),
        source: Box::new(source),
    })
}

/// The token of a config that names an identity in place of a key.
fn find_token(
    signatory: &Signatory,
    settings: &KeySettings<'_>,
    now: Timestamp,
) -> Result<Option<ClosedToken>, PhaseError> {
    let KeyReference::Identity(source) = &*signatory.key else {
        return Ok(None);
    };
    let token = ClosedToken::find(source, settings.variables, now);
    token.map(Some).map_err(|source| PhaseError::Key {
        signatory: signatory.name.clone(),
        key: Arc::clone(&signatory.key),
        source: Box::new(source.into()),
    })
}

/// Warns of files that others can read (SIG-14): each once, however many signatories
/// share it.
fn warn_of_readers(closed: &[ClosedKey]) {
    let keys = closed.iter().filter_map(|closed| match &*closed.reference {
        KeyReference::File(path) => Some((SecretRole::Key, path)),
        KeyReference::Identity(IdentityToken::File(path)) => Some((SecretRole::Token, path)),
        KeyReference::Uri(_)
        | KeyReference::Program(_)
        | KeyReference::Identity(_)
        | KeyReference::Signatures(_) => None,
    });
    let passwords = closed
        .iter()
        .filter_map(|closed| match &closed.key.password()?.origin {
            PasswordOrigin::File(path) => Some((SecretRole::Password, path)),
            _ => None,
        });
    let mut files = BTreeSet::new();
    files.extend(keys.chain(passwords));
    for (role, path) in files {
        secret_file::warn_of_readers(role, path);
    }
}

/// The password of a key, whether one opens it or not: `password` in `cosign.toml`, or
/// else `COSIGN_PASSWORD`, or else the empty password (SIG-12). A `password` that
/// cannot be read is an error, never a reason to take the next.
fn read_password(
    signatory: &Signatory,
    path: Option<PathBuf>,
    settings: &KeySettings<'_>,
) -> Result<Password, PhaseError> {
    Ok(match (path, settings.cosign_password) {
        (Some(path), _) => Password {
            bytes: read_secret(SecretRole::Password, signatory, &path, settings)?,
            origin: PasswordOrigin::File(path),
        },
        (None, Some(password)) => Password {
            bytes: password.copy(),
            origin: PasswordOrigin::Environment,
        },
        (None, None) => Password::empty(),
    })
}

fn read_secret(
    role: SecretRole,
    signatory: &Signatory,
    path: &Path,
    settings: &KeySettings<'_>,
) -> Result<Secret, PhaseError> {
    let secret = secret_file::read(role, &signatory.name, path, settings.variables.files());
    secret.map_err(PhaseError::SecretFile)
}
