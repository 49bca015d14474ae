//! Docker's `config.json` and podman's `auth.json`.
//!
//! Follows docker/cli v29 `cli/config/configfile` and containers-auth.json(5):
//! keys may be narrower than a registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credential::{Credential, IdentityProof};
use super::error::CredentialsError;
use super::json::{SecretText, read_json};
use super::scope::{Scope, Scoped};
use super::source::{MAX_LENGTH, Source};
use super::unusable::{CONFIG_NAME, Unusable};
use crate::http::printable;
use crate::oci::Repository;
use crate::secret::{Secret, Secrets};

/// Padded or not: docker pads, people do not always.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A configuration file's bytes, read before privileges are dropped (SIG-16).
#[derive(Debug)]
pub struct DockerConfigFile {
    pub path: PathBuf,
    pub bytes: Secret,
}

/// The environment variables that say where the file is. Empty ones count as
/// not set.
#[derive(Clone, Debug, Default)]
pub struct ConfigLocations {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder to use in place of `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
}

/// A path where the file may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCandidate {
    pub path: PathBuf,
    pub naming: Naming,
}

/// How the path of the file became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// A variable that has no other purpose.
    Variable,
    /// Custom: a platform sets `HOME` for other reasons than ours, and it may
    /// be no folder, or one that we may not enter.
    Custom,
}

/// The file that was found, if any.
#[derive(Debug, Default)]
pub struct Located {
    pub file: Option<DockerConfigFile>,
    /// The files that were passed over, and why.
    pub unusable: Vec<(PathBuf, Unusable)>,
}

impl ConfigLocations {
    /// Where the file may be; the first one that is a file counts
    /// (go-containerregistry `pkg/authn/keychain.go`).
    pub fn candidates(&self) -> Vec<ConfigCandidate> {
        fn set(path: &Option<PathBuf>) -> Option<&Path> {
            path.as_deref().filter(|path| !path.as_os_str().is_empty())
        }
        let named = |path: PathBuf| ConfigCandidate {
            path,
            naming: Naming::Variable,
        };
        let custom = |path: PathBuf| ConfigCandidate {
            path,
            naming: Naming::Custom,
        };
        let home = set(&self.home);
        // `DOCKER_CONFIG` replaces the folder of `HOME`, as with docker.
        let docker = match set(&self.docker_config) {
            Some(folder) => Some(named(folder.join(CONFIG_NAME))),
            None => home.map(|home| custom(home.join(".docker").join(CONFIG_NAME))),
        };
        let config_home = match set(&self.xdg_config_home) {
            Some(folder) => Some(folder.to_owned()),
            None => home.map(|home| home.join(".config")),
        };
        let runtime = set(&self.xdg_runtime_dir);
        [
            docker,
            set(&self.registry_auth_file).map(|path| named(path.to_owned())),
            runtime.map(|folder| custom(folder.join("containers/auth.json"))),
            config_home.map(|folder| custom(folder.join("containers/auth.json"))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Located {
    /// Reads the first of `candidates` that is a readable file.
    ///
    /// # Errors
    /// On a file of more than [`MAX_LENGTH`] bytes, and on one that a variable
    /// names and that cannot be read, unless it is just not there.
    pub fn first_of(candidates: &[ConfigCandidate]) -> Result<Self, CredentialsError> {
        let mut located = Self::default();
        // Without any variable there is nowhere to look; a denial then says so.
        if candidates.is_empty() {
            let path = PathBuf::from("~/.docker/config.json");
            located.unusable.push((path, Unusable::NoHome));
        }
        for ConfigCandidate { path, naming } in candidates {
            let reason = match read(path) {
                Ok(bytes) if bytes.expose().len() > MAX_LENGTH => {
                    return Err(CredentialsError::TooLong(Source::DockerConfig(
                        path.clone(),
                    )));
                }
                Ok(bytes) => {
                    let path = path.clone();
                    located.file = Some(DockerConfigFile { path, bytes });
                    break;
                }
                Err(reason) => reason,
            };
            match (naming, &reason) {
                (Naming::Custom, _)
                | (_, Unusable::Absent | Unusable::Dangling | Unusable::OtherName(_)) => {}
                // Going on would be another identity, or none (SIG-70).
                (Naming::Variable, _) => {
                    let path = path.clone();
                    return Err(CredentialsError::Unusable { path, reason });
                }
            }
            if (*naming, &reason) != (Naming::Custom, &Unusable::Absent) {
                tracing::debug!("passed over `{}`: {reason}", path.display());
            }
            located.unusable.push((path.clone(), reason));
        }
        Ok(located)
    }
}

/// Reads at most one byte more than the limit, into a buffer that does not
/// grow. The buffer is wiped; one that grew would leave copies behind. A pipe
/// is not opened: it would wait for its writer.
fn read(path: &Path) -> Result<Secret, Unusable> {
    let metadata = std::fs::metadata(path).map_err(|error| Unusable::of_path(path, &error))?;
    if metadata.is_dir() {
        return Err(Unusable::Folder);
    }
    if !metadata.is_file() {
        return Err(Unusable::NoFile);
    }
    let most = usize::try_from(metadata.len()).map_or(MAX_LENGTH, |length| length.min(MAX_LENGTH));
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    File::open(path)
        .and_then(|file| file.take(MAX_LENGTH as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Unusable::Unreadable(error.to_string()))?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// The members of the file about credentials.
#[derive(Debug)]
pub(super) struct DockerConfig {
    auths: Scoped<Option<AuthEntry>>,
    helpers: Scoped<String>,
    store: Option<String>,
}

/// The registries that a helper is configured for.
pub(super) enum HelperKind {
    /// `credHelpers`.
    ForRegistry,
    /// `credsStore`.
    ForAll,
}

/// Other members are ignored.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WrittenDockerConfig {
    auths: Option<BTreeMap<String, Option<AuthEntry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    /// Base64 of `user:password`.
    auth: Option<SecretText>,
    username: Option<SecretText>,
    password: Option<SecretText>,
    /// For a token service, in place of a password.
    identitytoken: Option<SecretText>,
    /// For the registry itself.
    registrytoken: Option<SecretText>,
}

impl DockerConfig {
    pub(super) fn parse(text: &Secret, source: &Source) -> Result<Self, CredentialsError> {
        let written: WrittenDockerConfig = read_json(text, source)?;
        let auths = written.auths.unwrap_or_default();
        let helpers = written.cred_helpers.unwrap_or_default();
        Ok(Self {
            auths: Scoped::new(auths, Scope::of_path),
            helpers: Scoped::new(helpers, Scope::of_path),
            store: written.creds_store.filter(|name| !name.is_empty()),
        })
    }

    /// The credential of `auths`. An empty entry counts as none: docker leaves
    /// those behind when a helper keeps the secret.
    pub(super) fn credential(
        &self,
        repository: &Repository,
        source: Source,
    ) -> Result<Option<Credential>, CredentialsError> {
        for (key, entry) in self.auths.find(repository) {
            let Some(entry) = entry else { continue };
            if let Some(identity) = entry.identity(key, &source)? {
                let entry = Some(printable(key));
                return Ok(Some(Credential::of(identity, source, entry)));
            }
        }
        Ok(None)
    }

    /// Hides every value of `auths` that a host may repeat.
    pub(super) fn remember(&self, source: &Source, secrets: &Secrets) {
        for (key, entry) in self.auths.iter() {
            let identity = entry.as_ref().map(|entry| entry.identity(key, source));
            if let Some(Ok(Some(identity))) = identity {
                identity.remember(secrets);
            }
        }
    }

    /// The helper to ask. It goes before `auths`, as with docker.
    pub(super) fn helper(&self, repository: &Repository) -> Option<(HelperKind, &str)> {
        let own = self.helpers.find(repository).next();
        match own {
            // An empty name switches `credsStore` off for this registry.
            Some((_, name)) if name.is_empty() => None,
            Some((_, name)) => Some((HelperKind::ForRegistry, name)),
            None => Some((HelperKind::ForAll, self.store.as_deref()?)),
        }
    }
}

impl AuthEntry {
    /// The order of go-containerregistry's transport: registry token, identity
    /// token, and beside or without it user and password.
    fn identity(
        &self,
        key: &str,
        source: &Source,
    ) -> Result<Option<IdentityProof>, CredentialsError> {
        if let Some(secret) = given(&self.registrytoken) {
            return Ok(Some(IdentityProof::Bearer(token(&secret, key, source)?)));
        }
        if let Some(secret) = given(&self.identitytoken) {
            let login = self.login(key, source)?;
            return Ok(Some(IdentityProof::RefreshToken {
                token: token(&secret, key, source)?,
                otherwise: Box::new(login.unwrap_or(IdentityProof::Anonymous)),
            }));
        }
        self.login(key, source)
    }

    /// User and password; `auth` goes before `username`.
    fn login(&self, key: &str, source: &Source) -> Result<Option<IdentityProof>, CredentialsError> {
        if let Some(secret) = given(&self.auth) {
            return basic(&secret, key, source).map(Some);
        }
        let Some(user) = given(&self.username) else {
            return Ok(None);
        };
        Ok(Some(IdentityProof::Basic {
            user: user.expose_str().unwrap_or_default().to_owned(),
            password: given(&self.password).unwrap_or_else(|| Secret::new(Vec::new())),
        }))
    }
}

/// A copy of a member that is not empty.
fn given(text: &Option<SecretText>) -> Option<Secret> {
    let SecretText(secret) = text.as_ref()?;
    (!secret.expose().is_empty()).then(|| copy(secret))
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose().to_vec())
}

/// Base64 of `user:password`, padded or not, in one line or in several as
/// `base64` and YAML fold it. Zero bytes at the end of the password do not
/// count, as with docker.
pub(super) fn basic(
    encoded: &Secret,
    key: &str,
    source: &Source,
) -> Result<IdentityProof, CredentialsError> {
    let refuse = || CredentialsError::NotBasic {
        key: printable(key),
        source_of: source.clone(),
    };
    let bytes = decoded(encoded).ok_or_else(refuse)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refuse())?;
    // A password may have a colon, a user none (RFC 7617).
    let (user, password) = text.split_once(':').ok_or_else(refuse)?;
    if user.is_empty() {
        return Err(refuse());
    }
    Ok(IdentityProof::Basic {
        user: user.to_owned(),
        password: Secret::new(password.trim_matches('\0').as_bytes().to_vec()),
    })
}

/// The bytes of base64 in one line or in several. No copy of them is left behind.
fn decoded(encoded: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(encoded.expose().len()));
    let written = encoded.expose().iter();
    digits.extend(written.filter(|byte| !byte.is_ascii_whitespace()));
    let mut bytes = Zeroizing::new(vec![0; digits.len()]);
    let length = BASE64.decode_slice(&*digits, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// A token that can stand in a header. An odd character would end the header,
/// or be refused when a request is made, without a word of the entry.
pub(super) fn token(text: &Secret, key: &str, source: &Source) -> Result<Secret, CredentialsError> {
    let bytes = text.expose();
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(CredentialsError::NotAToken {
            key: printable(key),
            source_of: source.clone(),
        });
    }
    Ok(copy(text))
}
