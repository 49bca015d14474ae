//! How to reach a registry: by which scheme, with which authorization.
//!
//! Both are learnt from the first request that has to be sent anyway; no
//! request is sent for their sake alone. Requests to a registry that has not
//! answered yet wait for that first one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use url::Url;

use super::challenge::Challenge;
use super::token::RegistryToken;
use crate::http::{Client, HttpError, Reach, Request, Response, Trust, Zone};
use crate::oci::{Registry, Repository};

/// A registry that has answered.
pub(super) struct Endpoint {
    pub(super) base: Url,
    pub(super) trust: Trust,
    /// The other hosts that its answers may name.
    pub(super) reach_elsewhere: Reach,
    /// The last one that it gave, of whichever request.
    challenge: Mutex<Option<Challenge>>,
    /// Its challenge at `/v2/`. Asked for once at most (WIRE-15).
    pub(super) greeting: OnceCell<Option<Challenge>>,
    /// The rights that it grants without authorization. A 404 there means
    /// absent, not hidden.
    open: Mutex<HashSet<(Repository, Right)>>,
    /// By scope, since one token is for one repository.
    tokens: Mutex<HashMap<String, TokenSlot>>,
    /// The repositories whose token got a 403 once, which may have meant that
    /// it had expired.
    doubted: Mutex<HashSet<Repository>>,
}

/// A right to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Right {
    Pull,
    Push,
}

/// The token of a scope. The first request that needs it fetches it; the others
/// wait.
pub(super) type TokenSlot = Arc<AsyncMutex<Option<RegistryToken>>>;

impl Endpoint {
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_challenge(&self, challenge: Challenge) {
        *self
            .challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(challenge);
    }

    /// Notes that the registry granted a right without authorization.
    pub(super) fn note_open(&self, repository: &Repository, right: Right) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert((repository.clone(), right));
    }

    pub(super) fn is_open(&self, repository: &Repository, right: Right) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains(&(repository.clone(), right))
    }

    pub(super) fn token(&self, scope: &str) -> TokenSlot {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(scope.to_owned()).or_default())
    }

    /// Whether a token for `repository` is suspected to have expired for the
    /// first time.
    pub(super) fn is_first_doubt(&self, repository: &Repository) -> bool {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        doubted.insert(repository.clone())
    }
}

/// Whether the user allows this registry an untrusted certificate, or no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Safety {
    Secure,
    Insecure,
}

/// The ways to reach `registry`, most likely or safest first
/// (`spec/decisions/0004`).
fn ways(registry: &Registry, safety: Safety) -> Vec<(&'static str, Trust)> {
    let tls = match safety {
        Safety::Secure => ("https", Trust::Verified),
        Safety::Insecure => ("https", Trust::Unverified),
    };
    let plain = ("http", tls.1);
    match safety {
        // Nothing leaves the machine, and a server that hangs on a TLS hello
        // cannot stall the run.
        _ if registry.is_loopback() => vec![plain, tls],
        // No downgrade: an HTTP server on this port is an error (case 7).
        Safety::Secure if !registry.is_local() => vec![tls],
        _ => vec![tls, plain],
    }
}

/// Sends the first request to `registry`, until one of the ways leads to an
/// answer; `request` makes it for a base URL. Gives the answer too.
pub(super) async fn reach(
    client: &Client,
    registry: &Registry,
    safety: Safety,
    request: impl Fn(&Url, Trust) -> Request,
) -> Result<(Endpoint, Response), HttpError> {
    let mut ways = Vec::new();
    let mut requests = Vec::new();
    for (scheme, trust) in self::ways(registry, safety) {
        if let Ok(base) = Url::parse(&format!("{scheme}://{registry}/")) {
            requests.push(request(&base, trust));
            ways.push((base, trust));
        }
    }
    let Some((first, others)) = requests.split_first() else {
        return Err(HttpError::NotAHost {
            host: registry.clone(),
        });
    };
    // A port that wants TLS answers a plain request too: that is no answer of
    // the registry.
    let is_answer = |answer: &Response| !wants_tls(answer);
    let (chosen, answer) = client.send_one_of(first, others, is_answer).await?;
    match ways.into_iter().nth(chosen) {
        Some((base, trust)) => {
            let mut endpoint = endpoint(base, trust);
            // An answer from elsewhere, after a redirect, says nothing of where
            // the registry lies.
            if endpoint.base.origin() == answer.url.origin() {
                endpoint.reach_elsewhere = answer.reach_elsewhere();
            }
            Ok((endpoint, answer))
        }
        None => Err(HttpError::NotAHost {
            host: registry.clone(),
        }),
    }
}

/// Until it answers, a registry may name others by what its URL spells.
pub(super) fn endpoint(base: Url, trust: Trust) -> Endpoint {
    let reach_elsewhere = match Zone::of(&base) {
        Zone::Loopback => Reach::Any,
        _ => Reach::Outward,
    };
    Endpoint {
        base,
        trust,
        reach_elsewhere,
        challenge: Mutex::default(),
        greeting: OnceCell::new(),
        open: Mutex::default(),
        tokens: Mutex::default(),
        doubted: Mutex::default(),
    }
}

/// Servers that expect TLS answer a plain request with 400 and some such
/// sentence (Go: "Client sent an HTTP request to an HTTPS server").
fn wants_tls(answer: &Response) -> bool {
    answer.url.scheme() == "http"
        && answer.status.as_u16() == 400
        && String::from_utf8_lossy(&answer.body).contains("HTTPS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_only_spoken_where_it_may_be() {
        let schemes = |registry: &str, safety| -> Vec<_> {
            ways(&registry.parse().unwrap(), safety)
                .into_iter()
                .map(|(scheme, _)| scheme)
                .collect()
        };
        assert_eq!(schemes("r.io", Safety::Secure), ["https"]);
        assert_eq!(schemes("r.io", Safety::Insecure), ["https", "http"]);
        assert_eq!(schemes("10.0.0.1:5000", Safety::Secure), ["https", "http"]);
        assert_eq!(schemes("localhost:5000", Safety::Secure), ["http", "https"]);
        assert_eq!(
            ways(&"localhost".parse().unwrap(), Safety::Secure)[1].1,
            Trust::Verified
        );
    }
}
