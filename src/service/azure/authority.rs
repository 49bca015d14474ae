//! The hosts that vouch for users: one for each of Azure's clouds. An
//! application's secret goes there, and to no host that a vault or registry
//! merely names (KEY-104).

use url::Url;

use super::audience::Audience;
use crate::http::Zone;
use crate::service::error::Trouble;
use crate::service::oauth;
use crate::service::variables::Variables;

const PUBLIC: &str = "login.microsoftonline.com";
const GOVERNMENT: &str = "login.microsoftonline.us";
const CHINA: &str = "login.chinacloudapi.cn";
/// A service may name these, and no other, as the host that a secret goes to.
const KNOWN: [&str; 5] = [
    PUBLIC,
    GOVERNMENT,
    CHINA,
    "login.partner.microsoftonline.cn",
    "login.microsoft.com",
];

/// The host, if the user chose one.
pub(super) struct AzureAuthority(Option<Url>);

impl AzureAuthority {
    pub(super) fn find(variables: &Variables) -> Result<Self, Trouble> {
        if let Some(text) = variables.text("AZURE_AUTHORITY_HOST") {
            let text = match text.contains("://") {
                true => text,
                false => format!("https://{text}"),
            };
            let url = oauth::safe_url(&text);
            let url = url.map_err(|reason| Trouble::setting("AZURE_AUTHORITY_HOST", reason))?;
            return Ok(Self(Some(url)));
        }
        let Some(cloud) = variables.text("AZURE_ENVIRONMENT") else {
            return Ok(Self(None));
        };
        let host = host_of(&cloud).ok_or_else(|| {
            let reason = "no such cloud is known; AZURE_AUTHORITY_HOST can name its host";
            Trouble::setting("AZURE_ENVIRONMENT", reason)
        })?;
        Ok(Self(oauth::safe_url(&format!("https://{host}")).ok()))
    }

    /// The URL at which a token is asked for: of the user's own host before the
    /// service's. `tenant` is the application's, and never the service's.
    pub(super) fn token_url(&self, tenant: &str, audience: &Audience) -> Result<Url, Trouble> {
        let named = audience.authority.as_deref();
        let named = named.filter(|host| KNOWN.contains(host));
        let base = match &self.0 {
            Some(url) => url.origin().ascii_serialization(),
            None => format!("https://{}", named.unwrap_or(PUBLIC)),
        };
        let url = format!("{base}/{tenant}/oauth2/v2.0/token");
        oauth::safe_url(&url).map_err(|reason| Trouble::setting(url, reason))
    }
}

/// The host of a cloud of Azure's, by the name that its tools give it.
fn host_of(cloud: &str) -> Option<&'static str> {
    match cloud.to_ascii_lowercase().as_str() {
        "azurecloud" | "azurepubliccloud" => Some(PUBLIC),
        "azureusgovernment" | "azureusgovernmentcloud" => Some(GOVERNMENT),
        "azurechinacloud" => Some(CHINA),
        _ => None,
    }
}

/// Whether a text can be a tenant's name: a UUID or a domain. It becomes a part
/// of a URL and an argument of `az`, and so must not begin with a dash.
pub fn is_tenant(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=255).contains(&text.len()) && !text.starts_with(['-', '.']) && text.bytes().all(is_allowed)
}

/// The base of a metadata service, which a variable names: plain HTTP on this
/// machine or its link alone.
pub(super) fn near(name: &str, text: &str) -> Result<Url, Trouble> {
    let setting = |reason| Trouble::setting(name, reason);
    let url: Url = text.parse().map_err(|_| setting("it is no URL"))?;
    let is_near = matches!(Zone::of(&url), Zone::Loopback | Zone::Link);
    match url.scheme() {
        "http" if is_near => Ok(url),
        "https" => Ok(url),
        "http" => Err(setting("it is neither on this machine nor on its link")),
        _ => Err(setting("it is not HTTP")),
    }
}
