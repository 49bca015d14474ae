//! The identity of a machine, a container or a function of Azure's, by the
//! service that stands beside it
//! (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).

use std::time::Duration;

use url::Url;

use super::audience::Audience;
use super::authority::near;
use crate::http::header::{HeaderName, HeaderValue};
use crate::http::{Client, Leash, Method, Redirects, Request, Trust};
use crate::service::error::Trouble;
use crate::service::oauth;
use crate::service::token::{Token, sensitive};
use crate::service::variables::Variables;

const MACHINE: &str = "http://169.254.169.254";
const PATH: &str = "metadata/identity/oauth2/token";
const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY: HeaderName = HeaderName::from_static("x-identity-header");
/// For the question whether anybody is there: most machines are none of Azure's.
const PROBE: Leash = Leash {
    time: Duration::from_secs(1),
    attempts: 1,
};
/// A first token takes seconds. No proxy is asked: the service is on the
/// machine's link.
const LEASH: Leash = Leash {
    time: Duration::from_secs(10),
    attempts: 2,
};

/// Where the identity is asked for.
pub(super) struct Managed {
    place: ManagedPlace,
    /// Of several identities the one that is meant.
    client_id: Option<String>,
}

enum ManagedPlace {
    /// App Service, Container Apps, Functions.
    Endpoint { url: Url, header: HeaderValue },
    /// The metadata service of a virtual machine.
    Machine(Url),
    /// One that wants more than is done here: Service Fabric, whose certificate
    /// has to be pinned, and Azure Arc, whose secret lies in a file.
    Other(&'static str),
}

impl Managed {
    /// # Errors
    /// On a variable that cannot be used.
    pub(super) fn find(variables: &Variables) -> Result<Self, Trouble> {
        Ok(Self {
            place: place(variables)?,
            client_id: variables.text("AZURE_CLIENT_ID"),
        })
    }

    /// Its name in the list of sources that were tried.
    pub(super) fn name(&self) -> &'static str {
        match self.place {
            ManagedPlace::Endpoint { .. } | ManagedPlace::Other(_) => "IDENTITY_ENDPOINT",
            ManagedPlace::Machine(_) => "the metadata service",
        }
    }

    /// A token, or why there is none.
    pub(super) async fn token(
        &self,
        client: &Client,
        audience: &Audience,
        variables: &Variables,
    ) -> Result<Token, String> {
        let (url, version, header) = match &self.place {
            ManagedPlace::Other(why) => return Err((*why).to_owned()),
            ManagedPlace::Endpoint { url, header } => {
                (url, "2019-08-01", (IDENTITY, header.clone()))
            }
            ManagedPlace::Machine(url) => {
                // Without `Metadata: true` the service refuses, at once: any answer
                // shows that it is there.
                let mut probe = Request::new(Method::GET, url.clone(), Trust::Verified);
                probe.leash = Some(PROBE);
                probe.redirects = Redirects::Answered;
                let answer = client.send(&probe).await;
                answer.map_err(|error| error.to_string())?;
                let header = HeaderValue::from_static("true");
                (url, "2018-02-01", (METADATA, header))
            }
        };
        let mut url = url.clone();
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", &audience.resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let mut request = Request::new(Method::GET, url, Trust::Verified);
        request.headers.extend([header]);
        request.leash = Some(LEASH);
        // The secret of the header is for this host, and the client would take it
        // along: of a redirect it knows `Authorization` alone for a secret.
        request.redirects = Redirects::Answered;
        let token = oauth::fetch(client, &request, variables).await;
        token.map_err(|trouble| trouble.to_string())
    }
}

/// The place, by the variables that each kind of host sets, as
/// `DefaultAzureCredential` tells them apart.
fn place(variables: &Variables) -> Result<ManagedPlace, Trouble> {
    let endpoint = variables.text("IDENTITY_ENDPOINT");
    let header = variables.secret("IDENTITY_HEADER");
    match (endpoint, header) {
        _ if variables.text("IDENTITY_SERVER_THUMBPRINT").is_some() => {
            Ok(ManagedPlace::Other("Service Fabric is not supported"))
        }
        (Some(_), None) => Ok(ManagedPlace::Other("IDENTITY_HEADER is not set")),
        (Some(endpoint), Some(header)) => {
            let header = sensitive(header.expose());
            let unfit = || Trouble::setting("IDENTITY_HEADER", "it is no header");
            let header = header.ok_or_else(unfit)?;
            let url = near("IDENTITY_ENDPOINT", &endpoint)?;
            Ok(ManagedPlace::Endpoint { url, header })
        }
        (None, _) => {
            let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
            let base = variables.text(name);
            let url = near(name, base.as_deref().unwrap_or(MACHINE))?;
            let url = url.join(PATH);
            let url = url.map_err(|_| Trouble::setting(name, "it is no URL"))?;
            Ok(ManagedPlace::Machine(url))
        }
    }
}
