//! The servers behind the fronts. Tests that run at the same time share one of each
//! kind; with the last of these tests it ends.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::files::{Listed, Role};
use super::forward::Upstream;
use super::{Witness, authority, log_v1, log_v2, timestamps};

/// A witness in processes of its own, which end with this value.
pub struct Server {
    upstream: Upstream,
    names: Vec<Name>,
    _processes: Box<dyn Any + Send + Sync>,
}

/// What the files will say, wherever the front stands.
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

/// The server of all tests that want it now.
pub fn shared(witness: Witness) -> Arc<Server> {
    static TIMESTAMPS: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static LOG_V1: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static LOG_V2: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static AUTHORITY: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static UNLOGGED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let (place, start): (_, fn() -> Server) = match witness {
        Witness::TimestampAuthority => (&TIMESTAMPS, timestamps::start),
        Witness::LogV2 => (&LOG_V2, log_v2::start),
        Witness::LogV1 => (&LOG_V1, log_v1::start),
        Witness::Authority => (&AUTHORITY, authority::start),
        Witness::UnloggedAuthority => (&UNLOGGED, authority::start_unlogged),
    };
    // Where one could not be started, the next test tries again.
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    place.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *place = Arc::downgrade(&server);
        server
    })
}
