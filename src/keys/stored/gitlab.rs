//! `gitlab://PROJECT`: a key file in a variable of a project's CI, or of a
//! group's (GitLab REST API v4, "Project-level CI/CD variables").
//!
//! Implements KEY-77 and KEY-78. A job's own token cannot read variables, so that
//! `GITLAB_TOKEN` is a person's or a project's; in a job
//! `env://COSIGN_PRIVATE_KEY` needs none.

use std::sync::Arc;

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::key_text::Stored;
use crate::http::header::HeaderValue;
use crate::http::{Client, Method, Redirects, Request, Response, Trust};
use crate::keys::uri::GitLabUri;
use crate::service::{
    GitLabProject, ServiceError, ServiceName, Trouble, Variables, action, host_of, nonsense,
    parse_endpoint, said, sensitive,
};

const KEY: &str = "COSIGN_PRIVATE_KEY";
const PASSWORD: &str = "COSIGN_PASSWORD";
const HOST: &str = "https://gitlab.com";
/// A key file has at most 64 KiB, here in JSON.
const KEY_LIMIT: u64 = 256 * 1024;

/// A project whose GitLab has not been asked yet.
pub(super) struct ClosedVariable {
    name: ServiceName,
    /// Its path or its number; it becomes one escaped segment of the URL.
    project: String,
    host: Url,
    token: HeaderValue,
}

/// An owner of variables.
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
struct GitLabRefusal {
    message: String,
}

impl ClosedVariable {
    pub(super) fn find(uri: &GitLabUri, variables: &Variables) -> Result<Self, ServiceError> {
        let name = |host: String| {
            ServiceName::GitLab(Box::new(GitLabProject {
                host,
                project: uri.project().to_owned(),
            }))
        };
        let unset = |trouble| name(String::new()).failed(trouble);
        let host = variables.text("GITLAB_HOST");
        let host = parse_endpoint(host.as_deref().unwrap_or(HOST));
        let host = host.map_err(|reason| unset(Trouble::setting("GITLAB_HOST", reason)))?;
        let token = variables.secret("GITLAB_TOKEN");
        let token = token.ok_or_else(|| unset(Trouble::NotSet("GITLAB_TOKEN")))?;
        let header = sensitive(token.expose().trim_ascii());
        let header =
            header.ok_or_else(|| unset(Trouble::setting("GITLAB_TOKEN", "it holds no token")))?;
        Ok(Self {
            name: name(host_of(&host)),
            project: uri.project().to_owned(),
            host,
            token: header,
        })
    }

    /// The key, then its password, if the owner has one: from the project or, if
    /// there is none of this name, from the group, as cosign v3.1.2 does. cosign
    /// asks for the project itself first; its variable says as much, with one
    /// request less.
    pub(super) async fn fetch(self, client: &Arc<Client>) -> Result<Stored, ServiceError> {
        let fetched = self.fetch_both(client).await;
        let (key, password) = fetched.map_err(|trouble| self.name.failed(trouble))?;
        let bytes = |value: Zeroizing<String>| value.as_bytes().to_vec();
        Ok(Stored::new(bytes(key), password.map(bytes), PASSWORD))
    }

    async fn fetch_both(
        &self,
        client: &Client,
    ) -> Result<(Zeroizing<String>, Option<Zeroizing<String>>), Trouble> {
        // A project that lacks the variable is answered with 404 too, and no
        // group is asked for then: the words tell the two apart.
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
    let refusal: GitLabRefusal = serde_json::from_slice(&response.body).ok()?;
    Some(refusal.message)
}

fn value(request: &Request, response: &Response) -> Result<Zeroizing<String>, Trouble> {
    let action = action(request);
    let answer = || said(response, message(response).as_deref());
    match response.status.as_u16() {
        200 => {
            let variable: Result<Variable, _> = serde_json::from_slice(&response.body);
            let variable =
                variable.map_err(|_| nonsense(request, "it is not the JSON of a variable"))?;
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
