//! The addresses of a host's name, as the system knows them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::beside;

/// Asks the system as the library does, but on a thread that the system may
/// refuse: the pool that the library uses panics then (`spec/decisions/0020`).
pub(super) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = addresses(name.as_str().to_owned()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// All addresses of `name`, with port 0.
///
/// # Errors
/// On a name that the system does not find.
pub(super) async fn addresses(name: String) -> io::Result<Vec<SocketAddr>> {
    let found = beside::run(move || (name.as_str(), 0).to_socket_addrs()).await;
    Ok(found.map_err(io::Error::other)??.collect())
}
