//! The credential for each registry.
//!
//! The order is that of buildpacks/lifecycle v0.21 `auth/keychain.go`:
//! `CNB_REGISTRY_AUTH`, then docker's configuration as docker's own client and
//! go-containerregistry `pkg/authn` read it (`DOCKER_AUTH_CONFIG`, credential
//! helpers, `auths`; podman's `auth.json` has the same form), then the identity
//! of the place in the cloud that the registry belongs to. The first that has a
//! credential for the registry wins; with none, requests are anonymous.
//!
//! The environment and the files are read elsewhere, before privileges are
//! dropped. May run a credential helper, and ask a cloud for its registry alone.

mod ambient;
mod credential;
mod docker;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod helper;
mod json;
mod lacking;
mod scope;
mod source;
mod unusable;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use docker::{DockerConfig, HelperKind};
use json::{SecretText, read_json};
use scope::{Scope, Scoped};

pub use ambient::{Ambient, Identities};
pub use credential::{Credential, IdentityProof};
pub use docker::{ConfigCandidate, ConfigLocations, DockerConfigFile, Located, Naming};
pub use error::CredentialsError;
pub use lacking::{LackingReason, LackingSource};
pub use source::{Cloud, MAX_LENGTH, Source};
pub use unusable::Unusable;

use crate::child;
use crate::http::{Client, printable};
use crate::oci::Repository;
use crate::secret::{Secret, Secrets};

/// The platform's configuration of credentials, as plain values. Empty text
/// counts as not given.
#[derive(Debug, Default)]
pub struct Sources {
    /// `CNB_REGISTRY_AUTH`: a JSON object from registry to `Authorization` header.
    pub cnb_registry_auth: Option<Secret>,
    /// `DOCKER_AUTH_CONFIG`: JSON in the form of docker's `config.json`; only
    /// its `auths` count, as with docker.
    pub docker_auth_config: Option<Secret>,
    /// Docker's `config.json` or podman's `auth.json`.
    pub docker_config: Located,
    /// `PATH`: where credential helpers are looked for. Relative folders in it
    /// are left out.
    pub helper_path: Option<OsString>,
    /// The identities of the place.
    pub ambient: Ambient,
}

/// The credentials of all registries.
#[derive(Debug)]
pub struct Credentials {
    cnb: Scoped<SecretText>,
    docker_auth_config: Option<DockerConfig>,
    docker_config: Option<(PathBuf, DockerConfig)>,
    /// Files whose credentials cannot be read. One that is there fails a run
    /// only once a registry wants a credential that no other source has
    /// (SIG-70).
    unusable: Vec<(PathBuf, Unusable)>,
    /// Whether `CNB_REGISTRY_AUTH` is set, for the list of sources: set without
    /// an entry is not the same as not set.
    cnb_given: bool,
    helper_path: OsString,
    ambient: Ambient,
}

impl Credentials {
    /// Reads the sources. Runs nothing.
    ///
    /// # Errors
    /// On a source that is too long or not the JSON that it should be. A
    /// single entry that makes no sense is an error only when its registry is
    /// asked for.
    pub fn parse(sources: Sources) -> Result<Self, CredentialsError> {
        let cnb_given = sources.cnb_registry_auth.is_some();
        let cnb: BTreeMap<String, SecretText> = match &sources.cnb_registry_auth {
            Some(text) => read_json(text, &Source::CnbRegistryAuth)?,
            None => BTreeMap::new(),
        };
        let docker_auth_config = sources
            .docker_auth_config
            .map(|text| DockerConfig::parse(&text, &Source::DockerAuthConfig))
            .transpose()?;
        let Located { file, unusable } = sources.docker_config;
        let docker_config = file
            .map(|file| {
                let source = Source::DockerConfig(file.path.clone());
                let config = DockerConfig::parse(&file.bytes, &source)?;
                Ok((file.path, config))
            })
            .transpose()?;
        Ok(Self {
            cnb: Scoped::new(cnb, Scope::of_host),
            docker_auth_config,
            docker_config,
            unusable,
            cnb_given,
            helper_path: sources.helper_path.unwrap_or_default(),
            ambient: sources.ambient,
        })
    }

    /// The credential for `repository`. May run a credential helper, for at
    /// most ten seconds; asking again runs it again. May ask the cloud that the
    /// registry belongs to, once for the whole run.
    ///
    /// # Errors
    /// On an entry for this repository that makes no sense, on a helper that
    /// fails, on a cloud that cannot be reached, and, if no other source has a
    /// credential, on a file that exists, cannot be used, and might have had one.
    pub async fn for_repository(
        &self,
        repository: &Repository,
        client: &Client,
    ) -> Result<Credential, CredentialsError> {
        let found = match self.find(repository).await? {
            Some(found) => Some(found),
            None => self.ask_cloud(repository, client).await?,
        };
        if let Some(mut found) = found {
            let lacking = self.lacking(repository).into_iter();
            // Only the sources that were looked at before it.
            let before = |lacking: &LackingSource| Some(&lacking.source) != found.source.as_ref();
            found.lacking = lacking.take_while(before).collect();
            return Ok(found);
        }
        let mut unusable = self.unusable.iter();
        if let Some((path, reason)) = unusable.find(|(_, reason)| reason.is_there()) {
            return Err(CredentialsError::Unusable {
                path: path.clone(),
                reason: reason.clone(),
            });
        }
        Ok(self.anonymous(repository))
    }

    /// The anonymous credential, with the sources that have none.
    pub fn anonymous(&self, repository: &Repository) -> Credential {
        Credential {
            identity: IdentityProof::Anonymous,
            source: None,
            entry: None,
            lacking: self.lacking(repository),
        }
    }

    async fn ask_cloud(
        &self,
        repository: &Repository,
        client: &Client,
    ) -> Result<Option<Credential>, CredentialsError> {
        let asked = self.ambient.ask(repository.registry(), client).await;
        let found = asked.map_err(|(cloud, source)| CredentialsError::Cloud {
            source_of: Source::Ambient(cloud),
            source,
        })?;
        Ok(found.map(|(cloud, proof)| Credential::of(proof, Source::Ambient(cloud), None)))
    }

    async fn find(&self, repository: &Repository) -> Result<Option<Credential>, CredentialsError> {
        // An entry that makes no sense is an error, and never the next source:
        // that would be another identity.
        if let Some((key, header)) = self.cnb.find(repository).next() {
            return from_header(key, header).map(Some);
        }
        if let Some(config) = &self.docker_auth_config
            && let Some(found) = config.credential(repository, Source::DockerAuthConfig)?
        {
            return Ok(Some(found));
        }
        let Some((path, config)) = &self.docker_config else {
            return Ok(None);
        };
        // Before `auths`, as docker does, which leaves empty entries there for
        // what a helper keeps.
        if let Some(found) = self.ask_helper(path, config, repository).await? {
            return Ok(Some(found));
        }
        config.credential(repository, Source::DockerConfig(path.clone()))
    }

    /// Hides every credential of these sources that a host may repeat, from the
    /// first answer on: a host may know it from an earlier run. Helpers are not
    /// asked for theirs.
    pub fn remember(&self, secrets: &Secrets) {
        for (key, header) in self.cnb.iter() {
            if let Ok(credential) = from_header(key, header) {
                credential.identity.remember(secrets);
            }
        }
        if let Some(config) = &self.docker_auth_config {
            config.remember(&Source::DockerAuthConfig, secrets);
        }
        if let Some((path, config)) = &self.docker_config {
            config.remember(&Source::DockerConfig(path.clone()), secrets);
        }
    }

    /// Whether there may be a credential for `repository`. Runs and asks nothing.
    pub fn may_know(&self, repository: &Repository) -> bool {
        let names = |config: &DockerConfig, source: Source| {
            config.helper(repository).is_some()
                || !matches!(config.credential(repository, source), Ok(None))
        };
        let variable = self.docker_auth_config.as_ref();
        let file = self.docker_config.as_ref();
        self.cnb.find(repository).next().is_some()
            || variable.is_some_and(|config| names(config, Source::DockerAuthConfig))
            || file.is_some_and(|(path, config)| names(config, Source::DockerConfig(path.clone())))
            || self.unusable.iter().any(|(_, reason)| reason.is_there())
            || self.ambient.may_know(repository.registry())
    }

    /// Asks the helper that is configured for this registry, if one is. A
    /// helper for all registries that is not installed is passed over: the file
    /// was made for another machine, and the registry may need no credential.
    async fn ask_helper(
        &self,
        config_path: &Path,
        config: &DockerConfig,
        repository: &Repository,
    ) -> Result<Option<Credential>, CredentialsError> {
        let Some((kind, name)) = config.helper(repository) else {
            return Ok(None);
        };
        let program = helper::program(name, config_path)?;
        let source = Source::Helper {
            program: program.clone(),
            config: config_path.to_owned(),
        };
        let Some(file) = child::find(&program, &self.helper_path) else {
            if let HelperKind::ForRegistry = kind {
                return Err(CredentialsError::HelperMissing(source));
            }
            return Ok(None);
        };
        // Helpers know a whole registry, whatever path the key had.
        let server = scope::server(repository.registry());
        let identity = helper::ask(&file, server, &source).await?;
        Ok(identity.map(|identity| Credential::of(identity, source, None)))
    }

    /// All sources in their order, as if none had a credential for
    /// `repository`. Runs no helper. The list is a part of each refusal
    /// (SIG-72).
    fn lacking(&self, repository: &Repository) -> Vec<LackingSource> {
        let no_entry = || LackingReason::NoEntry(repository.registry().clone());
        let of_variable = |source, is_set| LackingSource {
            source,
            reason: if is_set {
                no_entry()
            } else {
                LackingReason::NotSet
            },
        };
        let mut lacking = vec![
            of_variable(Source::CnbRegistryAuth, self.cnb_given),
            of_variable(Source::DockerAuthConfig, self.docker_auth_config.is_some()),
        ];
        lacking.extend(self.unusable.iter().map(|(path, reason)| LackingSource {
            source: Source::DockerConfig(path.clone()),
            reason: LackingReason::Unusable(reason.clone()),
        }));
        if let Some((path, config)) = &self.docker_config {
            let helper = config.helper(repository);
            let program = helper.and_then(|(_, name)| helper::program(name, path).ok());
            lacking.extend(program.map(|program| LackingSource {
                reason: match child::find(&program, &self.helper_path) {
                    Some(_) => no_entry(),
                    None => LackingReason::NotInstalled,
                },
                source: Source::Helper {
                    program,
                    config: path.clone(),
                },
            }));
            lacking.push(LackingSource {
                source: Source::DockerConfig(path.clone()),
                reason: no_entry(),
            });
        }
        let cloud = self.ambient.lacking(repository.registry());
        lacking.extend(cloud.map(|(cloud, reason)| LackingSource {
            source: Source::Ambient(cloud),
            reason,
        }));
        lacking
    }
}

/// The three headers of the lifecycle (`auth/keychain.go`): `Basic`, `Bearer` and
/// `X-Identity`, in any case.
fn from_header(registry: &str, header: &SecretText) -> Result<Credential, CredentialsError> {
    let source = Source::CnbRegistryAuth;
    let unknown = || CredentialsError::UnknownHeader(printable(registry));
    let text = header.0.expose_str().ok_or_else(unknown)?.trim_ascii();
    let (scheme, value) = text.split_once(' ').ok_or_else(unknown)?;
    let value = Secret::new(value.trim_ascii().as_bytes().to_vec());
    let identity = match scheme.to_ascii_lowercase().as_str() {
        "basic" => docker::basic(&value, registry, &source)?,
        "bearer" => IdentityProof::Bearer(docker::token(&value, registry, &source)?),
        "x-identity" => IdentityProof::refresh_token(docker::token(&value, registry, &source)?),
        _ => return Err(unknown()),
    };
    let entry = Some(printable(registry));
    Ok(Credential::of(identity, source, entry))
}

#[cfg(test)]
mod tests;
