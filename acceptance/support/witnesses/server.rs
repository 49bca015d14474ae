//! The servers behind the fronts. Tests that run at the same time share one of each
//! kind; with the last of these tests it ends.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::files::{Listed, Role};
use super::forward::Upstream;
use super::{Witness, log, timestamps};
use crate::support::served::Served;

/// A witness in processes of its own, which end with this value.
pub struct Server {
    upstream: Upstream,
    names: Vec<Name>,
    _processes: Vec<Served>,
}

/// What the files will say, wherever the front stands.
pub struct Name {
    pub role: Role,
    /// The host's name, without a port; the front's own if there is none.
    pub host: Option<&'static str>,
    pub path: &'static str,
    pub pem: String,
}

impl Server {
    pub fn new(upstream: Upstream, names: Vec<Name>, processes: Vec<Served>) -> Self {
        Self {
            upstream,
            names,
            _processes: processes,
        }
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// As the files list it behind a front at `<address>:<port>`.
    pub fn listed(&self, front: &str) -> Vec<Listed> {
        let (address, port) = front.rsplit_once(':').expect("a port");
        let names = self.names.iter().map(|name| {
            let host = name.host.unwrap_or(address);
            let url = format!("http://{host}:{port}{}", name.path);
            Listed::new(name.role, url, name.pem.as_str())
        });
        names.collect()
    }
}

/// The server of all tests that want it now.
pub fn shared(witness: Witness) -> Arc<Server> {
    static TIMESTAMPS: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    static LOG_V2: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let (place, start): (_, fn() -> Server) = match witness {
        Witness::TimestampAuthority => (&TIMESTAMPS, timestamps::start),
        Witness::LogV2 => (&LOG_V2, log::start),
    };
    // Where one could not be started, the next test tries again.
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    place.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *place = Arc::downgrade(&server);
        server
    })
}
