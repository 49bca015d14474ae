//! Amazon Web Services: the identity of a run there, and the way in which a
//! service is asked.
//!
//! One [`Aws`] serves a whole run: all keys and registries share its
//! credentials, which are fetched once. Files and variables are read by
//! [`Aws::find`], before anything is sent; requests are signed by `sigv4`.
//!
//! Implements KEY-81 and KEY-85 to KEY-87. Knows the APIs by their names and
//! endpoints; their questions are `keys`' and `ecr`'s.

mod config;
mod credentials;
mod ecr;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod metadata;
mod partition;
mod profiles;
mod sigv4;
mod source;
mod sts;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;
use tokio::sync::Mutex;
use tracing::debug;

use super::error::PROGRAM_TIME;
use super::{AwsApi, Said, ServiceError, ServiceName, Trouble, Variables, json};
use crate::child::{self, Bounds, Words};
use crate::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use crate::http::{Client, HttpError, Method, Redacted, Redirects, Request, Response, Trust};
use crate::oci::Content;
use config::AwsConfig;
use credentials::AwsCredentials;
use fault::AwsFault;
use sigv4::SigningScope;
use source::AwsSource;

pub use config::AwsEndpoint;
pub use ecr::{EcrLogin, EcrRegistry};
pub use partition::Region;
pub use source::SIGNS_IN;

/// AWS accepts a signature for five minutes: one is left for this machine's clock.
const SIGNATURE_LASTS: Duration = Duration::from_secs(4 * 60);
/// How often a request is signed that had to wait for longer. A host that keeps
/// it waiting for longer than all of them is given up.
const SIGNED_AT_MOST: u32 = 3;
/// Of a `credential_process`, whose answer is one small object.
const PROCESS: Bounds = Bounds {
    time: PROGRAM_TIME,
    answer: 64 * 1024,
};
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// AWS as one run sees it.
pub struct Aws {
    config: AwsConfig,
    source: AwsSource,
    /// Locked while credentials are fetched: other requests wait for them.
    held: Mutex<Option<Held>>,
}

/// Credentials, and how often there were others before: a request that finds its
/// own stale says which, so that twelve of them fetch new ones once.
#[derive(Clone)]
struct Held {
    credentials: Arc<AwsCredentials>,
    generation: u64,
}

impl Aws {
    /// The AWS of these variables and their files; the same for all who ask. The
    /// token of a web identity is read here too, and not read again.
    ///
    /// # Errors
    /// On settings that cannot be used, and if no source of credentials is set
    /// up.
    pub fn find(variables: &Variables) -> Result<Arc<Self>, ServiceError> {
        variables.shared("", || {
            let config = AwsConfig::read(variables).map_err(of_credentials)?;
            let source = AwsSource::find(&config).map_err(of_credentials)?;
            Ok(Self {
                config,
                source,
                held: Mutex::default(),
            })
        })
    }

    /// The region of the variables or the profile.
    ///
    /// # Errors
    /// If none is set, or one that is no region's name.
    pub fn region(&self) -> Result<Region, Trouble> {
        self.config.region()
    }

    /// Where a service is asked: at `host`, if the user wrote one, by HTTPS
    /// alone, as cosign does with the host of a key's URI.
    ///
    /// # Errors
    /// On a setting that is no URL.
    pub fn endpoint(
        &self,
        api: AwsApi,
        region: &Region,
        host: Option<&str>,
    ) -> Result<AwsEndpoint, Trouble> {
        match host {
            None => self.config.endpoint(api, region),
            Some(host) => Ok(AwsEndpoint {
                api,
                url: config::http_url("host", &format!("https://{host}"))?,
                region: region.clone(),
            }),
        }
    }

    /// Asks an API of JSON, as often as the retry budget allows (KEY-87).
    /// Credentials that are known no more are fetched anew once, unless the same
    /// would come again.
    ///
    /// # Errors
    /// On everything but the answer.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        client: &Client,
        endpoint: &AwsEndpoint,
        operation: &'static str,
        question: &impl Serialize,
    ) -> Result<T, ServiceError> {
        let failed = |trouble| of_endpoint(endpoint, trouble);
        let action = || action(endpoint, operation);
        let body = serde_json::to_vec(question).map_err(|_| {
            failed(Trouble::Answer {
                action: action(),
                reason: "the question is no JSON",
            })
        })?;
        // These two are all that tell KMS and ECR what is asked: the path is `/`.
        let mut headers = HeaderMap::new();
        let json_type = HeaderValue::from_static("application/x-amz-json-1.1");
        headers.insert(CONTENT_TYPE, json_type);
        let target = target_prefix(endpoint.api).map(|prefix| format!("{prefix}.{operation}"));
        if let Some(Ok(target)) = target.map(HeaderValue::try_from) {
            headers.insert(TARGET, target);
        }
        let mut stale = None;
        loop {
            let held = self.credentials(client, &endpoint.region, stale).await?;
            let shown = Some(&*held.credentials);
            let response = self.send(client, endpoint, &headers, &body, shown).await;
            let response = response.map_err(|error| failed(error.into()))?;
            if response.status.is_success() {
                return json(&response).ok_or_else(|| {
                    failed(Trouble::Answer {
                        action: action(),
                        reason: "it is not the JSON of this operation",
                    })
                });
            }
            // A throttled answer comes here only once the budget is spent.
            let fault = AwsFault::of(&response);
            if fault.is_stale() && stale.is_none() && self.source.is_renewable() {
                debug!("{}: {}: asking for new credentials", action(), fault.code);
                stale = Some(held.generation);
                continue;
            }
            return Err(failed(fault.into_trouble(
                endpoint.api,
                action(),
                &response,
            )));
        }
    }

    /// Credentials that have not ended, and that are others than those that
    /// turned out to be stale. The future may be dropped: nothing is kept then,
    /// and the next one fetches.
    async fn credentials(
        &self,
        client: &Client,
        region: &Region,
        stale: Option<u64>,
    ) -> Result<Held, ServiceError> {
        let mut held = self.held.lock().await;
        if let Some(held) = &*held
            && !held.credentials.has_expired(Timestamp::now())
            && stale != Some(held.generation)
        {
            return Ok(held.clone());
        }
        if let AwsSource::Machine(..) = self.source {
            debug!("Asking the metadata service of this machine for credentials for AWS");
        }
        let credentials = self.obtain(&self.source, client, region).await?;
        credentials.remember(self.config.variables.secrets());
        let generation = held.as_ref().map_or(0, |held| held.generation + 1);
        Ok(held
            .insert(Held {
                credentials: Arc::new(credentials),
                generation,
            })
            .clone())
    }

    /// Asks the source, and only this one: where it fails, no later one is tried
    /// (KEY-85). A role may stand on another, so that this asks itself.
    async fn obtain(
        &self,
        source: &AwsSource,
        client: &Client,
        region: &Region,
    ) -> Result<AwsCredentials, ServiceError> {
        match source {
            AwsSource::Static(keys) => Ok(AwsCredentials {
                key_id: keys.key_id.clone(),
                secret: keys.secret.copy(),
                token: keys.token.as_ref().map(|token| token.copy()),
                expires: keys.expires,
            }),
            AwsSource::WebIdentity(role, token) => {
                let form = sts::web_identity(role, token);
                self.ask_sts(client, region, &form, None).await
            }
            AwsSource::Assumed(role, base) => {
                let base = Box::pin(self.obtain(base, client, region)).await?;
                base.remember(self.config.variables.secrets());
                let form = sts::assume(role);
                self.ask_sts(client, region, &form, Some(&base)).await
            }
            AwsSource::Process(command, profile) => self.run(command, profile).await,
            AwsSource::Container(container) => container.ask(client).await,
            AwsSource::Machine(machine, tried) => machine.ask(client).await?.map_err(|reason| {
                let mut tried = tried.clone();
                tried.push(("machine", reason));
                of_credentials(Trouble::NoCredentials { tried })
            }),
        }
    }

    /// Asks the Security Token Service. A web identity's question is not signed:
    /// its token is all that vouches.
    async fn ask_sts(
        &self,
        client: &Client,
        region: &Region,
        form: &sts::StsForm,
        shown: Option<&AwsCredentials>,
    ) -> Result<AwsCredentials, ServiceError> {
        let endpoint = self.config.endpoint(AwsApi::Sts, region);
        let endpoint = endpoint.map_err(of_credentials)?;
        let failed = |trouble| of_endpoint(&endpoint, trouble);
        let action = || action(&endpoint, form.operation);
        let mut headers = HeaderMap::new();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        let body = form.body.expose();
        let response = self.send(client, &endpoint, &headers, body, shown).await;
        let response = response.map_err(|error| failed(error.into()))?;
        if !response.status.is_success() {
            let fault = AwsFault::of(&response);
            return Err(failed(fault.into_trouble(AwsApi::Sts, action(), &response)));
        }
        let text = String::from_utf8_lossy(&response.body);
        credentials::of_xml(&text).ok_or_else(|| {
            failed(Trouble::Answer {
                action: action(),
                reason: "it holds no credentials",
            })
        })
    }

    /// Sends a question, signed anew where it had to wait for too long: the
    /// client repeats it for as long as its budget lasts, and hosts take twelve
    /// requests at a time (KEY-81). No redirect is followed: the signature is for
    /// one host.
    async fn send(
        &self,
        client: &Client,
        endpoint: &AwsEndpoint,
        headers: &HeaderMap,
        body: &[u8],
        shown: Option<&AwsCredentials>,
    ) -> Result<Response, HttpError> {
        let mut times = 0;
        loop {
            times += 1;
            let request = self.request(endpoint, headers, body, shown);
            match client.send(&request).await {
                Err(HttpError::Outdated { .. }) if times < SIGNED_AT_MOST => {}
                outcome => return outcome,
            }
        }
    }

    /// A question, signed now if credentials are shown.
    fn request(
        &self,
        endpoint: &AwsEndpoint,
        headers: &HeaderMap,
        body: &[u8],
        shown: Option<&AwsCredentials>,
    ) -> Request {
        let url = endpoint.url.clone();
        let mut request = Request::new(Method::POST, url, Trust::Verified);
        self.config.protect(&mut request);
        request.headers = headers.clone();
        request.redirects = Redirects::Answered;
        request.is_passing = fault::is_passing;
        request.body = Some(Content::from(body.to_vec()));
        if let Some(credentials) = shown {
            let scope = SigningScope {
                region: endpoint.region.as_str(),
                service: signed_as(endpoint.api),
                time: Timestamp::now(),
            };
            // Credentials that no header can show were refused before.
            let _sendable = scope.sign(credentials, &endpoint.url, &mut request.headers, body);
            request.fresh_for = SIGNATURE_LASTS;
        }
        request
    }

    /// Runs the command of a profile, by a shell as AWS's own tools do: it is a
    /// line with quotes. Its own words may hold a secret that nobody knows yet,
    /// and are dropped.
    async fn run(&self, command: &str, profile: &str) -> Result<AwsCredentials, ServiceError> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]);
        let nothing = Content::from(Vec::new());
        let answer = child::run(shell, &nothing, Words::Dropped, PROCESS).await;
        let answer = answer.map_err(of_credentials)?;
        if !answer.status.success() {
            let words = format!(
                "{} of the `credential_process` of `{profile}`",
                answer.status
            );
            return Err(of_credentials(Trouble::Failed(Said(words))));
        }
        credentials::of_json(&answer.output).ok_or_else(|| {
            of_credentials(Trouble::Answer {
                action: format!("`credential_process` of `{profile}`"),
                reason: "it holds no credentials",
            })
        })
    }
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aws(…)")
    }
}

/// The name of an API in `X-Amz-Target`, as the models of the SDKs have it. The
/// Security Token Service takes forms, and has none.
fn target_prefix(api: AwsApi) -> Option<&'static str> {
    match api {
        AwsApi::Kms => Some("TrentService"),
        AwsApi::Ecr => Some("AmazonEC2ContainerRegistry_V20150921"),
        AwsApi::EcrPublic => Some("SpencerFrontendService"),
        AwsApi::Sts => None,
    }
}

/// The name of an API in a signature.
fn signed_as(api: AwsApi) -> &'static str {
    match api {
        AwsApi::Kms => "kms",
        AwsApi::Sts => "sts",
        AwsApi::Ecr => "ecr",
        AwsApi::EcrPublic => "ecr-public",
    }
}

fn action(endpoint: &AwsEndpoint, operation: &str) -> String {
    format!("`{operation}` at `{}`", Redacted(&endpoint.url))
}

/// A failure of the API itself.
fn of_endpoint(endpoint: &AwsEndpoint, trouble: Trouble) -> ServiceError {
    ServiceName::Aws(endpoint.api).failed(trouble)
}

/// A failure of the credentials' source, which has remedies of its own.
fn of_credentials(trouble: impl Into<Trouble>) -> ServiceError {
    ServiceName::AwsCredentials.failed(trouble)
}
