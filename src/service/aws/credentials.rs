//! Credentials of AWS, and the forms in which they come.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::{Secret, Secrets};
use crate::service::{Trouble, Variables};

/// Credentials that end sooner count as ended: a request takes a while. Those
/// that a service calls expired before that are fetched anew as well.
const MARGIN: Duration = Duration::from_secs(60);

/// The keys that sign a request.
pub(super) struct AwsCredentials {
    /// No secret: it stands in every request.
    pub(super) key_id: String,
    pub(super) secret: Secret,
    /// Of a session, beside its keys.
    pub(super) token: Option<Secret>,
    /// None if they last.
    pub(super) expires: Option<Timestamp>,
}

impl AwsCredentials {
    /// Credentials that a header can show; none if they cannot be such, so that
    /// signing never fails. An empty token is none.
    pub(super) fn new(key_id: &str, secret: Secret, token: Option<Secret>) -> Option<Self> {
        let is_sendable = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_graphic);
        let is_fit = is_sendable(key_id.as_bytes())
            && !key_id.is_empty()
            && !secret.expose().is_empty()
            && token
                .as_ref()
                .is_none_or(|token| is_sendable(token.expose()));
        is_fit.then(|| Self {
            key_id: key_id.to_owned(),
            secret,
            token: token.filter(|token| !token.expose().is_empty()),
            expires: None,
        })
    }

    /// Hides them from now on.
    pub(super) fn remember(&self, secrets: &Secrets) {
        secrets.remember(self.secret.expose());
        if let Some(token) = &self.token {
            secrets.remember(token.expose());
        }
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        let margin = SignedDuration::try_from(MARGIN).unwrap_or_default();
        let end = self.expires.and_then(|end| end.checked_sub(margin).ok());
        end.is_some_and(|end| end <= now)
    }
}

/// The JSON of metadata services, containers and programs. The first two say
/// `Token`, a `credential_process` `SessionToken`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsAnswer {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    #[serde(alias = "SessionToken")]
    token: Option<Zeroizing<String>>,
    /// RFC 3339
    expiration: Option<String>,
}

/// The credentials in such JSON. A time that cannot be read makes it none:
/// credentials would be used beyond their end.
pub(super) fn of_json(bytes: &[u8]) -> Option<AwsCredentials> {
    let mut answer: CredentialsAnswer = serde_json::from_slice(bytes).ok()?;
    let take = |text: &mut Zeroizing<String>| Secret::from(std::mem::take(&mut **text));
    let secret = take(&mut answer.secret_access_key);
    let token = answer.token.as_mut().map(take);
    let credentials = AwsCredentials::new(&answer.access_key_id, secret, token)?;
    let expires = match answer.expiration.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    Some(AwsCredentials {
        expires,
        ..credentials
    })
}

/// The credentials in the XML of the Security Token Service. Four elements of one
/// answer are no reason for a parser of XML: they are found by their names.
pub(super) fn of_xml(text: &str) -> Option<AwsCredentials> {
    let inner = between(text, "Credentials")?;
    let secret = Secret::from(element(inner, "SecretAccessKey")?);
    let token = Secret::from(element(inner, "SessionToken")?);
    let credentials = AwsCredentials::new(&element(inner, "AccessKeyId")?, secret, Some(token))?;
    let expires = element(inner, "Expiration").map(|text| text.parse());
    Some(AwsCredentials {
        expires: expires.transpose().ok()?,
        ..credentials
    })
}

/// The text of the first element of this name, which has no attributes and no
/// elements within.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
    let inner = between(text, name)?.trim();
    if inner.contains('<') {
        return None;
    }
    // `&amp;` last: what it stands for begins no other.
    let plain = inner.replace("&lt;", "<").replace("&gt;", ">");
    let plain = plain.replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&#39;", "'").replace("&amp;", "&"))
}

fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner)
}

/// A token in a file, without the blanks around it; hidden from now on. `name` is
/// the setting that named the file, for errors.
pub(super) fn token_file(
    variables: &Variables,
    path: &Path,
    name: &str,
) -> Result<Secret, Trouble> {
    let bytes = variables.read(path)?;
    let token = bytes.expose().trim_ascii();
    let is_token = !token.is_empty() && token.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_token {
        return Err(Trouble::setting(name, "the file holds no token"));
    }
    variables.remember(token);
    Ok(Secret::new(token.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_as_json_of_two_kinds_and_as_xml() {
        let json = |token: &str| {
            format!(
                r#"{{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s+/",{token}
                "Expiration":"2026-01-01T00:00:00Z"}}"#
            )
        };
        let xml = "<R xmlns=\"x\"><Credentials><AccessKeyId>A</AccessKeyId>\
                   <SecretAccessKey>s+/</SecretAccessKey><SessionToken>t&amp;=</SessionToken>\
                   <Expiration>2026-01-01T00:00:00Z</Expiration></Credentials></R>";
        for credentials in [
            of_json(json(r#""Token":"t&=","#).as_bytes()),
            of_json(json(r#""SessionToken":"t&=","#).as_bytes()),
            of_xml(xml),
        ] {
            let credentials = credentials.unwrap();
            assert_eq!(credentials.key_id, "A");
            assert_eq!(credentials.secret.expose(), b"s+/");
            assert_eq!(credentials.token.as_ref().unwrap().expose(), b"t&=");
            let end = "2026-01-01T00:00:00Z".parse().unwrap();
            assert_eq!(credentials.expires, Some(end));
            assert!(credentials.has_expired(end));
            assert!(!credentials.has_expired(end - SignedDuration::from_mins(2)));
        }
    }

    #[test]
    fn half_credentials_are_none() {
        for json in [
            "{}",
            r#"{"AccessKeyId":"A"}"#,
            r#"{"AccessKeyId":"","SecretAccessKey":"s"}"#,
            r#"{"AccessKeyId":"A b","SecretAccessKey":"s"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"a\nb"}"#,
            r#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}"#,
        ] {
            assert!(of_json(json.as_bytes()).is_none(), "{json}");
        }
        assert!(of_xml("<Credentials><AccessKeyId>A</AccessKeyId></Credentials>").is_none());
    }
}
