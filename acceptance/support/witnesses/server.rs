//! A server behind fronts.

use std::any::Any;

use super::files::{Listed, Role};
use super::forward::Upstream;

/// A witness in processes of its own, which end with this value.
pub struct Server {
    upstream: Upstream,
    names: Vec<Name>,
    _processes: Box<dyn Any + Send + Sync>,
}

/// The entry in the files, wherever the front stands.
pub struct Name {
    pub role: Role,
    pub place: Place,
    pub pem: String,
}

pub enum Place {
    /// A path of the front.
    Front(&'static str),
    /// The front, by another name than its address.
    Named(&'static str),
    /// A URL that no front stands before.
    Elsewhere(String),
}

impl Place {
    fn url(&self, front: &str) -> String {
        match self {
            Self::Front(path) => format!("http://{front}{path}"),
            Self::Named(host) => {
                let (_address, port) = front.rsplit_once(':').expect("a port");
                format!("http://{host}:{port}")
            }
            Self::Elsewhere(url) => url.clone(),
        }
    }
}

impl Server {
    pub fn new(upstream: Upstream, names: Vec<Name>, processes: impl Any + Send + Sync) -> Self {
        Self {
            upstream,
            names,
            _processes: Box::new(processes),
        }
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// As the files list it behind a front at `<address>:<port>`.
    pub fn listed(&self, front: &str) -> Vec<Listed> {
        let names = self.names.iter().map(|name| {
            let url = name.place.url(front);
            Listed::new(name.role, url, name.pem.as_str())
        });
        names.collect()
    }
}
