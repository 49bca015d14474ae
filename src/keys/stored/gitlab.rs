//! `gitlab://PROJECT`: a key file in a variable of a project's CI, or of a
//! group's (GitLab REST API v4, "Project-level CI/CD variables").

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{Stored, action, failed, nonsense, setting};
use crate::http::header::HeaderValue;
use crate::http::{Client, Method, Redirects, Request, Response, Trust};
use crate::keys::error::UriError;
use crate::service::{GitLabProject, ServiceError, ServiceName, Trouble, Variables, said};

const KEY: &str = "COSIGN_PRIVATE_KEY";
const PASSWORD: &str = "COSIGN_PASSWORD";
const HOST: &str = "https://gitlab.com";
const KEY_LIMIT: u64 = 256 * 1024;

/// A project, or a group, by its path or its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitLabUri(String);

impl GitLabUri {
    /// Parses a URI.
    ///
    /// # Errors
    /// On one that names nothing.
    pub(in crate::keys) fn parse(uri: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "gitlab://",
            reason,
            form: "gitlab://GROUP/PROJECT",
        };
        let project = uri.strip_prefix("gitlab://");
        let project = project.ok_or_else(|| malformed("two slashes follow the scheme"))?;
        let is_path = |part: &str| {
            let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(is_allowed)
        };
        match project.split('/').all(is_path) {
            true => Ok(Self(project.to_owned())),
            false => Err(malformed("it is no path of a project and no number")),
        }
    }
}

impl fmt::Display for GitLabUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gitlab://{}", self.0)
    }
}

/// A project whose GitLab has not been asked yet.
pub(super) struct Closed {
    name: ServiceName,
    project: String,
    host: Url,
    token: HeaderValue,
}

/// Who may have variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Project,
    Group,
}

#[derive(Deserialize)]
struct Variable {
    value: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Closed {
    pub(super) fn find(uri: &GitLabUri, variables: &Variables) -> Result<Self, ServiceError> {
        let name = |host: String| {
            ServiceName::GitLab(Box::new(GitLabProject {
                host,
                project: uri.0.clone(),
            }))
        };
        let unset = |trouble| failed(&name(String::new()), trouble);
        let host = variables.text("GITLAB_HOST");
        let host = crate::service::endpoint(host.as_deref().unwrap_or(HOST));
        let host = host.map_err(|reason| unset(setting("GITLAB_HOST", reason)))?;
        let token = variables.secret("GITLAB_TOKEN");
        let token = token.ok_or_else(|| unset(Trouble::NotSet("GITLAB_TOKEN")))?;
        let mut header = HeaderValue::from_bytes(token.expose().trim_ascii())
            .map_err(|_| unset(setting("GITLAB_TOKEN", "it holds no token")))?;
        header.set_sensitive(true);
        Ok(Self {
            name: name(host.host_str().unwrap_or_default().to_owned()),
            project: uri.0.clone(),
            host,
            token: header,
        })
    }

    /// The key, then its password, if the owner has one: from the project or, if
    /// there is none of this name, from the group, as cosign v3.1.2 does.
    pub(super) async fn fetch(self, client: &Arc<Client>) -> Result<Stored, ServiceError> {
        let fetched = self.fetch_both(client).await;
        let (key, password) = fetched.map_err(|trouble| failed(&self.name, trouble))?;
        let bytes = |value: Zeroizing<String>| value.as_bytes().to_vec();
        Ok(Stored::new(bytes(key), password.map(bytes), PASSWORD))
    }

    async fn fetch_both(
        &self,
        client: &Client,
    ) -> Result<(Zeroizing<String>, Option<Zeroizing<String>>), Trouble> {
        let mut owner = Owner::Project;
        let mut request = self.request(owner, KEY);
        let mut response = client.send(&request).await?;
        if response.status.as_u16() == 404 && says(&response, "Project Not Found") {
            owner = Owner::Group;
            let of_group = self.request(owner, KEY);
            let answer = client.send(&of_group).await?;
            // Where there is no group either, a project was meant.
            if !says(&answer, "Group Not Found") {
                (request, response) = (of_group, answer);
            }
        }
        let key = value(&request, &response)?;
        let request = self.request(owner, PASSWORD);
        let response = client.send(&request).await?;
        match response.status.as_u16() {
            404 => Ok((key, None)),
            _ => Ok((key, Some(value(&request, &response)?))),
        }
    }

    fn request(&self, owner: Owner, variable: &str) -> Request {
        let mut url = self.host.clone();
        let owners = match owner {
            Owner::Project => "projects",
            Owner::Group => "groups",
        };
        // An address of HTTP has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            let path = ["api", "v4", owners, &self.project, "variables", variable];
            segments.pop_if_empty().extend(path);
        }
        let mut request = Request::new(Method::GET, url, Trust::Verified);
        request.headers.insert("private-token", self.token.clone());
        // The token is for this host.
        request.redirects = Redirects::Answered;
        request.body_limit = KEY_LIMIT;
        request
    }
}

fn says(response: &Response, part: &str) -> bool {
    message(response).is_some_and(|message| message.contains(part))
}

fn message(response: &Response) -> Option<String> {
    let refusal: Refusal = serde_json::from_slice(&response.body).ok()?;
    Some(refusal.message)
}

fn value(request: &Request, response: &Response) -> Result<Zeroizing<String>, Trouble> {
    let action = action(request);
    let answer = || said(response, message(response).as_deref());
    match response.status.as_u16() {
        200 => {
            let variable: Result<Variable, _> = serde_json::from_slice(&response.body);
            let variable =
                variable.map_err(|_| nonsense(response, "it is not the JSON of a variable"))?;
            Ok(variable.value)
        }
        401 | 403 => Err(Trouble::Denied {
            action,
            answer: answer(),
        }),
        404 => Err(Trouble::Missing {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-77
    #[test]
    fn a_project_is_a_path_or_a_number() {
        for good in ["gitlab://42", "gitlab://group/sub/my-project.x"] {
            let parsed = GitLabUri::parse(good).map(|uri| uri.to_string());
            assert_eq!(parsed.as_deref(), Ok(good));
        }
        for bad in [
            "gitlab://",
            "gitlab:42",
            "gitlab:///a",
            "gitlab://a//b",
            "gitlab://a/../b",
            "gitlab://a?x",
            "gitlab://a b",
        ] {
            assert!(GitLabUri::parse(bad).is_err(), "{bad}");
        }
    }
}
