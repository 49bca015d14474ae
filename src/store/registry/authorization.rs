//! The authorization that requests for a repository show: none at first, then
//! the one that the registry's challenge asks for. Only the registry's own
//! origin can ask.

use std::sync::{Arc, PoisonError};

use super::challenge::{self, Challenge};
use super::credentials::{Credential, IdentityProof};
use super::endpoint::Endpoint;
use super::error::{Shown, StoreError};
use super::known::Slot;
use super::token;
use super::token_service::{self, TokenRequest};
use super::{Ask, Registries, Resolved, Target};
use crate::http::header::HeaderValue;
use crate::http::{Method, Response};
use crate::oci::Repository;

impl Registries {
    /// The header that the registry's last challenge asks for. `rejected` was
    /// answered with 401 and is not shown again.
    pub(super) async fn authorization(
        &self,
        endpoint: &Endpoint,
        repository: &Repository,
        ask: &Ask<'_>,
        rejected: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, StoreError> {
        match endpoint.challenge() {
            None => Ok(None),
            Some(Challenge::Basic) => self.verbatim(repository).await,
            Some(Challenge::Bearer { realm, service }) => {
                let scope = self.scope(repository, ask);
                let slot = endpoint.token(&scope);
                // Held while a token is fetched: requests with the same scope
                // wait for it (WIRE-11).
                let mut kept = slot.lock().await;
                if let Some(token) = kept.as_ref()
                    && token.is_fresh()
                    && rejected != Some(&token.header)
                {
                    return Ok(Some(token.header.clone()));
                }
                // Two fresh tokens were refused: the token is not the cause, so
                // the refusal is final.
                if let Some(token) = kept.as_ref()
                    && token.is_second
                    && token.is_new()
                    && rejected == Some(&token.header)
                {
                    return Ok(Some(token.header.clone()));
                }
                let credential = self.credential(repository).await?;
                // A registry token is final: nobody exchanges it.
                if let IdentityProof::Bearer(token) = &credential.identity {
                    return Ok(token.expose_str().and_then(token::bearer));
                }
                let wanted = TokenRequest {
                    realm: &realm,
                    service: service.as_deref(),
                    scope: &scope,
                    credential: &credential,
                    action: ask.action,
                };
                let mut token = token_service::fetch(&self.client, endpoint, &wanted).await?;
                token.is_second = rejected.is_some() && kept.is_some();
                let header = token.header.clone();
                *kept = Some(token);
                Ok(Some(header))
            }
        }
    }

    /// Whether the same request may get another answer with another
    /// authorization than `shown`.
    pub(super) async fn may_do_better(
        &self,
        endpoint: &Endpoint,
        repository: &Repository,
        ask: &Ask<'_>,
        response: &Response,
        shown: Option<&HeaderValue>,
    ) -> Result<bool, StoreError> {
        if shown.is_none() && response.status.is_success() {
            endpoint.note_open(repository, ask.right());
        }
        // A challenge of another host, to which the registry led, asks for
        // nothing: the registry's credentials are not for it.
        if response.url.origin() != endpoint.base.origin() {
            return Ok(false);
        }
        let status = response.status.as_u16();
        let challenge = match status {
            // A challenge may come with any refusal of a request that showed
            // nothing; later only 401 says that the authorization is the cause.
            401 => challenge::choose(&response.headers),
            403 | 404 if shown.is_none() => challenge::choose(&response.headers),
            _ => None,
        };
        Ok(match (status, challenge) {
            (_, Some(challenge)) => {
                endpoint.set_challenge(challenge);
                true
            }
            (401 | 403 | 404, None) if shown.is_none() => {
                self.may_be_hidden(endpoint, repository, ask, status)
                    .await?
            }
            (403, None) => {
                self.may_have_expired(endpoint, repository, ask, shown)
                    .await
            }
            _ => false,
        })
    }

    /// Whether a registry may show us a repository once we sign in: it refused
    /// without a challenge, or answered 404 as registries hide private
    /// repositories. It is asked for a challenge at `/v2/`, once, and not after
    /// a 404 from a repository that is open (WIRE-15).
    async fn may_be_hidden(
        &self,
        endpoint: &Endpoint,
        repository: &Repository,
        ask: &Ask<'_>,
        status: u16,
    ) -> Result<bool, StoreError> {
        let is_absent = status == 404 && endpoint.is_open(repository, ask.right());
        if is_absent || !self.access.credentials.may_know(repository) {
            return Ok(false);
        }
        if endpoint.challenge().is_none() {
            let greeting = endpoint.greeting.get_or_try_init(|| async {
                let path = Target::Path("v2/".to_owned());
                let ask = Ask::new(Method::GET, path, "asking how to sign in");
                let answer = self.client.send(&ask.shown(endpoint, None)).await?;
                let is_own = answer.url.origin() == endpoint.base.origin();
                let challenge = challenge::choose(&answer.headers);
                Ok::<_, StoreError>(challenge.filter(|_| is_own && answer.status.as_u16() == 401))
            });
            if let Some(challenge) = greeting.await? {
                endpoint.set_challenge(challenge.clone());
            }
        }
        Ok(endpoint.challenge().is_some())
    }

    /// Whether a 403 may mean that the token which was `shown` has expired, as
    /// some registries say it (ECR). True once per repository at most, and
    /// never for a token that was just fetched: a refusal of that one is meant.
    pub(super) async fn may_have_expired(
        &self,
        endpoint: &Endpoint,
        repository: &Repository,
        ask: &Ask<'_>,
        shown: Option<&HeaderValue>,
    ) -> bool {
        let slot = endpoint.token(&self.scope(repository, ask));
        let kept = slot.lock().await;
        match kept.as_ref() {
            Some(token) if shown == Some(&token.header) && !token.is_new() => {
                endpoint.is_first_doubt(repository)
            }
            // Another request has fetched a new token meanwhile.
            Some(token) => shown.is_some() && shown != Some(&token.header),
            None => false,
        }
    }

    /// The scope of a token; errors name it too. The target of a mount goes
    /// first: some token services look at the first scope alone
    /// (`spec/decisions/0008`).
    pub(super) fn scope(&self, repository: &Repository, ask: &Ask<'_>) -> String {
        let is_written = self.access.writable.contains(repository);
        let actions = if is_written { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", repository.path());
        match &ask.mount {
            Some(mount) => format!("{scope} repository:{}:pull", mount.from.path()),
            None => scope,
        }
    }

    /// The credential that the registry of a repository was shown. Without
    /// running a helper or asking a cloud: what was not resolved was not shown.
    pub(super) fn shown(&self, repository: &Repository) -> Shown {
        let credentials = &self.access.credentials;
        match self.credential_cell(repository).get() {
            Some(Ok(credential)) => credential.as_ref().into(),
            None if !credentials.may_know(repository) => {
                (&credentials.anonymous(repository)).into()
            }
            Some(Err(_)) | None => Shown::Unchallenged,
        }
    }

    /// Whether a token was fetched, which has a scope.
    pub(super) fn is_token_shown(&self, repository: &Repository) -> bool {
        let (cell, _) = self.endpoint_of(repository);
        let challenge = cell.get().and_then(Endpoint::challenge);
        let is_given = matches!(
            self.credential_cell(repository).get(),
            Some(Ok(credential)) if matches!(credential.identity, IdentityProof::Bearer(_))
        );
        matches!(challenge, Some(Challenge::Bearer { .. })) && !is_given
    }

    /// The credential itself, for a registry that has no token service.
    async fn verbatim(&self, repository: &Repository) -> Result<Option<HeaderValue>, StoreError> {
        let credential = self.credential(repository).await?;
        Ok(match &credential.identity {
            IdentityProof::Bearer(token) => token.expose_str().and_then(token::bearer),
            // There is nowhere to exchange an identity token.
            identity => token::login(identity),
        })
    }

    /// Resolved once per repository: it may run a helper program. A failure is
    /// kept too: a helper that hangs takes its ten seconds once.
    async fn credential(&self, repository: &Repository) -> Result<Arc<Credential>, StoreError> {
        let cell = self.credential_cell(repository);
        let resolve = || async {
            let credentials = &self.access.credentials;
            // Boxed: each request would carry the room of every cloud's login.
            let resolving = Box::pin(credentials.for_repository(repository, &self.client));
            let resolved = resolving.await;
            if let Ok(credential) = &resolved {
                credential.identity.remember(self.client.secrets());
            }
            resolved.map(Arc::new).map_err(Arc::new)
        };
        let resolved = cell.get_or_init(resolve).await;
        resolved.clone().map_err(|source| StoreError::Credentials {
            repository: repository.clone(),
            source,
        })
    }

    fn credential_cell(&self, repository: &Repository) -> Slot<Resolved> {
        let mut cells = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(repository.clone()).or_default())
    }
}
