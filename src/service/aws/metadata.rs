//! Credentials that the place of a program gives it: a container's (ECS, EKS
//! Pod Identity; aws-sdk-go-v2 `credentials/endpointcreds`), and a virtual
//! machine's (EC2 User Guide, "Use the Instance Metadata Service", version 2).
//! Version 1 of the metadata service, which has no token, is not asked: a single
//! forged `GET` gets its credentials there.

use std::time::Duration;

use url::{Host, Url};

use super::credentials::{AwsCredentials, of_json, token_file};
use super::of_credentials;
use crate::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use crate::http::{
    Client, HttpError, Leash, Method, Redacted, Redirects, Request, Response, Trust,
};
use crate::secret::Secret;
use crate::service::{Said, ServiceError, Trouble, Variables, said, sensitive};

/// A host near by answers at once, and is not there on most machines: the whole
/// run must not wait for it (KEY-85). A leash also means that no proxy is asked.
const LEASH: Leash = Leash {
    time: Duration::from_secs(1),
    attempts: 2,
};
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Where a container asks, and the token that it shows.
pub(super) struct ContainerSource {
    url: Url,
    /// A file's is read once: a run is shorter than the time until it is replaced.
    token: Option<Secret>,
}

/// The metadata service of a virtual machine.
pub(super) struct Machine {
    pub(super) url: Url,
}

impl ContainerSource {
    /// The container that the variables of ECS and EKS name, if they do.
    ///
    /// # Errors
    /// On a URL that may not see a token, and on a file without one.
    pub(super) fn find(variables: &Variables) -> Result<Option<Self>, Trouble> {
        let relative = variables.text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = variables.text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        // AWS SDKs and Tools Reference Guide, "Container credential provider": the
        // full one counts only where the relative one is not set. botocore reads
        // them so; aws-sdk-go-v2 does for `EcsContainer`, and not for its chain.
        let url = match (relative, full) {
            (Some(path), _) => {
                // A path such as `//example.com/x` leads to another host.
                let url = Url::parse("http://169.254.170.2").ok();
                let url = url.and_then(|url| url.join(&path).ok());
                url.filter(is_container_host).ok_or_else(|| {
                    Trouble::setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "it is no path")
                })?
            }
            (None, Some(text)) => {
                let name = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
                let url = Url::parse(&text).map_err(|_| Trouble::setting(name, "it is no URL"))?;
                match url.scheme() == "https" || is_container_host(&url) {
                    true => url,
                    false => {
                        return Err(Trouble::setting(
                            name,
                            "its host may not see a token without TLS",
                        ));
                    }
                }
            }
            (None, None) => return Ok(None),
        };
        let name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        let token = match variables.path(name) {
            Some(path) => Some(token_file(variables, &path, name)?),
            None => variables.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        Ok(Some(Self { url, token }))
    }

    /// Asks for the container's credentials. A host with TLS is any host, and has
    /// the run's budget and proxies.
    pub(super) async fn ask(&self, client: &Client) -> Result<AwsCredentials, ServiceError> {
        let mut request = Request::new(Method::GET, self.url.clone(), Trust::Verified);
        request.redirects = Redirects::Answered;
        if self.url.scheme() == "http" {
            request.leash = Some(LEASH);
        }
        if let Some(token) = &self.token {
            let token = sensitive(token.expose());
            let token = token.ok_or_else(|| {
                of_credentials(Trouble::setting(
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                    "it is no token",
                ))
            })?;
            request.headers.insert(AUTHORIZATION, token);
        }
        let response = client.send(&request).await.map_err(of_credentials)?;
        of_answer(&response).map_err(of_credentials)
    }
}

/// The hosts that see a container's token without TLS: loopback, and the
/// addresses of ECS and of EKS Pod Identity. A name could mean any host, but for
/// `localhost`.
fn is_container_host(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Ipv4(address)) => {
                address.is_loopback() || matches!(address.octets(), [169, 254, 170, 2 | 23])
            }
            Some(Host::Ipv6(address)) => {
                address.is_loopback() || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
            }
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

impl Machine {
    /// Asks for a token, then for the role's name, then for its credentials.
    /// The inner error says why the machine has none: nobody answers, or no role is
    /// attached to it.
    ///
    /// # Errors
    /// On a service that is there, and fails or answers nonsense.
    pub(super) async fn ask(
        &self,
        client: &Client,
    ) -> Result<Result<AwsCredentials, String>, ServiceError> {
        let mut request = self.request(Method::PUT, "/latest/api/token")?;
        let lifetime = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
        request
            .headers
            // Seconds: the token is for the two requests below.
            .insert(lifetime, HeaderValue::from_static("300"));
        let token = match client.send(&request).await {
            Ok(response) if response.status.is_success() => response,
            Ok(response) => return Ok(Err(refused(&response))),
            Err(
                error @ (HttpError::Connect { .. }
                | HttpError::Silence { .. }
                | HttpError::Broken { .. }),
            ) => return Ok(Err(error.to_string())),
            Err(error) => return Err(of_credentials(error)),
        };
        let token = Secret::new(token.body.trim_ascii().to_vec());
        client.secrets().remember(token.expose());
        let token =
            sensitive(token.expose()).ok_or_else(|| of_credentials(useless("it is no token")))?;
        let roles = self.get(client, ROLES, &token).await?;
        let text = String::from_utf8_lossy(&roles.body).into_owned();
        // A machine has one role at most.
        let role = text.lines().next().unwrap_or_default().trim();
        if !roles.status.is_success() || role.is_empty() {
            return Ok(Err("the machine has no role".to_owned()));
        }
        let answer = self.get(client, &format!("{ROLES}{role}"), &token).await?;
        of_answer(&answer).map(Ok).map_err(of_credentials)
    }

    async fn get(
        &self,
        client: &Client,
        path: &str,
        token: &HeaderValue,
    ) -> Result<Response, ServiceError> {
        let mut request = self.request(Method::GET, path)?;
        let name = HeaderName::from_static("x-aws-ec2-metadata-token");
        request.headers.insert(name, token.clone());
        client.send(&request).await.map_err(of_credentials)
    }

    fn request(&self, method: Method, path: &str) -> Result<Request, ServiceError> {
        let url = self.url.join(path);
        let url = url.map_err(|_| of_credentials(useless("a role has a name that is none")))?;
        let mut request = Request::new(method, url, Trust::Verified);
        request.redirects = Redirects::Answered;
        request.leash = Some(LEASH);
        Ok(request)
    }
}

/// The credentials in an answer.
fn of_answer(response: &Response) -> Result<AwsCredentials, Trouble> {
    let action = || action(response);
    match response.status.as_u16() {
        200 => of_json(&response.body).ok_or_else(|| useless("it holds no credentials")),
        401 | 403 => Err(Trouble::Denied {
            action: action(),
            answer: said(response, None),
        }),
        status => Err(Trouble::Status {
            action: action(),
            status,
            answer: said(response, None),
        }),
    }
}

fn action(response: &Response) -> String {
    format!("credentials of `{}`", Redacted(&response.url))
}

fn refused(response: &Response) -> String {
    let words: Said = said(response, None);
    format!(
        "{} answers {}{words}",
        Redacted(&response.url),
        response.status.as_u16()
    )
}

fn useless(reason: &'static str) -> Trouble {
    Trouble::Answer {
        action: "credentials of the machine".to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::secret::Secrets;

    fn found(name: &'static str, value: &'static str) -> Result<Option<ContainerSource>, Trouble> {
        let lookup = move |asked: &str| (asked == name).then(|| value.into());
        ContainerSource::find(&Variables::new(
            lookup,
            Secrets::default(),
            crate::file::Files::until(Instant::now()),
        ))
    }

    /// KEY-85
    #[test]
    fn a_container_s_token_goes_to_few_hosts() {
        let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        for url in [
            "http://169.254.170.2/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.8.9.1:1/x",
            "http://[::1]/x",
            "http://localhost:1/x",
            "https://anywhere.example/x",
        ] {
            let container = found(full, url).unwrap().unwrap();
            assert_eq!(container.url.as_str(), url);
        }
        for url in [
            "http://169.254.169.254/x",
            "http://169.254.170.2.example/x",
            "http://10.0.0.1/x",
            "http://[fd00:ec2::254]/x",
            "ftp://127.0.0.1/x",
            "/x",
        ] {
            assert!(found(full, url).is_err(), "{url}");
        }
        let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        let container = found(relative, "/v2/credentials/1?a=b").unwrap().unwrap();
        let url = "http://169.254.170.2/v2/credentials/1?a=b";
        assert_eq!(container.url.as_str(), url);
        for path in ["//other.example/x", "http://10.0.0.1/"] {
            assert!(found(relative, path).is_err(), "{path}");
        }
        assert!(found("OTHER", "x").unwrap().is_none());
    }
}
