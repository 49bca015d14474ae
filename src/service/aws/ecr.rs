//! Amazon's registries: a user and a password for `docker login` (ECR API
//! 2015-09-21 and ECR Public API 2020-10-30, `GetAuthorizationToken`).
//! `store` decides when a registry is logged in to by the identity: after all
//! sources that somebody wrote down. The password is good for hours, and for all
//! that the identity may do with images of the account.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::partition::Region;
use super::{Aws, of_endpoint};
use crate::http::Client;
use crate::secret::Secret;
use crate::service::{AwsApi, ServiceError, ServiceName, Trouble};

/// The ends of the hosts' names, behind the region. A list, since the owner of a
/// name that looks alike would be shown the password.
const SUFFIXES: [&str; 9] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "on.aws",
    "on.amazonwebservices.com.cn",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];
const PUBLIC: &str = "public.ecr.aws";

/// A registry of Amazon's, by its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcrRegistry {
    api: AwsApi,
    region: Region,
}

/// A user and a password.
pub struct EcrLogin {
    pub user: String,
    pub password: Secret,
}

#[derive(Serialize)]
struct EcrQuestion {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EcrAnswer {
    authorization_data: EcrData,
}

/// One account's token, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum EcrData {
    Many(Vec<EcrToken>),
    One(EcrToken),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EcrToken {
    authorization_token: Zeroizing<String>,
}

impl EcrRegistry {
    /// `<account>.dkr.ecr[-fips].<region>.amazonaws.com` and its like, with `-`
    /// for the first `.` behind `dkr` where the host has IPv6; or
    /// `public.ecr.aws`.
    pub fn of_host(host: &str) -> Option<Self> {
        if host == PUBLIC {
            return Some(Self {
                api: AwsApi::EcrPublic,
                // It has its one endpoint for logging in there.
                region: Region::parse("us-east-1")?,
            });
        }
        let (account, rest) = host.split_once('.')?;
        let rest = rest
            .strip_prefix("dkr.ecr")
            .or_else(|| rest.strip_prefix("dkr-ecr"))?;
        let rest = rest.strip_prefix("-fips").unwrap_or(rest);
        let (region, suffix) = rest.strip_prefix('.')?.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        (is_account && SUFFIXES.contains(&suffix)).then_some(Self {
            api: AwsApi::Ecr,
            region: Region::parse(region)?,
        })
    }

    /// Asks for a password, which is hidden from now on.
    ///
    /// # Errors
    /// On everything but one.
    pub async fn log_in(&self, aws: &Aws, client: &Client) -> Result<EcrLogin, ServiceError> {
        let endpoint = aws.endpoint(self.api, &self.region, None);
        let endpoint = endpoint.map_err(|trouble| ServiceError {
            service: ServiceName::Aws(self.api),
            trouble,
        })?;
        let asked = aws.ask(client, &endpoint, "GetAuthorizationToken", &EcrQuestion {});
        let answer: EcrAnswer = asked.await?;
        let login = answer.login();
        let login = login.ok_or_else(|| {
            let action = super::action(&endpoint, "GetAuthorizationToken");
            let reason = "it holds no user and password";
            of_endpoint(&endpoint, Trouble::Answer { action, reason })
        })?;
        client.secrets().remember(login.password.expose());
        Ok(login)
    }
}

impl EcrAnswer {
    /// Base64 of `user:password`, of the first account: the one of the identity,
    /// since the question names none.
    pub(super) fn login(self) -> Option<EcrLogin> {
        let token = match self.authorization_data {
            EcrData::Many(tokens) => tokens.into_iter().next()?,
            EcrData::One(token) => token,
        };
        let pair = STANDARD.decode(token.authorization_token.as_bytes()).ok()?;
        let pair = Secret::new(pair);
        let (user, password) = pair.expose_str()?.split_once(':')?;
        let is_fit = !password.is_empty() && !password.contains(char::is_control);
        is_fit.then(|| EcrLogin {
            user: user.to_owned(),
            password: Secret::from(password.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SIG-100
    #[test]
    fn amazon_s_registries_are_known_by_their_hosts() {
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
            ),
            ("123456789012.dkr-ecr.us-east-2.on.aws", "us-east-2"),
            ("public.ecr.aws", "us-east-1"),
        ] {
            let registry = EcrRegistry::of_host(host).unwrap();
            assert_eq!(registry.region.as_str(), region);
        }
        for host in [
            "registry.example",
            "dkr.ecr.eu-west-1.amazonaws.com",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example",
            "123456789012.dkr.ecr.a.b.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "x.public.ecr.aws",
        ] {
            assert_eq!(EcrRegistry::of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_token_is_a_user_and_a_password() {
        let token = STANDARD.encode("AWS:pass:word");
        for json in [
            format!(
                r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1.5}}]}}"#
            ),
            format!(r#"{{"authorizationData":{{"authorizationToken":"{token}"}}}}"#),
        ] {
            let answer: EcrAnswer = serde_json::from_str(&json).unwrap();
            let login = answer.login().unwrap();
            assert_eq!(login.user, "AWS");
            assert_eq!(login.password.expose(), b"pass:word");
        }
    }
}
