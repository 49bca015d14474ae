//! Certificate authorities of sigstore's: an identity token and a request go
//! there, a certificate of minutes comes back (fulcio v1.8 `fulcio.proto`,
//! `POST /api/v2/signingCert`).
//!
//! An identity that asks for a certificate is named in a public log from then on. So
//! `phase::certify` asks once for each key, when all else is checked and signed; a
//! request that is sent again, after an answer that was lost, leaves another
//! certificate in the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use super::causes::in_one_line;
use super::token::{OtherIdentity, SigstoreToken};
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Redacted, Redirects, Request, Response, Trust};
use crate::oci::Content;
use crate::proof::certificate::{Certificate, MAX_COUNT, Name};
use crate::proof::chain::{self, ChainError, Usage};
use crate::proof::sct::{self, SctError};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::Service;
use crate::service::{ServiceError, ServiceName, Trouble, said};
use crate::signature::PublicKey;

/// The most by which the clock of an authority may be ahead: Fulcio's certificates begin
/// at its own time (v1.8.8 `pkg/ca/common.go`), which may be later than ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// A certificate that was issued for this run, verified.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: Certificate,
    /// From its issuer to the anchor of the trusted root. Between may lie certificates of
    /// the answer that the trusted root does not have.
    pub chain: Vec<Certificate>,
}

/// A certificate that is worth nothing: the run ends, and nothing is stored with it.
#[derive(thiserror::Error)]
enum Worthless {
    #[error("the certificate is of another key")]
    OtherKey,
    #[error(transparent)]
    OtherIdentity(#[from] OtherIdentity),
    #[error("the certificate is not valid now")]
    NotNow,
    #[error("the trusted root has no authority that is valid now")]
    NoAuthority,
    #[error(transparent)]
    Chain(ChainError),
    #[error(transparent)]
    Promise(#[from] SctError),
}

debug_as_display!(Worthless);

/// An answer, by the names of `fulcio.proto`. Detached promises come from an authority
/// without precertificates; they are not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningCertificate {
    signed_certificate_embedded_sct: Option<WithChain>,
    signed_certificate_detached_sct: Option<WithChain>,
}

#[derive(Deserialize)]
struct WithChain {
    chain: CertificateChain,
}

#[derive(Deserialize)]
struct CertificateChain {
    /// PEM of one each, the leaf first.
    certificates: Vec<String>,
}

/// The certificates of an answer: the one that was asked for, and those beside it.
pub(super) struct IssuedCertificates {
    leaf: Certificate,
    others: Vec<Certificate>,
}

/// The question to an authority: for a certificate of `key`, whose holder signed
/// `request` (PEM of PKCS#10).
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// The certificate has to be of it, whatever the request says.
    pub key: &'a PublicKey,
    pub request: &'a str,
    pub token: &'a SigstoreToken,
}

/// Asks for a certificate, and verifies it by the clock of this machine (EVD-63, EVD-64).
/// Asking again gives another one.
///
/// # Errors
/// On an authority that issues none, and on a certificate that does not hold by
/// `root`.
pub async fn certify(
    client: &Client,
    service: &Service,
    root: &TrustedRoot,
    application: Application<'_>,
) -> Result<Issued, ServiceError> {
    let host = service.host().to_owned();
    let fault = |trouble: Trouble| ServiceError {
        service: ServiceName::CertificateAuthority(host.clone()),
        trouble,
    };
    let (response, action) = ask(client, service, application).await.map_err(fault)?;
    let certificates = read(&response.body).map_err(|reason| {
        let action = action.clone();
        fault(Trouble::Answer { action, reason })
    })?;
    let issued = verified(certificates, root, application, Timestamp::now());
    let issued = issued.map_err(|reason| {
        let reason = in_one_line(&reason);
        fault(Trouble::Unproven { action, reason })
    })?;
    // Which name it is, an authority of others has decided.
    let name = match issued.certificate.names() {
        [Name::Uri(name) | Name::Email(name)] => name,
        _ => application.token.identity().name(),
    };
    let issuer = application.token.identity().issuer();
    info!("Got a certificate for {name} (issuer {issuer}) from {host}");
    Ok(issued)
}

async fn ask(
    client: &Client,
    service: &Service,
    application: Application<'_>,
) -> Result<(Response, String), Trouble> {
    let action = || format!("POST {}", Redacted(&service.url));
    let useless = |reason| Trouble::Answer {
        action: action(),
        reason,
    };
    let url = service.url.join("api/v2/signingCert");
    let url = url.map_err(|_| useless("it is no URL"))?;
    let header = application.token.header();
    let header = header.ok_or_else(|| useless("the token cannot stand in a header"))?;
    // The token stands in a header that is marked as sensitive, and not in the body,
    // where Fulcio takes it too. The request is base64 of PEM.
    let mut request = Request::new(Method::POST, url, Trust::Verified)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(AUTHORIZATION, header);
    let body = json!({ "certificateSigningRequest": STANDARD.encode(application.request) });
    request.body = Some(Content::from(body.to_string().into_bytes()));
    // A redirect would show the token to another host.
    request.redirects = Redirects::Answered;
    let action = format!("{} {}", request.method, Redacted(&request.url));
    let response = client.send(&request).await?;
    let answer = said(&response, None);
    match response.status.as_u16() {
        200 | 201 => Ok((response, action)),
        401 | 403 => Err(Trouble::Denied { action, answer }),
        status => Err(Trouble::Status {
            action,
            status,
            answer,
        }),
    }
}

/// The certificates of an answer, of which the leaf is the first.
pub(super) fn read(body: &[u8]) -> Result<IssuedCertificates, &'static str> {
    let answer: SigningCertificate =
        serde_json::from_slice(body).map_err(|_| "it is not the JSON of a certificate")?;
    let chain = answer
        .signed_certificate_embedded_sct
        .or(answer.signed_certificate_detached_sct)
        .ok_or("it holds no certificate")?;
    let pems = chain.chain.certificates;
    if pems.len() > MAX_COUNT {
        return Err("it holds too many certificates");
    }
    // Each text holds one certificate; what else stands in it is passed over.
    let one = |pem: &String| {
        let certificates = Certificate::from_file(pem.as_bytes()).ok()?;
        certificates.into_iter().next()
    };
    let mut certificates = pems.iter().map(one);
    let unreadable = "its certificates cannot be read";
    let leaf = certificates.next().ok_or("it holds no certificate")?;
    Ok(IssuedCertificates {
        leaf: leaf.ok_or(unreadable)?,
        others: certificates.collect::<Option<_>>().ok_or(unreadable)?,
    })
}

/// Checks a certificate that was just issued: its key, its identity, its time, its chain
/// and the promise of a log, in this order (EVD-63, EVD-64).
fn verified(
    certificates: IssuedCertificates,
    root: &TrustedRoot,
    application: Application<'_>,
    now: Timestamp,
) -> Result<Issued, Worthless> {
    let IssuedCertificates { leaf, others } = certificates;
    if leaf.public_key() != application.key {
        return Err(Worthless::OtherKey);
    }
    application.token.identity().check(&leaf)?;
    // Verifiers compare the certificate with the time of a timestamp or an entry,
    // which come next.
    let is_begun = leaf.valid_from() <= now.saturating_add(AHEAD).unwrap_or(now);
    if !is_begun || leaf.valid_until() < now {
        return Err(Worthless::NotNow);
    }
    if root.ct_logs.is_none() {
        warn!(
            "Nobody watches the certificate authority: the trusted root has no log of certificates, \
             and cosign verifies with `--insecure-ignore-sct` alone"
        );
    }
    let chain = chain(&leaf, &others, root)?;
    Ok(Issued {
        certificate: leaf,
        chain,
    })
}

/// Whether a certificate of some earlier time, with `others` beside it, holds by
/// `root`: at the time when it was issued. Whether it was valid when it signed is for
/// evidence to say.
pub fn is_trusted(leaf: &Certificate, others: &[Certificate], root: &TrustedRoot) -> bool {
    chain(leaf, others, root).is_ok()
}

/// The issuers of a certificate that a log has promised to show. `others` come from the
/// authority or from a stored signature: they may fill a gap, and prove nothing.
fn chain(
    leaf: &Certificate,
    others: &[Certificate],
    root: &TrustedRoot,
) -> Result<Vec<Certificate>, Worthless> {
    let chain = issuers(leaf, others, root)?;
    check_promises(leaf, &chain, root)?;
    Ok(chain)
}

/// The issuers of a certificate, from its own to the anchor of an authority of the
/// trusted root. Everything is compared at the moment from which the certificate is
/// valid: it lasts for minutes.
fn issuers(
    leaf: &Certificate,
    others: &[Certificate],
    root: &TrustedRoot,
) -> Result<Vec<Certificate>, Worthless> {
    let at = leaf.valid_from();
    let mut failure = Worthless::NoAuthority;
    let authorities = root.authorities.iter();
    for authority in authorities.filter(|authority| authority.valid.contains(at)) {
        let Some((anchor, between)) = authority.certificates.split_last() else {
            continue;
        };
        let known = [between, others].concat();
        let anchor = std::slice::from_ref(anchor);
        match chain::between(leaf, &known, anchor, at, Usage::CodeSigning) {
            Ok(between) => return Ok([&between, anchor].concat()),
            Err(error) => failure = Worthless::Chain(error),
        }
    }
    Err(failure)
}

/// Some log of the trusted root has promised to show the certificate, if it lists
/// logs at all (EVD-64). A promise of one whose key is of a kind that nothing here
/// verifies does not count.
fn check_promises(
    leaf: &Certificate,
    chain: &[Certificate],
    root: &TrustedRoot,
) -> Result<(), Worthless> {
    match &root.ct_logs {
        None => Ok(()),
        Some(logs) => Ok(sct::check(leaf, chain, logs)?),
    }
}

#[cfg(test)]
mod tests;
