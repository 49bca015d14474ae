//! The metadata server of Google's machines, which has a token of theirs
//! (<https://cloud.google.com/compute/docs/access/authenticate-workloads>).

use std::time::Duration;

use url::Url;

use super::scope::SCOPE;
use crate::http::header::{HeaderName, HeaderValue};
use crate::http::{Client, Leash, Method, Request, Trust};
use crate::service::answer::said;
use crate::service::oauth;
use crate::service::token::Token;
use crate::service::variables::Variables;

/// `metadata.google.internal`, without asking for the name: resolvers of other
/// networks take long to say that there is none.
const HOST: &str = "169.254.169.254";
const PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";
/// In the question it shows that no browser or redirect made it, in the answer that
/// Google's server gave it.
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// A host near by answers at once, or is not there.
const LEASH: Leash = Leash {
    time: Duration::from_secs(1),
    attempts: 2,
};

/// The server's host, and its port if it has one; `GCE_METADATA_HOST` is the
/// variable of Google's libraries, for machines that stand in for it.
pub(super) fn host(variables: &Variables) -> String {
    let host = variables.text("GCE_METADATA_HOST");
    host.unwrap_or_else(|| HOST.to_owned())
}

/// The token of the machine, or why there is none.
pub(super) async fn token(
    client: &Client,
    host: &str,
    variables: &Variables,
) -> Result<Token, String> {
    let url = url(host).ok_or("no such host")?;
    let google = HeaderValue::from_static("Google");
    let mut request =
        Request::new(Method::GET, url, Trust::Verified).header(FLAVOR, google.clone());
    request.leash = Some(LEASH);
    let response = client.send(&request).await;
    let response = response.map_err(|error| error.to_string())?;
    // Some networks answer everything with a page of theirs. Its words explain
    // nothing.
    if response.headers.get(FLAVOR) != Some(&google) {
        return Err("it is not Google's".to_owned());
    }
    match response.status.as_u16() {
        200 => oauth::read(&response.body, variables).ok_or_else(|| "no token".to_owned()),
        404 => Err("the machine has no service account".to_owned()),
        status => Err(format!("status {status}{}", said(&response, None))),
    }
}

fn url(host: &str) -> Option<Url> {
    let mut url: Url = format!("http://{host}/{PATH}").parse().ok()?;
    url.query_pairs_mut().append_pair("scopes", SCOPE);
    Some(url)
}
