//! Providers of identity tokens that are asked over HTTP.
//!
//! Each has a secret of the job, or sits on the machine. No redirect is followed: it
//! would lead the secret, or the token, to another host.

use std::time::Duration;

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::claims::AUDIENCE;
use super::spiffe::Socket;
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use crate::http::{Client, Leash, Method, Redacted, Redirects, Request, Response, Trust};
use crate::oci::Content;
use crate::secret::Secret;
use crate::service::{Trouble, Variables, json, safe_url, said};

/// Set for jobs with `permissions: id-token: write`. The URL has a query already.
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// Set by the agent; the endpoint only where it is not Buildkite's own.
const BUILDKITE_TOKEN: &str = "BUILDKITE_AGENT_ACCESS_TOKEN";
const BUILDKITE_ENDPOINT: &str = "BUILDKITE_AGENT_ENDPOINT";
const BUILDKITE: &str = "https://agent.buildkite.com/v3";
/// `metadata.google.internal`, without asking for the name.
const GOOGLE: &str = "169.254.169.254";
/// In both directions: a page in a browser cannot set it, and a network's own page does
/// not answer with it.
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// A metadata server is one hop away, or nowhere.
const LEASH: Leash = Leash {
    time: Duration::from_secs(5),
    attempts: 3,
};

/// A request for a token, made of variables and not sent yet.
#[derive(Debug)]
pub(super) enum ProviderRequest {
    GitHub { url: Url, secret: Secret },
    Buildkite { url: Url, secret: Secret },
    Google { url: Url },
    Spiffe(Socket),
}

/// The answers of GitHub (`value`) and Buildkite (`token`).
#[derive(Deserialize)]
struct ProviderAnswer {
    value: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
}

impl ProviderRequest {
    /// None without the variables of a job that may ask (`id-token: write`).
    pub(super) fn of_github(variables: &Variables) -> Result<Option<Self>, Trouble> {
        let (Some(url), Some(secret)) =
            (variables.text(GITHUB_URL), variables.secret(GITHUB_TOKEN))
        else {
            return Ok(None);
        };
        let mut url = setting(GITHUB_URL, &url)?;
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        Ok(Some(Self::GitHub { url, secret }))
    }

    /// None outside of a job.
    pub(super) fn of_buildkite(variables: &Variables) -> Result<Option<Self>, Trouble> {
        const JOB: &str = "BUILDKITE_JOB_ID";
        let (Some(job), Some(secret)) = (variables.text(JOB), variables.secret(BUILDKITE_TOKEN))
        else {
            return Ok(None);
        };
        let endpoint = variables.text(BUILDKITE_ENDPOINT);
        let endpoint = endpoint.unwrap_or_else(|| BUILDKITE.to_owned());
        let mut url = setting(BUILDKITE_ENDPOINT, &endpoint)?;
        // The job's id is one segment, whatever characters it has.
        if let Ok(mut path) = url.path_segments_mut() {
            let path = path.pop_if_empty();
            path.extend(["jobs", &job, "oidc", "tokens"]);
        }
        Ok(Some(Self::Buildkite { url, secret }))
    }

    /// Always there: whether this is a machine of Google's, the answer shows, since
    /// sandboxes hide it. Plain HTTP is all that metadata servers speak.
    pub(super) fn of_google(variables: &Variables) -> Result<Self, Trouble> {
        const HOST: &str = "GCE_METADATA_HOST";
        const PATH: &str = "computeMetadata/v1/instance/service-accounts/default/identity";
        let host = variables.text(HOST).unwrap_or_else(|| GOOGLE.to_owned());
        let url = format!("http://{host}/{PATH}").parse::<Url>();
        let mut url = url.map_err(|_| Trouble::Setting {
            name: HOST.to_owned(),
            reason: "it is no host",
        })?;
        url.query_pairs_mut()
            .append_pair("audience", AUDIENCE)
            .append_pair("format", "full");
        Ok(Self::Google { url })
    }

    /// The token, and the request in words.
    pub(super) async fn ask(
        self,
        client: &Client,
        variables: &Variables,
    ) -> Result<(Secret, String), Trouble> {
        match self {
            Self::GitHub { url, secret } => {
                let mut request = Request::new(Method::GET, url, Trust::Verified);
                request
                    .headers
                    .insert(AUTHORIZATION, shown("bearer", &secret)?);
                let (response, action) = send(client, request).await?;
                token(&response, action, |answer| answer.value)
            }
            Self::Buildkite { url, secret } => {
                let mut request = Request::new(Method::POST, url, Trust::Verified);
                request
                    .headers
                    .insert(AUTHORIZATION, shown("Token", &secret)?);
                let json = HeaderValue::from_static("application/json");
                request.headers.insert(CONTENT_TYPE, json);
                let body = serde_json::json!({ "audience": AUDIENCE }).to_string();
                request.body = Some(Content::from(body.into_bytes()));
                let (response, action) = send(client, request).await?;
                token(&response, action, |answer| answer.token)
            }
            Self::Google { url } => {
                let google = HeaderValue::from_static("Google");
                let request = Request::new(Method::GET, url, Trust::Verified);
                let mut request = request.header(FLAVOR, google.clone());
                request.leash = Some(LEASH);
                let (response, action) = send(client, request).await?;
                // Some networks answer everything with a page of theirs.
                match response.headers.get(FLAVOR) == Some(&google) {
                    true => Ok((Secret::new(response.body.to_vec()), action)),
                    false => Err(Trouble::Answer {
                        action,
                        reason: "it is not Google's",
                    }),
                }
            }
            Self::Spiffe(socket) => socket.ask(variables).await,
        }
    }
}

/// The URL of a provider that is shown a secret: HTTPS, or on this machine.
fn setting(name: &'static str, text: &str) -> Result<Url, Trouble> {
    let name = name.to_owned();
    safe_url(text).map_err(|reason| Trouble::Setting { name, reason })
}

/// The header that shows the job's secret; its text is wiped. GitHub writes the scheme
/// `bearer`, Buildkite `Token`.
fn shown(scheme: &str, secret: &Secret) -> Result<HeaderValue, Trouble> {
    let text = secret.expose_str().unwrap_or_default();
    let value = Zeroizing::new(format!("{scheme} {text}"));
    let mut value = HeaderValue::from_str(&value).map_err(|_| Trouble::Setting {
        name: "the token of the job".to_owned(),
        reason: "it cannot stand in a header",
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends the request, whose answer holds a secret: no message repeats a good one.
async fn send(client: &Client, mut request: Request) -> Result<(Response, String), Trouble> {
    request.redirects = Redirects::Answered;
    let action = format!("{} {}", request.method, Redacted(&request.url));
    let response = client.send(&request).await?;
    let answer = || said(&response, None);
    match response.status.as_u16() {
        200 | 201 => Ok((response, action)),
        401 | 403 => Err(Trouble::Denied {
            action,
            answer: answer(),
        }),
        status => Err(Trouble::Status {
            action,
            status,
            answer: answer(),
        }),
    }
}

fn token(
    response: &Response,
    action: String,
    member: impl FnOnce(ProviderAnswer) -> Option<Zeroizing<String>>,
) -> Result<(Secret, String), Trouble> {
    match json::<ProviderAnswer>(response).and_then(member) {
        Some(token) => Ok((Secret::new(token.as_bytes().to_vec()), action)),
        None => Err(Trouble::Answer {
            action,
            reason: "it holds no token",
        }),
    }
}
