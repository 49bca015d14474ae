//! Workload identity federation: another issuer's token is exchanged for one
//! of Google's (RFC 8693; <https://google.aip.dev/auth/4117>).
//!
//! That token is in a file or at a URL. AWS's identity and programs as a source are
//! refused by name (KEY-94).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::scope::SCOPE;
use crate::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use crate::http::{Client, Leash, Method, Redirects, Request, Trust, Zone};
use crate::service::answer::action;
use crate::service::error::Trouble;
use crate::service::oauth;
use crate::service::token::{Token, sensitive};
use crate::service::variables::Variables;

/// The place of the other issuer's token, as a credentials file says it. The last
/// three members are looked for alone, to be refused.
#[derive(Deserialize)]
pub(super) struct SourceForm {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    format: SubjectTokenFormat,
    environment_id: Option<String>,
    executable: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
}

/// The form of the token there.
#[derive(Default, Deserialize)]
struct SubjectTokenFormat {
    #[serde(rename = "type", default)]
    kind: SubjectTokenKind,
    subject_token_field_name: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum SubjectTokenKind {
    #[default]
    Text,
    Json,
}

/// A workload of another issuer.
pub(super) struct Federated {
    /// The provider of the pool, by its whole name.
    pub(super) audience: String,
    /// A URN of RFC 8693, as the file has it.
    pub(super) subject_token_type: String,
    pub(super) token_url: Url,
    pub(super) source: SubjectTokenSource,
    /// Of workforce pools.
    pub(super) user_project: Option<String>,
    /// Name and secret of a client that the exchange knows.
    pub(super) login: Option<(String, Zeroizing<String>)>,
}

/// Where the other issuer's token is.
pub(super) enum SubjectTokenSource {
    /// In a file, which was read: a run is shorter than the token.
    Read(Zeroizing<String>),
    Url {
        url: Url,
        headers: HeaderMap,
        shape: Shape,
    },
}

/// The form of the token there.
pub(super) enum Shape {
    /// All of it, but for white space around it.
    Text,
    /// In this member of an object.
    Json(String),
}

impl SubjectTokenSource {
    /// Reads a token that is in a file. One at a URL is asked for when it is
    /// needed, for each exchange anew: it may last for minutes.
    ///
    /// # Errors
    /// On a form that names no token which this program can get, and on a file
    /// without one.
    pub(super) fn find(form: SourceForm, variables: &Variables) -> Result<Self, Trouble> {
        let shape = match (form.format.kind, form.format.subject_token_field_name) {
            (SubjectTokenKind::Text, _) => Shape::Text,
            (SubjectTokenKind::Json, Some(name)) => Shape::Json(name),
            (SubjectTokenKind::Json, None) => {
                return Err(setting("format", "it names no subject_token_field_name"));
            }
        };
        let others = [
            ("environment_id", form.environment_id.is_some()),
            ("executable", form.executable.is_some()),
            ("certificate", form.certificate.is_some()),
        ];
        if let Some((name, _)) = others.into_iter().find(|(_, is_there)| *is_there) {
            return Err(setting(name, "it is not supported; `file` and `url` are"));
        }
        match (form.file, form.url) {
            (Some(path), _) => {
                let bytes = variables.read(&path)?;
                let token = shape.token(bytes.expose());
                let token = token.ok_or_else(|| setting("file", "the file holds no token"))?;
                variables.remember(token.as_bytes());
                Ok(Self::Read(token))
            }
            (None, Some(url)) => Ok(Self::Url {
                url: near_or_safe(&url).map_err(|reason| setting("url", reason))?,
                headers: headers(&form.headers, variables)
                    .ok_or_else(|| setting("headers", "they are no headers"))?,
                shape,
            }),
            (None, None) => Err(setting("file", "it is not there")),
        }
    }

    async fn token(
        &self,
        client: &Client,
        variables: &Variables,
    ) -> Result<Zeroizing<String>, Trouble> {
        let (url, headers, shape) = match self {
            Self::Read(token) => return Ok(token.clone()),
            Self::Url {
                url,
                headers,
                shape,
            } => (url, headers, shape),
        };
        let request = request(url, headers);
        let response = client.send(&request).await?;
        let action = action(&request);
        if !response.status.is_success() {
            return Err(oauth::refusal(&response, action));
        }
        let token = shape.token(&response.body).ok_or(Trouble::Answer {
            action,
            reason: "it holds no token",
        })?;
        variables.remember(token.as_bytes());
        Ok(token)
    }
}

impl Shape {
    pub(super) fn token(&self, bytes: &[u8]) -> Option<Zeroizing<String>> {
        let text = match self {
            Self::Text => std::str::from_utf8(bytes).ok()?.to_owned(),
            Self::Json(name) => {
                let mut object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
                match object.remove(name)? {
                    Value::String(text) => text,
                    _ => return None,
                }
            }
        };
        let text = Zeroizing::new(text);
        let token = text.trim();
        oauth::is_token(token).then(|| Zeroizing::new(token.to_owned()))
    }
}

impl Federated {
    /// Exchanges the other issuer's token.
    pub(super) async fn token(
        &self,
        client: &Client,
        variables: &Variables,
    ) -> Result<Token, Trouble> {
        let subject = self.source.token(client, variables).await?;
        let options = self.user_project.as_ref();
        let options = options.map(|project| serde_json::json!({ "userProject": project }));
        let options = options.map(|options| options.to_string());
        let mut fields = vec![
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", &*self.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", &*self.subject_token_type),
            ("subject_token", &**subject),
        ];
        fields.extend(options.as_deref().map(|options| ("options", options)));
        let mut request = oauth::form(self.token_url.clone(), &fields);
        if let Some((user, password)) = &self.login {
            let login = oauth::basic(user, password);
            let login = login.map(|login| (AUTHORIZATION, login));
            request.headers.extend(login);
        }
        oauth::fetch(client, &request, variables).await
    }
}

/// For a service on the machine's link: no proxy is asked. A first token takes
/// seconds there, as at Azure's.
const LEASH: Leash = Leash {
    time: Duration::from_secs(10),
    attempts: 2,
};

/// The request for the other issuer's token.
fn request(url: &Url, headers: &HeaderMap) -> Request {
    let mut request = Request::new(Method::GET, url.clone(), Trust::Verified);
    request.headers = headers.clone();
    // Whichever of the headers is the secret, it is for this host: the client
    // would leave `Authorization` behind at a redirect, and no other.
    request.redirects = Redirects::Answered;
    request.leash = (Zone::of(url) == Zone::Link).then_some(LEASH);
    request
}

/// The shortest word of a header that is taken for a secret. Azure's metadata
/// service wants `Metadata: True`, which must not be hidden in every text.
const SHORTEST: usize = 8;

/// The headers of the request for the other issuer's token, whose secrets are hidden
/// from now on.
fn headers(
    headers: &BTreeMap<String, Zeroizing<String>>,
    variables: &Variables,
) -> Option<HeaderMap> {
    let header = |(name, value): (&String, &Zeroizing<String>)| {
        let name: HeaderName = name.parse().ok()?;
        let header = sensitive(value.as_bytes())?;
        let words = value.split(' ').flat_map(|word| [word, inner(word)]);
        let secrets = words.filter(|word| word.len() >= SHORTEST);
        secrets.for_each(|secret| variables.remember(secret.as_bytes()));
        // Behind its scheme, this one has nothing but the secret.
        if name == AUTHORIZATION {
            let secret = value.rsplit(' ').next().unwrap_or(value);
            variables.remember(secret.as_bytes());
        }
        Some((name, header))
    };
    headers.iter().map(header).collect()
}

/// The value of a parameter, as those of a `Cookie` are: others may repeat it without
/// its name.
fn inner(word: &str) -> &str {
    let word = word.trim_end_matches([';', ',']);
    let value = word.split_once('=').map_or(word, |(_, value)| value);
    value.trim_matches('"')
}

/// A machine's own metadata service has no TLS, and no other host answers at its
/// address.
fn near_or_safe(text: &str) -> Result<Url, &'static str> {
    match text.parse::<Url>() {
        Ok(url) if url.scheme() == "http" && Zone::of(&url) == Zone::Link => Ok(url),
        _ => oauth::safe_url(text),
    }
}

fn setting(name: &str, reason: &'static str) -> Trouble {
    Trouble::setting(format!("credential_source.{name}"), reason)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::file::Files;
    use crate::secret::{Secrets, Voice};

    /// KEY-94
    #[test]
    fn an_issuer_on_the_machine_s_link_is_asked_without_a_proxy() {
        let leash = |url: &str| request(&url.parse().unwrap(), &HeaderMap::new()).leash;
        for url in ["http://169.254.169.254/token", "http://[fe80::1]/token"] {
            assert_eq!(leash(url), Some(LEASH), "{url}");
        }
        for url in ["https://issuer.example/token", "http://127.0.0.1:1/token"] {
            assert_eq!(leash(url), None, "{url}");
        }
    }

    /// The texts that an issuer may repeat, without the secrets of these headers.
    fn scrubbed(name: &str, value: &str, text: &str) -> String {
        let known = Secrets::default();
        let variables = Variables::new(|_| None, known.clone(), Files::until(Instant::now()));
        let value = Zeroizing::new(value.to_owned());
        let given = BTreeMap::from([(name.to_owned(), value)]);
        assert!(headers(&given, &variables).is_some());
        known.scrubbed(text, Voice::Theirs, &[]).into_owned()
    }

    /// KEY-94
    #[test]
    fn every_secret_of_a_header_is_hidden() {
        for (name, value, text) in [
            ("Authorization", "Bearer s3cr", "not s3cr"),
            ("Authorization", "s3cret-token-1", "not s3cret-token-1"),
            ("Cookie", "session=SECRETSECRET; Path=/", "not SECRETSECRET"),
            (
                "X-Issuer",
                "token=\"SECRETSECRET\", v=1",
                "not SECRETSECRET",
            ),
            ("X-Issuer", "SECRET=SECRET for us", "not SECRET=SECRET"),
            ("X-Issuer", "c2VjcmV0LXRva2Vu==", "not c2VjcmV0LXRva2Vu=="),
        ] {
            let told = scrubbed(name, value, text);
            assert!(
                told.starts_with("not …") && !told.contains("SECR"),
                "{told}"
            );
        }
        assert_eq!(scrubbed("Metadata", "True", "True"), "True");
    }
}
