//! Answers of Azure Key Vault
//! (<https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups>, 7.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::super::der::{self, Curve};
use crate::http::Response;
use crate::http::header::WWW_AUTHENTICATE;
use crate::service::azure::{Audience, is_tenant};
use crate::service::{Trouble, json, said};
use crate::signature::PublicKey;

/// The longest challenge that is looked at, in bytes. One of Azure's has some 130.
const LONGEST: usize = 8 * 1024;

/// A key, with its operations and its times.
#[derive(Deserialize)]
pub(in crate::keys) struct KeyAnswer {
    key: Jwk,
    #[serde(default)]
    attributes: KeyAttributes,
}

/// A JSON Web Key (RFC 7517, RFC 7518) with Azure's additions: `kid` is a URL,
/// and `kty` may end in `-HSM`.
#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    key_ops: Option<Vec<String>>,
}

/// Times are seconds since 1970.
#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

#[derive(Deserialize)]
struct AzureSignature {
    value: String,
}

#[derive(Deserialize)]
struct AzureRefusal {
    error: AzureFault,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AzureFault {
    message: String,
    innererror: Option<InnerError>,
}

#[derive(Deserialize)]
struct InnerError {
    code: Option<String>,
}

/// How a key signs here. Azure has Ed25519 for no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::keys) enum AzureKeyKind {
    Ec(Curve),
    Rsa,
}

impl AzureKeyKind {
    /// The name of the algorithm (RFC 7518, section 3.1).
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Self::Ec(Curve::P256) => "ES256",
            Self::Ec(Curve::P384) => "ES384",
            Self::Ec(Curve::P521) => "ES512",
            Self::Rsa => "RS256",
        }
    }
}

impl KeyAnswer {
    pub(in crate::keys) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The URL of this very version, and the version: at `base`, of the key that
    /// was asked for. Names of keys are the same in any case, to Azure too. The
    /// URL is put together again here, so that nothing of the answer is in it but
    /// letters and digits.
    pub(super) fn version(&self, base: &Url, key: &str) -> Option<(Url, String)> {
        let url: Url = self.key.kid.parse().ok()?;
        let parts: Vec<&str> = url.path_segments()?.collect();
        let ["keys", name, version] = parts[..] else {
            return None;
        };
        let is_ours = url.origin() == base.origin() && name.eq_ignore_ascii_case(key);
        let is_name = !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric());
        let version = (is_ours && is_name).then(|| version.to_owned())?;
        let own = base.join(&format!("keys/{key}/{version}")).ok()?;
        Some((own, version))
    }

    /// Why the key does not sign now, if it does not. The vault would refuse to
    /// sign as well, but only after all checks of the run.
    pub(in crate::keys) fn unfitness(&self, now: Timestamp) -> Option<&'static str> {
        let now = now.as_second();
        let KeyAttributes { enabled, nbf, exp } = self.attributes;
        let operations = self.key.key_ops.as_deref();
        let signs = operations.is_none_or(|all| all.iter().any(|one| one == "sign"));
        match () {
            () if enabled == Some(false) => Some("it is disabled"),
            () if nbf.is_some_and(|nbf| nbf > now) => Some("it is not valid yet"),
            () if exp.is_some_and(|exp| exp <= now) => Some("it has expired"),
            () if !signs => Some("`sign` is none of its operations"),
            () => None,
        }
    }

    /// The key, and how it signs; or why it does not.
    pub(in crate::keys) fn public_key(&self) -> Result<(AzureKeyKind, PublicKey), String> {
        // RFC 7515 has no padding; a service that pads says the same.
        let number = |text: &Option<String>| {
            let text = text.as_deref()?.trim_end_matches('=');
            URL_SAFE_NO_PAD.decode(text).ok()
        };
        let named = |text: &str| -> String {
            let text: String = text.chars().take(32).collect();
            text.escape_debug().to_string()
        };
        let Jwk {
            kty,
            crv,
            x,
            y,
            n,
            e,
            ..
        } = &self.key;
        let (kind, der) = match (kty.as_str(), crv.as_deref().unwrap_or_default()) {
            ("EC" | "EC-HSM", name) => {
                let curve = match name {
                    "P-256" => Curve::P256,
                    "P-384" => Curve::P384,
                    "P-521" => Curve::P521,
                    other => return Err(format!("its curve is `{}`", named(other))),
                };
                let point = number(x).zip(number(y));
                let der = point.and_then(|(x, y)| curve.public_key(&x, &y));
                (AzureKeyKind::Ec(curve), der)
            }
            ("RSA" | "RSA-HSM", _) => {
                let numbers = number(n).zip(number(e));
                let der = numbers.and_then(|(n, e)| der::rsa_public_key(&n, &e));
                (AzureKeyKind::Rsa, der)
            }
            (other, _) => return Err(format!("its type is `{}`", named(other))),
        };
        let der = der.ok_or_else(|| "its public half is damaged".to_owned())?;
        Ok((kind, PublicKey::from_der(der)))
    }
}

/// A signature: DER of ECDSA, else its bytes. Azure gives two numbers in a row for
/// ECDSA (RFC 7518, section 3.4).
pub(in crate::keys) fn signature(body: &[u8], kind: AzureKeyKind) -> Option<Vec<u8>> {
    let answer: AzureSignature = serde_json::from_slice(body).ok()?;
    let text = answer.value.trim_end_matches('=');
    let raw = URL_SAFE_NO_PAD.decode(text).ok()?;
    match kind {
        AzureKeyKind::Ec(curve) => curve.signature(&raw),
        AzureKeyKind::Rsa => (!raw.is_empty()).then_some(raw),
    }
}

/// The audience of the token that a vault wants, from the first challenge that
/// names one.
pub(super) fn challenge(response: &Response) -> Option<Audience> {
    let values = response.headers.get_all(WWW_AUTHENTICATE);
    let mut texts = values.iter().filter_map(|value| value.to_str().ok());
    texts.find_map(audience)
}

/// The audience of a challenge: `Bearer authorization="https://HOST/TENANT",
/// resource="https://…"`, or `scope` with `/.default` behind it. The tenant
/// becomes a part of a URL, and is left out if it is none; whether its host is
/// believed is decided where secrets are sent (`service::azure`).
pub(in crate::keys) fn audience(challenge: &str) -> Option<Audience> {
    if challenge.len() > LONGEST {
        return None;
    }
    let challenges = http_auth::parse_challenges(challenge).ok()?;
    let bearer = |one: &&http_auth::ChallengeRef<'_>| one.scheme.eq_ignore_ascii_case("bearer");
    let bearer = challenges.iter().find(bearer)?;
    let parameter = |name: &str| {
        let mut all = bearer.params.iter();
        let (_, value) = all.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    let scope = || Some(parameter("scope")?.strip_suffix("/.default")?.to_owned());
    let resource: Url = parameter("resource").or_else(scope)?.parse().ok()?;
    let is_plain = resource.scheme() == "https" && resource.query().is_none();
    let resource = is_plain.then(|| resource.to_string())?;
    let authority = parameter("authorization").or_else(|| parameter("authorization_uri"));
    let authority: Option<Url> = authority.and_then(|text| text.parse().ok());
    let tenant = authority
        .as_ref()
        .and_then(|url| url.path_segments()?.next());
    let tenant = tenant.filter(|tenant| is_tenant(tenant)).map(str::to_owned);
    let host = authority.as_ref().and_then(|url| url.host_str());
    Some(Audience {
        resource: resource.trim_end_matches('/').to_owned(),
        tenant,
        authority: host.map(str::to_owned),
    })
}

/// Whether a token for `resource` may be shown to the vault: its host is the
/// vault's, or one that the vault's is below, as `vault.azure.net` is of every
/// vault (KEY-102). A host that merely ends alike is not below it.
pub(in crate::keys) fn is_shown_to(resource: &str, vault: &Url) -> bool {
    let resource = resource.parse::<Url>().ok();
    let host = resource.as_ref().and_then(Url::host_str);
    let (Some(host), Some(vault)) = (host, vault.host_str()) else {
        return false;
    };
    let above = vault.strip_suffix(host);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// An error answer, sorted by the user's remedy. Azure says 403 of a key that
/// does not sign now, too: the inner code tells it from a lack of rights.
pub(super) fn refusal(response: &Response, action: String) -> Trouble {
    let refusal = json::<AzureRefusal>(response).map(|refusal| refusal.error);
    let refusal = refusal.unwrap_or_default();
    let text = Some(refusal.message.as_str()).filter(|text| !text.is_empty());
    let answer = said(response, text);
    let inner = refusal.innererror.and_then(|inner| inner.code);
    match (response.status.as_u16(), inner.as_deref()) {
        (403, Some("KeyDisabled" | "KeyNotYetValid" | "KeyExpired")) => Trouble::Unfit {
            reason: format!("{action}{answer}"),
        },
        (401 | 403, _) => Trouble::Denied { action, answer },
        (404, _) => Trouble::Missing { action, answer },
        (status, _) => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_audience_and_tenant() {
        let login = "https://login.microsoftonline.com/72f988bf";
        let of =
            |resource: &str| audience(&format!(r#"Bearer authorization="{login}", {resource}"#));
        let expected = Some(Audience {
            resource: "https://vault.azure.net".to_owned(),
            tenant: Some("72f988bf".to_owned()),
            authority: Some("login.microsoftonline.com".to_owned()),
        });
        assert_eq!(of(r#"resource="https://vault.azure.net""#), expected);
        assert_eq!(of(r#"scope="https://vault.azure.net/.default""#), expected);
        for odd in [
            r#"resource="vault""#,
            r#"resource="http://v""#,
            r#"realm="x""#,
        ] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(audience("Basic realm=\"x\""), None);
    }

    /// KEY-102
    #[test]
    fn a_token_goes_to_hosts_below_its_resource_alone() {
        let vault: Url = "https://v.vault.azure.net/".parse().unwrap();
        for resource in ["https://vault.azure.net", "https://v.vault.azure.net"] {
            assert!(is_shown_to(resource, &vault), "{resource}");
        }
        for resource in [
            "https://ault.azure.net",
            "https://management.azure.com",
            "https://other.vault.azure.net",
            "https://v.vault.azure.net.evil.example",
            "",
        ] {
            assert!(!is_shown_to(resource, &vault), "{resource}");
        }
    }

    /// KEY-101
    #[test]
    fn a_version_is_of_the_same_vault_and_key() {
        let base: Url = "https://v.vault.azure.net/".parse().unwrap();
        let version = |kid: &str| {
            let body = format!(r#"{{"key":{{"kid":"{kid}","kty":"EC"}}}}"#);
            let answer = KeyAnswer::parse(body.as_bytes()).unwrap();
            answer.version(&base, "k").map(|(url, _)| url.to_string())
        };
        let kid = "https://v.vault.azure.net/keys/k/0a1b";
        assert_eq!(version(kid).as_deref(), Some(kid));
        for kid in [
            "https://w.vault.azure.net/keys/k/0a1b",
            "http://v.vault.azure.net/keys/k/0a1b",
            "https://v.vault.azure.net/keys/l/0a1b",
            "https://v.vault.azure.net/keys/k",
            "https://v.vault.azure.net/keys/k/",
            "https://v.vault.azure.net/keys/k/a%2fb",
            "k",
        ] {
            assert_eq!(version(kid), None, "{kid}");
        }
    }

    #[test]
    fn a_key_that_does_not_sign_says_why() {
        let why = |more: &str| {
            let body = format!(r#"{{"key":{{"kid":"k","kty":"EC"{more}}}"#);
            let answer = KeyAnswer::parse(body.as_bytes()).unwrap();
            answer.unfitness("2026-01-01T00:00:00Z".parse().unwrap())
        };
        assert_eq!(why("}"), None);
        assert_eq!(why(r#","key_ops":["verify","sign"]}"#), None);
        assert_eq!(
            why(r#","key_ops":["encrypt"]}"#),
            Some("`sign` is none of its operations")
        );
        assert_eq!(
            why(r#"},"attributes":{"enabled":false}"#),
            Some("it is disabled")
        );
        assert_eq!(
            why(r#"},"attributes":{"exp":1000}"#),
            Some("it has expired")
        );
        assert_eq!(
            why(r#"},"attributes":{"nbf":9999999999}"#),
            Some("it is not valid yet")
        );
    }
}
