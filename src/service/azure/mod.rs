//! The identity that asks at Azure: the sources of `DefaultAzureCredential`, in
//! its order
//! (<https://learn.microsoft.com/azure/developer/go/sdk/authentication/credential-chains>),
//! without those of developers' tools but `az`.
//!
//! Implements KEY-104. A token is for one audience, so that a key and a registry
//! take one each, of the same identity.

mod acr;
mod application;
mod audience;
mod authority;
mod cli;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod managed;

use std::sync::Arc;

use super::error::{ServiceError, ServiceName, Tried, Trouble};
use super::token::{Token, Tokens};
use super::variables::Variables;
use crate::http::Client;
pub use acr::AcrRegistry;
use application::AzureApplication;
pub use audience::Audience;
use authority::AzureAuthority;
pub use authority::is_tenant;
use cli::Cli;
use managed::Managed;

/// The identity of a run at Azure, and its tokens.
pub struct AzureIdentity {
    authority: AzureAuthority,
    /// Of the environment: nobody else is asked then.
    application: Option<AzureApplication>,
    /// Always there: only a request tells whether the machine has one.
    managed: Managed,
    /// None without `az` in `PATH`.
    cli: Option<Cli>,
    /// The sources that had none before anybody was asked.
    tried: Vec<Tried>,
    tokens: Tokens,
    variables: Variables,
}

impl AzureIdentity {
    /// The identity of this run. Nothing is sent; the file that holds a token
    /// of another issuer is read.
    ///
    /// # Errors
    /// On a variable or a file that cannot be used.
    pub fn of(variables: &Variables) -> Result<Arc<Self>, ServiceError> {
        variables.shared("", || Self::find(variables).map_err(failed))
    }

    fn find(variables: &Variables) -> Result<Self, Trouble> {
        let mut tried = Vec::new();
        let application = AzureApplication::find(variables, &mut tried)?;
        let cli = Cli::find(variables);
        Ok(Self {
            authority: AzureAuthority::find(variables)?,
            application,
            managed: Managed::find(variables)?,
            cli,
            tried,
            tokens: Tokens::default(),
            variables: variables.clone(),
        })
    }

    /// The tenant of the environment's application.
    fn tenant(&self) -> Option<&str> {
        let application = self.application.as_ref();
        application.map(|application| &*application.tenant)
    }

    /// A token for `audience`, other than the one that was `refused`.
    ///
    /// # Errors
    /// On an identity that is none, and on a service that gives no token for it.
    pub async fn token(
        &self,
        client: &Client,
        audience: &Audience,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, ServiceError> {
        // Two vaults of one tenant share a token.
        let tenant = audience.tenant.as_deref().unwrap_or_default();
        let purpose = format!("{tenant} {}", audience.resource);
        let fetch = async { self.fetch(client, audience).await.map_err(failed) };
        self.tokens.get(&purpose, refused, fetch).await
    }

    /// The environment's own identity is the one that is meant, so that its
    /// failure is the run's. A machine may have none, and says so by an error:
    /// then `az` is asked. (cosign's library ended its chain at that error: with an
    /// `az` that had logged in nothing was signed, cosign#2999.)
    async fn fetch(&self, client: &Client, audience: &Audience) -> Result<Token, Trouble> {
        let variables = &self.variables;
        if let Some(application) = &self.application {
            let url = self.authority.token_url(&application.tenant, audience)?;
            return application.token(client, url, audience, variables).await;
        }
        let mut tried = self.tried.clone();
        match self.managed.token(client, audience, variables).await {
            Ok(token) => return Ok(token),
            Err(why) => tried.push((self.managed.name(), why)),
        }
        match &self.cli {
            None => tried.push(("az", "not in PATH".to_owned())),
            Some(cli) => match cli.token(audience, variables).await {
                Ok(token) => return Ok(token),
                Err(why) => tried.push(("az", why)),
            },
        }
        Err(Trouble::NoCredentials { tried })
    }
}

fn failed(trouble: Trouble) -> ServiceError {
    ServiceName::Azure.failed(trouble)
}

#[cfg(test)]
mod tests;
