//! Credentials files, as Google's tools write them
//! (<https://google.aip.dev/auth/4110>).
//!
//! A file may have been written by somebody else than its user. So its URLs have
//! to be safe for the secrets that go there, and it runs no program
//! (`executable`).

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::signature::RsaKeyPair;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::federated::{Federated, SourceForm, SubjectTokenSource};
use super::scope::SCOPE;
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Request, Trust};
use crate::oci::Content;
use crate::secret::Secret;
use crate::service::answer::action;
use crate::service::error::Trouble;
use crate::service::token::Token;
use crate::service::variables::Variables;
use crate::service::{jwt, oauth};

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// In seconds: the longest that Google lets a JWT be good for, and how long the
/// token of a service account is asked for unless a file says otherwise.
const HOUR: u32 = 3600;
/// How far this machine's clock may be ahead, in seconds: Google refuses a JWT of
/// the future.
const AHEAD: i64 = 10;
/// How many credentials may stand within one another.
const DEPTH: usize = 3;

/// Credentials, and the identities that they are exchanged for in turn.
pub(super) struct GoogleCredentials {
    base: Base,
    /// The first is asked with the token of `base`, the next with its token.
    through: Vec<Impersonation>,
    pub(super) quota_project: Option<String>,
}

/// The identity that vouches for itself.
enum Base {
    ServiceAccount {
        email: String,
        key: RsaKeyPair,
        key_id: Option<String>,
        token_uri: Url,
    },
    User {
        /// Of the program that the user logged in with, as `gcloud`: no user's own.
        login: (String, Zeroizing<String>),
        refresh_token: Zeroizing<String>,
        token_uri: Url,
    },
    Federated(Box<Federated>),
}

/// A service account that others may act as.
struct Impersonation {
    url: Url,
    /// Service accounts between, each of which may act as the next.
    delegates: Vec<String>,
    /// Seconds.
    lifetime: u32,
}

/// The file, of whichever type. Members of other types are ignored.
#[derive(Deserialize)]
struct CredentialsForm {
    #[serde(rename = "type")]
    kind: String,
    quota_project_id: Option<String>,
    // service_account
    client_email: Option<String>,
    private_key: Option<Zeroizing<String>>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    // authorized_user, and the client of an exchange
    client_id: Option<String>,
    client_secret: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
    // external_account
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    credential_source: Option<SourceForm>,
    workforce_pool_user_project: Option<String>,
    service_account_impersonation: Option<ImpersonationForm>,
    // external_account and impersonated_service_account
    service_account_impersonation_url: Option<String>,
    // impersonated_service_account
    #[serde(default)]
    delegates: Vec<String>,
    source_credentials: Option<Box<CredentialsForm>>,
}

#[derive(Deserialize)]
struct ImpersonationForm {
    token_lifetime_seconds: Option<u32>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct GrantClaims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
struct ImpersonationQuestion<'a> {
    delegates: &'a [String],
    scope: [&'static str; 1],
    lifetime: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImpersonationAnswer {
    access_token: Zeroizing<String>,
    /// RFC 3339.
    expire_time: Option<String>,
}

/// Reads the content of the file at `path`, which errors name.
pub(super) fn read(
    bytes: &Secret,
    path: &Path,
    variables: &Variables,
) -> Result<GoogleCredentials, Trouble> {
    parse(bytes.expose(), variables).map_err(|trouble| match trouble {
        Trouble::Setting { name, reason } => Trouble::Setting {
            name: match name.is_empty() {
                true => path.display().to_string(),
                false => format!("{name} in {}", path.display()),
            },
            reason,
        },
        other => other,
    })
}

/// Reads a file's content; a file that it names is read too.
pub(super) fn parse(bytes: &[u8], variables: &Variables) -> Result<GoogleCredentials, Trouble> {
    let form = serde_json::from_slice(bytes);
    let form = form.map_err(|_| Trouble::setting("", "it is no credentials file in JSON"))?;
    credentials(form, DEPTH, variables)
}

fn credentials(
    mut form: CredentialsForm,
    depth: usize,
    variables: &Variables,
) -> Result<GoogleCredentials, Trouble> {
    let quota_project = form.quota_project_id.take();
    let mut through = Vec::new();
    let base = match form.kind.as_str() {
        "service_account" => service_account(form, variables)?,
        "authorized_user" => user(form, variables)?,
        "external_account" => {
            let lifetime = form.service_account_impersonation.take();
            let lifetime = lifetime.and_then(|form| form.token_lifetime_seconds);
            if let Some(url) = form.service_account_impersonation_url.take() {
                through.push(impersonation(&url, Vec::new(), lifetime)?);
            }
            federated(form, variables)?
        }
        "impersonated_service_account" => {
            return impersonated(form, quota_project, depth, variables);
        }
        other => {
            let name: String = other.chars().take(64).collect();
            let name = format!("the type {}", name.escape_debug());
            return Err(Trouble::setting(
                name,
                "credentials of this type are not supported",
            ));
        }
    };
    Ok(GoogleCredentials {
        base,
        through,
        quota_project,
    })
}

fn impersonated(
    form: CredentialsForm,
    quota_project: Option<String>,
    depth: usize,
    variables: &Variables,
) -> Result<GoogleCredentials, Trouble> {
    let name = "service_account_impersonation_url";
    let url = there(form.service_account_impersonation_url, name)?;
    let impersonation = impersonation(&url, form.delegates, None)?;
    let source = there(form.source_credentials, "source_credentials")?;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Trouble::setting(
            "source_credentials",
            "they are nested too deep",
        ));
    };
    let mut credentials = credentials(*source, depth, variables)?;
    // Behind those of its source: the innermost vouches first.
    credentials.through.push(impersonation);
    credentials.quota_project = quota_project;
    Ok(credentials)
}

fn service_account(form: CredentialsForm, variables: &Variables) -> Result<Base, Trouble> {
    let pem = there(form.private_key, "private_key")?;
    variables.remember(pem.as_bytes());
    let key = jwt::key(pem.as_bytes());
    Ok(Base::ServiceAccount {
        email: there(form.client_email, "client_email")?,
        key: key.ok_or_else(|| Trouble::setting("private_key", "it is no RSA key in PEM"))?,
        key_id: form.private_key_id,
        token_uri: token_uri(form.token_uri)?,
    })
}

fn user(form: CredentialsForm, variables: &Variables) -> Result<Base, Trouble> {
    let refresh_token = there(form.refresh_token, "refresh_token")?;
    variables.remember(refresh_token.as_bytes());
    let login = login(form.client_id, form.client_secret, variables);
    Ok(Base::User {
        login: there(login, "client_id or client_secret")?,
        refresh_token,
        token_uri: token_uri(form.token_uri)?,
    })
}

fn federated(form: CredentialsForm, variables: &Variables) -> Result<Base, Trouble> {
    let token_url = there(form.token_url, "token_url")?;
    let source = there(form.credential_source, "credential_source")?;
    Ok(Base::Federated(Box::new(Federated {
        audience: there(form.audience, "audience")?,
        subject_token_type: there(form.subject_token_type, "subject_token_type")?,
        token_url: safe_url(&token_url, "token_url")?,
        source: SubjectTokenSource::find(source, variables)?,
        user_project: form.workforce_pool_user_project,
        login: login(form.client_id, form.client_secret, variables),
    })))
}

/// A client's name and secret, which is hidden from now on.
fn login(
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    variables: &Variables,
) -> Option<(String, Zeroizing<String>)> {
    let (user, password) = user.zip(password)?;
    let secrets = variables.secrets();
    secrets.remember_login(&user, password.as_bytes());
    Some((user, password))
}

fn impersonation(
    url: &str,
    delegates: Vec<String>,
    lifetime: Option<u32>,
) -> Result<Impersonation, Trouble> {
    Ok(Impersonation {
        url: safe_url(url, "service_account_impersonation_url")?,
        delegates,
        lifetime: lifetime.unwrap_or(HOUR),
    })
}

fn token_uri(text: Option<String>) -> Result<Url, Trouble> {
    let text = text.filter(|text| !text.is_empty());
    safe_url(text.as_deref().unwrap_or(TOKEN_URI), "token_uri")
}

fn safe_url(text: &str, name: &str) -> Result<Url, Trouble> {
    oauth::safe_url(text).map_err(|reason| Trouble::setting(name, reason))
}

fn there<T>(value: Option<T>, name: &str) -> Result<T, Trouble> {
    value.ok_or_else(|| Trouble::setting(name, "it is not there"))
}

impl GoogleCredentials {
    /// A new token: one request for the base, and one for each identity between.
    pub(super) async fn token(
        &self,
        client: &Client,
        variables: &Variables,
    ) -> Result<Token, Trouble> {
        let mut token = self.base.token(client, variables).await?;
        for impersonation in &self.through {
            token = impersonation.token(client, &token, variables).await?;
        }
        Ok(token)
    }
}

impl Base {
    async fn token(&self, client: &Client, variables: &Variables) -> Result<Token, Trouble> {
        let request = match self {
            Self::ServiceAccount { token_uri, .. } => {
                let assertion = self.assertion(Timestamp::now());
                let unfit = || Trouble::setting("private_key", "nothing can be signed with it");
                let assertion = assertion.ok_or_else(unfit)?;
                variables.remember(assertion.as_bytes());
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                let fields = [("grant_type", grant), ("assertion", &assertion)];
                oauth::form(token_uri.clone(), &fields)
            }
            Self::User {
                login: (client_id, client_secret),
                refresh_token,
                token_uri,
            } => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret),
                    ("refresh_token", refresh_token),
                ];
                oauth::form(token_uri.clone(), &fields)
            }
            Self::Federated(federated) => return federated.token(client, variables).await,
        };
        oauth::fetch(client, &request, variables).await
    }

    /// The assertion of a service account: claims that its key signed (RFC 7523).
    /// It is exchanged for a token at `token_uri`, whose audience it is for, and
    /// of no use elsewhere.
    fn assertion(&self, now: Timestamp) -> Option<Zeroizing<String>> {
        let Self::ServiceAccount {
            email,
            key,
            key_id,
            token_uri,
        } = self
        else {
            return None;
        };
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: key_id.as_deref(),
        };
        let issued = now.as_second().saturating_sub(AHEAD);
        let claims = GrantClaims {
            iss: email,
            scope: SCOPE,
            aud: token_uri.as_str(),
            iat: issued,
            exp: issued.saturating_add(i64::from(HOUR)),
        };
        jwt::rs256(key, &header, &claims)
    }
}

impl Impersonation {
    /// The token of the service account, for the holder of `token`.
    async fn token(
        &self,
        client: &Client,
        token: &Token,
        variables: &Variables,
    ) -> Result<Token, Trouble> {
        let request = self.request(token);
        let response = client.send(&request).await?;
        let action = action(&request);
        if !response.status.is_success() {
            return Err(oauth::refusal(&response, action));
        }
        let answer = serde_json::from_slice::<ImpersonationAnswer>(&response.body).ok();
        let answer = answer.filter(|answer| oauth::is_token(&answer.access_token));
        let answer = answer.ok_or(Trouble::Answer {
            action,
            reason: "it holds no token",
        })?;
        let left = answer.expire_time.and_then(|time| left(&time));
        Ok(Token::new(&answer.access_token, left, variables))
    }

    fn request(&self, token: &Token) -> Request {
        let question = ImpersonationQuestion {
            delegates: &self.delegates,
            scope: [SCOPE],
            lifetime: format!("{}s", self.lifetime),
        };
        // Texts always are JSON.
        let question = serde_json::to_vec(&question).unwrap_or_default();
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::new(Method::POST, self.url.clone(), Trust::Verified)
            .header(CONTENT_TYPE, json);
        let header = token.header().map(|header| (AUTHORIZATION, header));
        request.headers.extend(header);
        request.body = Some(Content::from(question));
        request
    }
}

/// The time until `time`, none of which is left if it is over. A time that cannot
/// be read says nothing.
fn left(time: &str) -> Option<Duration> {
    let time: Timestamp = time.parse().ok()?;
    let left = time.duration_since(Timestamp::now());
    Some(Duration::try_from(left).unwrap_or_default())
}
