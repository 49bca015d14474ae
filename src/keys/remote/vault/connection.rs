//! The way to Vault, from the variables that its users know (Vault's Go client,
//! `api` v1.22 `client.go`), and one request by it.
//!
//! Implements KEY-65 to KEY-68. Those of the client's variables that cosign
//! passes over (`VAULT_MAX_RETRIES`, `VAULT_CLIENT_TIMEOUT`, `VAULT_AGENT_ADDR`)
//! are passed over here: retries and times are those of the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::warn;
use url::Url;

use super::answer;
use super::token::VaultToken;
use crate::http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use crate::http::{
    Client, Method, OwnTls, ProxyVariable, Redacted, Redirects, Request, Response, StatusCode,
    Trust, is_passing,
};
use crate::keys::uri::Product;
use crate::oci::Content;
use crate::service::{Trouble, Variables, action, host_of, parse_endpoint, said, sensitive};

/// A version of a key, with what Vault writes beside it, has about 1 KiB.
const KEY_LIMIT: u64 = 1024 * 1024;
/// A signature of RSA-4096 has 683 characters in base64.
const ENTRY_LIMIT: u64 = 2 * 1024;
/// The most files of a folder with certificates that are read.
const MOST_FILES: usize = 1000;
/// The first of them that is set counts, before the machine's.
const PROXIES: [&str; 2] = ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"];

/// The way to Vault, for all of its keys.
pub(super) struct Connection {
    /// With a slash at its end; it may have a path.
    address: Url,
    /// The segments of its path.
    mount: Vec<String>,
    headers: HeaderMap,
    /// None where nothing is set: Vault is asked like any host then.
    own_tls: Option<Arc<OwnTls>>,
    token: VaultToken,
    /// It shows the token, once somebody has needed that. Where getting one fails, the next
    /// request tries again.
    token_header: OnceCell<HeaderValue>,
    variables: Variables,
}

/// A question about a key of the transit engine.
pub(super) enum VaultQuestion<'a> {
    PublicKey(&'a str),
    /// A key, JSON, and the number of signatures that it asks for, by which the
    /// answer's size is bounded.
    Sign(&'a str, Content, usize),
}

impl Connection {
    /// Reads variables and files. Nobody is asked, and no token helper is run.
    ///
    /// # Errors
    /// On settings that cannot be used, and where no source can have a token: all
    /// are named before anything is sent (KEY-66).
    pub(super) fn find(product: Product, variables: &Variables) -> Result<Self, Trouble> {
        let (name, address) = variables
            .first(&["VAULT_ADDR", "BAO_ADDR"])
            .ok_or(Trouble::NotSet("VAULT_ADDR"))?;
        let address = parse_address(name, &address)?;
        let mount = mount(variables)?;
        let headers = headers(variables)?;
        let own_tls = own_tls(variables)?.map(Arc::new);
        let token = VaultToken::find(variables)?;
        let host = address.origin().ascii_serialization();
        if variables.is_on("VAULT_SKIP_VERIFY") {
            let product = product.name();
            warn!("{product} at {host} is asked without verifying its certificate");
        }
        Ok(Self {
            address,
            mount,
            headers,
            own_tls,
            token,
            token_header: OnceCell::new(),
            variables: variables.clone(),
        })
    }

    /// `host:port`, without a port that is its scheme's.
    pub(super) fn host(&self) -> String {
        host_of(&self.address)
    }

    /// The path of the transit engine.
    pub(super) fn mount(&self) -> String {
        self.mount.join("/")
    }

    /// Asks, and gives the answer of a success with the request that it answers. A
    /// standby that leads to another address is followed once, with the token, as
    /// Vault's own client does: a cluster without forwarding works in no other way.
    /// Roots, client certificate and headers go along too, and so the target has to
    /// have TLS (KEY-68).
    pub(super) async fn ask(
        &self,
        client: &Client,
        question: VaultQuestion<'_>,
    ) -> Result<(Request, Response), Trouble> {
        let token = self
            .token_header
            .get_or_try_init(|| self.token.ask(&self.variables));
        let mut request = self.request(question, token.await?.clone())?;
        let mut response = client.send(&request).await?;
        if let Some(location) = location(&response) {
            // By the client's own rules it leads no further in than the standby
            // lies (`spec/decisions/0014`).
            let lead = response.leads_to(&location);
            let lead = lead.ok().filter(|lead| lead.url.scheme() == "https");
            let lead = lead.ok_or_else(|| astray(&request, &response, &location))?;
            request.reach = lead.reach();
            request.url = lead.url;
            response = client.send(&request).await?;
            if let Some(location) = self::location(&response) {
                return Err(astray(&request, &response, &location));
            }
        }
        match response.status.is_success() {
            true => Ok((request, response)),
            false => Err(refused(&request, &response)),
        }
    }

    fn request(&self, question: VaultQuestion<'_>, token: HeaderValue) -> Result<Request, Trouble> {
        let (method, rest, body, limit) = match question {
            VaultQuestion::PublicKey(key) => (Method::GET, vec!["keys", key], None, KEY_LIMIT),
            VaultQuestion::Sign(key, body, count) => {
                let limit = KEY_LIMIT + ENTRY_LIMIT * count as u64;
                // The hash is in the path, since the policies that cosign's users
                // have allow `sign/KEY/*` alone.
                let path = vec!["sign", key, "sha2-256"];
                (Method::POST, path, Some(body), limit)
            }
        };
        // Segment by segment, so that each is escaped.
        let mut url = self.address.clone();
        {
            let segments = url.path_segments_mut();
            let mut segments = segments.map_err(|()| no_url("VAULT_ADDR"))?;
            segments.pop_if_empty().push("v1");
            segments.extend(&self.mount).extend(rest);
        }
        let mut request = Request::new(method, url, Trust::Verified);
        request.headers = self.headers.clone();
        request.headers.insert("x-vault-token", token);
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers.insert("content-type", json);
        }
        request.body = body;
        request.body_limit = limit;
        request.own_tls = self.own_tls.clone();
        request.redirects = Redirects::Answered;
        request.is_passing = may_get_better;
        Ok(request)
    }
}

/// The `Location` of a redirect, empty if it has none. 303 is no answer of
/// Vault's: it would turn a `POST` into a `GET`.
fn location(response: &Response) -> Option<String> {
    match response.status.as_u16() {
        301 | 302 | 307 | 308 => {
            let location = response.header(LOCATION.as_str());
            Some(location.unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

fn astray(request: &Request, response: &Response, location: &str) -> Trouble {
    Trouble::Astray {
        action: action(request),
        to: match response.url.join(location) {
            Ok(to) => Redacted(&to).to_string(),
            Err(_) => response.printable(location),
        },
    }
}

/// Vault answers some faults of the question with 500 too; a standby that has not
/// caught up yet answers 412 (KEY-67). A 500 that is not Vault's is a proxy's,
/// and may get better.
fn may_get_better(response: &Response) -> bool {
    const FINAL: [&str; 3] = [
        "requested version",
        "JSON string value exceeds",
        "input must be hashed message",
    ];
    match response.status {
        StatusCode::PRECONDITION_FAILED => true,
        StatusCode::INTERNAL_SERVER_ERROR => {
            let words = answer::words(&response.body).unwrap_or_default();
            !FINAL.iter().any(|end| words.contains(end))
        }
        status => is_passing(status),
    }
}

/// An error answer, sorted by the user's remedy. Vault has no codes: the words of
/// its versions 1.21 and OpenBao's 2.6 are looked for.
fn refused(request: &Request, response: &Response) -> Trouble {
    let action = action(request);
    let words = answer::words(&response.body);
    let answer = said(response, words.as_deref());
    let says = |part: &str| words.as_deref().is_some_and(|words| words.contains(part));
    match response.status.as_u16() {
        403 if says("invalid token") => Trouble::Expired { action, answer },
        401 | 403 => Trouble::Denied { action, answer },
        404 => Trouble::Missing { action, answer },
        400 if says("does not support signing") => Trouble::Unfit { reason: answer.0 },
        400 if says("signing key not found") => Trouble::Missing { action, answer },
        // It is no passing one, or the client would have told so.
        500 if words.is_some() => Trouble::Failed(answer),
        status => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}

fn no_url(name: &str) -> Trouble {
    Trouble::setting(name, "it is no URL")
}

/// The address, which may have a path. Plain HTTP is warned of where it is parsed.
fn parse_address(name: &'static str, text: &str) -> Result<Url, Trouble> {
    if text.starts_with("unix:") {
        return Err(Trouble::setting(
            name,
            "sockets of this machine are not supported",
        ));
    }
    parse_endpoint(text.trim()).map_err(|reason| Trouble::setting(name, reason))
}

/// The path of the engine, without the slashes around it. Dots would lead out of
/// `/v1/`.
fn mount(variables: &Variables) -> Result<Vec<String>, Trouble> {
    const NAME: &str = "TRANSIT_SECRET_ENGINE_PATH";
    let path = variables.text(NAME).unwrap_or_else(|| "transit".to_owned());
    let segments: Vec<_> = path
        .trim_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect();
    let is_bad = |segment: &String| matches!(&**segment, "" | "." | "..");
    match segments.iter().any(is_bad) {
        true => Err(Trouble::setting(NAME, "it is no path of a secret engine")),
        false => Ok(segments),
    }
}

/// The headers of each request beside the token's. `X-Vault-Request` shows that
/// nobody forged it: an agent with `require_request_header` refuses requests
/// without it.
fn headers(variables: &Variables) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    headers.insert("x-vault-request", HeaderValue::from_static("true"));
    if let Some(namespace) = variables.text("VAULT_NAMESPACE") {
        let value = HeaderValue::from_str(&namespace);
        let value = value.map_err(|_| Trouble::setting("VAULT_NAMESPACE", "it is no name"))?;
        headers.insert("x-vault-namespace", value);
    }
    const NAME: &str = "VAULT_HEADERS";
    let Some(text) = variables.secret(NAME) else {
        return Ok(headers);
    };
    let bad = || Trouble::setting(NAME, "it is no JSON object of strings");
    let given: serde_json::Map<String, Value> =
        serde_json::from_slice(text.expose()).map_err(|_| bad())?;
    for (name, value) in given {
        if name.to_ascii_lowercase().starts_with("x-vault-") {
            return Err(Trouble::setting(
                NAME,
                "it has a header of Vault's own in it",
            ));
        }
        // A value may be a login at a proxy before Vault: it is hidden like a
        // token.
        let value = value.as_str().ok_or_else(bad)?;
        variables.remember(value.as_bytes());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = sensitive(value.as_bytes()).ok_or_else(bad)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The TLS settings and the proxy, if there are any. Without any, Vault is asked
/// by the client of all other hosts.
fn own_tls(variables: &Variables) -> Result<Option<OwnTls>, Trouble> {
    let mut own = None;
    trust(variables, &mut own)?;
    show(variables, &mut own)?;
    if variables.is_on("VAULT_SKIP_VERIFY") {
        own = Some(own.unwrap_or_default().trusting_anybody());
    }
    let proxy = PROXIES.into_iter().find_map(|name| {
        let value = variables.secret(name)?;
        Some(ProxyVariable { name, value })
    });
    if let Some(proxy) = proxy {
        let name = proxy.name;
        let own_proxy = own.unwrap_or_default().by(proxy, variables.secrets());
        own = Some(own_proxy.map_err(|reason| Trouble::setting(name, reason))?);
    }
    let Some(name) = variables.text("VAULT_TLS_SERVER_NAME") else {
        return Ok(own);
    };
    let named = own.unwrap_or_default().named(name);
    let named =
        named.map_err(|_| Trouble::setting("VAULT_TLS_SERVER_NAME", "it is no name of a host"))?;
    Ok(Some(named))
}

/// The first of the three that is set, as in Vault's client. Its certificates
/// count in place of the machine's. A file of the folder without one is an error,
/// as there.
fn trust(variables: &Variables, own: &mut Option<OwnTls>) -> Result<(), Trouble> {
    const NO_CERTIFICATE: &str = "it holds no certificate in PEM";
    let mut add = |name: &str, pem: &[u8]| {
        let more = own.take().unwrap_or_default().trusting(pem);
        *own = Some(more.map_err(|_| Trouble::setting(name, NO_CERTIFICATE))?);
        Ok::<_, Trouble>(())
    };
    if let Some(path) = variables.path("VAULT_CACERT") {
        return add("VAULT_CACERT", variables.read(&path)?.expose());
    }
    if let Some(pem) = variables.text("VAULT_CACERT_BYTES") {
        return add("VAULT_CACERT_BYTES", pem.as_bytes());
    }
    let Some(folder) = variables.path("VAULT_CAPATH") else {
        return Ok(());
    };
    let files = files_of(&folder).map_err(|reason| Trouble::setting("VAULT_CAPATH", reason))?;
    for file in files {
        let name = file.display().to_string();
        add(&name, variables.read(&file)?.expose())?;
    }
    Ok(())
}

/// The files of a folder with certificates and of the folders in it, in the order of
/// their names, which decides the one that an error names. Too many are an error:
/// none of them is passed over.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, &'static str> {
    const UNREADABLE: &str = "it is no readable folder";
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().map_err(|_| UNREADABLE)? {
            let entry = entry.map_err(|_| UNREADABLE)?;
            let path = entry.path();
            match entry.file_type().map_err(|_| UNREADABLE)?.is_dir() {
                true => folders.push(path),
                // A mounted ConfigMap has links to its folders among its files. Vault
                // does not follow them either, so that no walk is without end.
                false if path.is_file() => files.push(path),
                false => {}
            }
            if files.len() > MOST_FILES {
                return Err("there are too many files in it");
            }
        }
    }
    files.sort_unstable();
    match files.is_empty() {
        true => Err("there is no file in it"),
        false => Ok(files),
    }
}

/// A certificate for us and its private key, both or neither.
fn show(variables: &Variables, own: &mut Option<OwnTls>) -> Result<(), Trouble> {
    let (certificate, key) = (
        variables.path("VAULT_CLIENT_CERT"),
        variables.path("VAULT_CLIENT_KEY"),
    );
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(()),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err(Trouble::NotSet("VAULT_CLIENT_KEY")),
        (None, Some(_)) => return Err(Trouble::NotSet("VAULT_CLIENT_CERT")),
    };
    let (certificate, key) = (variables.read(&certificate)?, variables.read(&key)?);
    let shown = own.take().unwrap_or_default();
    let shown = shown.showing(certificate.expose(), key.expose());
    let reason = "it and `VAULT_CLIENT_CERT` are no certificate and its private key in PEM";
    *own = Some(shown.map_err(|_| Trouble::setting("VAULT_CLIENT_KEY", reason))?);
    Ok(())
}
