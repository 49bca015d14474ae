//! Requests, taken apart.

use bytes::Bytes;

/// A request, taken apart.
#[derive(Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// `/v2/<repository>/<kind>/<rest>`.
pub(super) struct Route<'a> {
    pub(super) repository: &'a str,
    pub(super) kind: &'a str,
    pub(super) rest: &'a str,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(known, _)| known == name);
        pair.map(|(_, value)| value.as_str())
    }

    pub(super) fn route(&self) -> Option<Route<'_>> {
        let path = self.path.strip_prefix("/v2/")?;
        ["blobs/uploads", "manifests", "blobs", "referrers", "tags"]
            .into_iter()
            .find_map(|kind| {
                let (repository, rest) = path.split_once(&format!("/{kind}/"))?;
                Some(Route {
                    repository,
                    kind,
                    rest,
                })
            })
    }

    pub fn repository(&self) -> Option<&str> {
        self.route().map(|route| route.repository)
    }

    /// The action of a token's scope that this call needs.
    pub fn action(&self) -> &'static str {
        match self.method.as_str() {
            "GET" | "HEAD" => "pull",
            _ => "push",
        }
    }
}
