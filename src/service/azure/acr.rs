//! Azure's registries: a token of the identity for one of the registry's own
//! (<https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md>). `store` shows
//! that to the registry's token service as a refresh token.

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{Audience, AzureIdentity};
use crate::http::Client;
use crate::secret::Secret;
use crate::service::answer::action;
use crate::service::error::{ServiceError, ServiceName, Trouble};
use crate::service::oauth;

/// The ends of the hosts' names, and the authority for users of that cloud: a
/// registry has not been asked yet, and cannot name it.
const CLOUDS: [(&str, &str); 3] = [
    (".azurecr.io", "login.microsoftonline.com"),
    (".azurecr.us", "login.microsoftonline.us"),
    (".azurecr.cn", "login.chinacloudapi.cn"),
];
/// The audience of the first token. A registry may refuse those for Azure's
/// management.
const RESOURCE: &str = "https://containerregistry.azure.net";

/// A registry of Azure's, by its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcrRegistry {
    host: String,
    authority: &'static str,
}

#[derive(Deserialize)]
struct AcrAnswer {
    refresh_token: Zeroizing<String>,
}

impl AcrRegistry {
    /// `<name>.azurecr.io`, or its like in another cloud.
    pub fn of_host(host: &str) -> Option<Self> {
        let of_cloud = |(suffix, authority): &(&str, &'static str)| {
            let name = host.strip_suffix(suffix)?;
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let is_name = !name.is_empty() && name.bytes().all(is_allowed);
            is_name.then(|| Self {
                host: host.to_owned(),
                authority,
            })
        };
        CLOUDS.iter().find_map(of_cloud)
    }

    /// Asks for a refresh token, with which the registry's token service is
    /// asked for others. It is hidden from now on.
    ///
    /// # Errors
    /// On everything but one.
    pub async fn log_in(
        &self,
        identity: &AzureIdentity,
        client: &Client,
    ) -> Result<Secret, ServiceError> {
        let audience = Audience {
            resource: RESOURCE.to_owned(),
            tenant: None,
            authority: Some(self.authority.to_owned()),
        };
        let token = identity.token(client, &audience, None).await?;
        let exchanged = self.exchange(token.expose(), identity.tenant(), client);
        exchanged.await.map_err(|trouble| ServiceError {
            service: ServiceName::ContainerRegistry(self.host.clone()),
            trouble,
        })
    }

    async fn exchange(
        &self,
        token: &Secret,
        tenant: Option<&str>,
        client: &Client,
    ) -> Result<Secret, Trouble> {
        let useless = |action: String| Trouble::Answer {
            action,
            reason: "it holds no token",
        };
        let url = format!("https://{}/oauth2/exchange", self.host);
        let url: Url = url.parse().map_err(|_| useless(url))?;
        let token = token.expose_str().unwrap_or_default();
        let mut fields = vec![
            ("grant_type", "access_token"),
            ("service", &*self.host),
            ("access_token", token),
        ];
        fields.extend(tenant.map(|tenant| ("tenant", tenant)));
        let request = oauth::form(url, &fields);
        let response = client.send(&request).await?;
        let action = action(&request);
        if !response.status.is_success() {
            return Err(oauth::refusal(&response, action));
        }
        let answer = serde_json::from_slice::<AcrAnswer>(&response.body).ok();
        let answer = answer.filter(|answer| oauth::is_token(&answer.refresh_token));
        let token = answer.ok_or_else(|| useless(action))?.refresh_token;
        client.secrets().remember(token.as_bytes());
        Ok(Secret::from(String::clone(&token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_known_by_its_name() {
        for host in ["a.azurecr.io", "team-1.azurecr.cn"] {
            assert!(AcrRegistry::of_host(host).is_some(), "{host}");
        }
        for host in [
            ".azurecr.io",
            "azurecr.io",
            "a.b.azurecr.io",
            "a.azurecr.io:5000",
            "a.azurecr.io.example",
            "mcr.microsoft.com",
        ] {
            assert_eq!(AcrRegistry::of_host(host), None, "{host}");
        }
    }
}
