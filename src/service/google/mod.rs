//! The identity that asks at Google Cloud: Application Default Credentials, as
//! Google's own libraries look for them
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>).
//!
//! Implements KEY-94. One identity serves all keys and registries of the run, by
//! one token: the scope is the same for all.

mod federated;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod metadata;
mod scope;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ServiceError, ServiceName, Tried, Trouble};
use super::token::{Token, Tokens};
use super::variables::Variables;
use crate::http::Client;
use crate::secret::Secret;
use file::GoogleCredentials;
use scope::SCOPE;

/// The variable that names a file, and the file that `gcloud` writes.
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const FILE: &str = "application_default_credentials.json";

/// The identity of a run at Google, and its token.
pub struct GoogleIdentity {
    source: GoogleSource,
    /// The project that pays for requests, and whose quota counts, if it is not the
    /// key's.
    quota_project: Option<String>,
    tokens: Tokens,
    variables: Variables,
}

enum GoogleSource {
    File(Box<GoogleCredentials>),
    Metadata {
        host: String,
        /// The places before it, and why they have none.
        tried: Vec<Tried>,
    },
}

impl GoogleIdentity {
    /// The identity of this run. Nothing is sent; the file that holds it is
    /// read.
    ///
    /// # Errors
    /// On a file that cannot be read, or used. Its absence is an error only if
    /// a variable names it.
    pub fn of(variables: &Variables) -> Result<Arc<Self>, ServiceError> {
        variables.shared("", || Self::find(variables).map_err(failed))
    }

    fn find(variables: &Variables) -> Result<Self, Trouble> {
        let source = source(variables)?;
        let own = match &source {
            GoogleSource::File(credentials) => credentials.quota_project.clone(),
            GoogleSource::Metadata { .. } => None,
        };
        Ok(Self {
            source,
            quota_project: variables.text("GOOGLE_CLOUD_QUOTA_PROJECT").or(own),
            tokens: Tokens::default(),
            variables: variables.clone(),
        })
    }

    /// Whether a host is a registry of Google's. The token opens all of the
    /// identity's projects, and is shown to no other host.
    pub fn is_registry(host: &str) -> bool {
        host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev")
    }

    /// The value of `X-Goog-User-Project`, if one belongs there.
    pub fn quota_project(&self) -> Option<&str> {
        self.quota_project.as_deref()
    }

    /// A token for all services, other than the one that was `refused`. Fetched
    /// once for all who ask; may be asked for again.
    ///
    /// # Errors
    /// On an identity that is none, and on a service that gives no token for it.
    pub async fn token(
        &self,
        client: &Client,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, ServiceError> {
        let fetch = async { self.fetch(client).await.map_err(failed) };
        self.tokens.get(SCOPE, refused, fetch).await
    }

    async fn fetch(&self, client: &Client) -> Result<Token, Trouble> {
        match &self.source {
            GoogleSource::File(credentials) => credentials.token(client, &self.variables).await,
            // Most machines are none of Google's: no answer means no credentials,
            // and every place that was looked at is named.
            GoogleSource::Metadata { host, tried } => {
                let token = metadata::token(client, host, &self.variables).await;
                token.map_err(|why| {
                    let mut tried = tried.clone();
                    tried.push(("the metadata server", why));
                    Trouble::NoCredentials { tried }
                })
            }
        }
    }
}

/// The credentials of a file, or the metadata server. A file that the variable
/// names has to be there: another identity would take its place otherwise.
fn source(variables: &Variables) -> Result<GoogleSource, Trouble> {
    let of_file = |bytes: &Secret, path: &Path| {
        let credentials = file::read(bytes, path, variables)?;
        Ok(GoogleSource::File(Box::new(credentials)))
    };
    if let Some(path) = variables.path(VARIABLE) {
        return of_file(&variables.read(&path)?, &path);
    }
    let mut tried = vec![(VARIABLE, "not set".to_owned())];
    match well_known(variables) {
        None => tried.push((FILE, "no HOME".to_owned())),
        Some(path) => match variables.read_if_there(&path)? {
            Some(bytes) => return of_file(&bytes, &path),
            None => tried.push((FILE, "no such file".to_owned())),
        },
    }
    let host = metadata::host(variables);
    Ok(GoogleSource::Metadata { host, tried })
}

/// The path of the file that `gcloud auth application-default login` writes.
fn well_known(variables: &Variables) -> Option<PathBuf> {
    let home = || Some(variables.home()?.join(".config/gcloud"));
    let folder = variables.path("CLOUDSDK_CONFIG").or_else(home)?;
    Some(folder.join(FILE))
}

fn failed(trouble: Trouble) -> ServiceError {
    ServiceName::Google.failed(trouble)
}

#[cfg(test)]
mod tests;
