//! Asking a registry's token service: the distribution project's
//! `spec/auth/token.md` (GET) and `spec/auth/oauth.md` (POST with an identity
//! token).

use tracing::warn;
use url::{Url, form_urlencoded};

use super::answer;
use super::credentials::{Credential, IdentityProof};
use super::endpoint::Endpoint;
use super::error::StoreError;
use super::token::{BEARER, RegistryToken, login, read};
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{
    Astray, Client, HttpError, Method, Reach, Redacted, Redirects, Request, Response, StatusCode,
    Trust, Zone, check_zones,
};
use crate::secret::Secret;

const CLIENT_ID: &str = "cnb-signer";

/// A request to a token service, and the identity that it shows.
pub(super) struct TokenRequest<'a> {
    pub(super) realm: &'a Url,
    pub(super) service: Option<&'a str>,
    /// `repository:<path>:<actions>`; several with a space between them.
    pub(super) scope: &'a str,
    pub(super) credential: &'a Credential,
    /// The purpose of the request, in words.
    pub(super) action: &'a str,
}

impl TokenRequest<'_> {
    /// The token in the service's answer.
    fn granted(&self, answered: Result<Response, HttpError>) -> Result<RegistryToken, StoreError> {
        let response = answered.map_err(|error| match error {
            HttpError::TooLarge { limit, .. } => {
                self.fruitless(format!("its answer is larger than {limit} bytes"))
            }
            error => error.into(),
        })?;
        match response.status.as_u16() {
            200 => read(&response.body).map_err(|reason| self.fruitless(reason.to_owned())),
            401 | 403 => Err(self.denied(&response)),
            status => {
                let words = answer::read(&response);
                Err(self.fruitless(format!("unexpected status {status}{words}")))
            }
        }
    }

    fn fruitless(&self, reason: String) -> StoreError {
        StoreError::Token {
            realm: self.realm.into(),
            reason,
        }
    }

    fn denied(&self, response: &Response) -> StoreError {
        let realm = Redacted(self.realm);
        StoreError::Denied {
            action: format!(
                "{} (token for `{}` from `{realm}`)",
                self.action, self.scope
            ),
            identity: self.credential.into(),
            answer: answer::read(response),
        }
    }
}

/// Fetches a token. Nothing is sent to a realm that may not be asked.
///
/// # Errors
/// On such a realm, a service that cannot be reached or denies access, and an
/// answer without a token.
pub(super) async fn fetch(
    client: &Client,
    endpoint: &Endpoint,
    wanted: &TokenRequest<'_>,
) -> Result<RegistryToken, StoreError> {
    check_realm(endpoint, wanted)?;
    // The registry itself is asked as it was reached; another host proves who it
    // is, and lies where the registry may lead.
    let (trust, reach) = match wanted.realm.origin() == endpoint.base.origin() {
        true => (endpoint.trust, Reach::Any),
        false => (Trust::Verified, endpoint.reach_elsewhere),
    };
    let send = async |mut request: Request| {
        request.reach = reach;
        // A token service that sends elsewhere is not followed: it would choose who
        // sees the credential (WIRE-12, case 27).
        request.redirects = Redirects::Answered;
        client.send(&request).await
    };
    let identity = &wanted.credential.identity;
    let by_login = get(wanted, trust, login(identity));
    let answered = match identity {
        IdentityProof::RefreshToken { token, .. } => match send(post(wanted, trust, token)).await {
            // Not all token services know this method, and all know the other
            // (`spec/auth/oauth.md`). The lifecycle turns to it as well.
            Ok(response) if response.status == StatusCode::NOT_FOUND => {
                let realm = Redacted(wanted.realm);
                let whose = match identity.login() {
                    Some(_) => "by user and password",
                    None => "for everybody",
                };
                warn!(
                    "The token service `{realm}` takes no identity tokens: asking it for a token \
                     {whose}"
                );
                send(by_login).await
            }
            answered => answered,
        },
        // Public repositories want a token, too, and give it to anybody.
        IdentityProof::Basic { .. } | IdentityProof::Anonymous | IdentityProof::Bearer(_) => {
            send(by_login).await
        }
    };
    let token = wanted.granted(answered)?;
    // A later answer may repeat the token, and is printed without it.
    let shown = token.header.as_bytes();
    let shown = shown.strip_prefix(BEARER.as_bytes()).unwrap_or(shown);
    client.secrets().remember(shown);
    Ok(token)
}

fn get(wanted: &TokenRequest<'_>, trust: Trust, shown: Option<HeaderValue>) -> Request {
    let mut url = wanted.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = wanted.service {
            query.append_pair("service", service);
        }
        // Each scope is a parameter of its own (`spec/auth/token.md`).
        for scope in wanted.scope.split(' ') {
            query.append_pair("scope", scope);
        }
    }
    let request = Request::new(Method::GET, url, trust);
    match shown {
        Some(header) => request.header(AUTHORIZATION, header),
        None => request,
    }
}

fn post(wanted: &TokenRequest<'_>, trust: Trust, identity_token: &Secret) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    form.append_pair(
        "refresh_token",
        identity_token.expose_str().unwrap_or_default(),
    );
    if let Some(service) = wanted.service {
        form.append_pair("service", service);
    }
    form.append_pair("scope", wanted.scope);
    // `spec/auth/oauth.md` requires a name of the client.
    form.append_pair("client_id", CLIENT_ID);
    let body = form.finish().into_bytes();
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let mut request =
        Request::new(Method::POST, wanted.realm.clone(), trust).header(CONTENT_TYPE, form_type);
    request.body = Some(body.into());
    request
}

/// Credentials go to a token service over TLS, or to the registry's own host
/// where the registry itself is reached without; never to an address further
/// inside the network than the registry's own. All names and ports of the
/// machine itself are one host (WIRE-12).
pub(super) fn check_realm(
    endpoint: &Endpoint,
    wanted: &TokenRequest<'_>,
) -> Result<(), StoreError> {
    let (base, realm) = (&endpoint.base, wanted.realm);
    let may_be_plain = base.scheme() == "http" || endpoint.trust == Trust::Unverified;
    let is_own = realm.host() == base.host()
        || (Zone::of(realm) == Zone::Loopback && Zone::of(base) == Zone::Loopback);
    let checked = match realm.scheme() {
        "http" | "https" => check_zones(base, realm),
        _ => Err(Astray::NotHttp),
    };
    let checked = checked.and_then(|()| match realm.scheme() {
        "http" if !may_be_plain => Err(Astray::Downgrade),
        "http" if !is_own => Err(Astray::PlainElsewhere),
        _ => Ok(()),
    });
    checked.map_err(|reason| StoreError::Realm {
        realm: realm.into(),
        reason,
    })
}
