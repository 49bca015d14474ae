//! The claims of an identity token (RFC 7519), and who its bearer is to an
//! authority.
//!
//! Signatures are not verified: the authority does that, and a token that it does
//! not take gets no certificate. The claims serve to refuse in time what it would
//! refuse, and to know whose certificate must come back (EVD-61, EVD-63).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pkcs8::ObjectIdentifier;
use pkcs8::der::{AnyRef, Decode as _, Tag, Tagged as _};
use serde_json::Value;

use super::written_url::{behind_host, path, written};
use crate::proof::certificate::{Certificate, Name};
use crate::signature::oid::{TOKEN_ISSUER_V1, TOKEN_ISSUER_V2};

/// The audience of tokens for sigstore: a token for anybody else, who could show it to
/// the authority, must not get a certificate.
pub(super) const AUDIENCE: &str = "sigstore";

/// The subject of the token (fulcio `docs/oid-info.md`, v1.8).
const SUBJECT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.24");
/// A name with an issuer's domain, `sub!domain` (fulcio `pkg/identity/username`).
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// The claims of a token, not verified.
pub(super) struct TokenClaims(Value);

/// The identity that a token gives this run, by the names that an authority may make of
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's issuer and, of a federation, the one behind it. A certificate has one
    /// of them.
    issuers: Vec<String>,
    subject: String,
    /// By the rules of Fulcio's issuer types; none where no rule is known.
    names: Vec<Granted>,
}

/// A name that the authority may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    Exactly(Name),
    /// The part of a URL behind its host, which is a setting of the authority: the token
    /// says nothing of it (`default-template-values` of Fulcio's configuration).
    AtAnyHost(String),
}

/// A certificate that says that this run is somebody else. Neither name is repeated: they
/// are in the token and in the log.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OtherIdentity {
    #[error("the certificate names another issuer than the token")]
    Issuer,
    #[error("the certificate names another subject than the token")]
    Subject,
    #[error("the certificate does not name exactly one identity")]
    Names,
    #[error("the certificate names somebody else than the token")]
    Name,
}

debug_as_display!(OtherIdentity);

impl TokenClaims {
    /// The claims of a token in the compact form (RFC 7515, section 7.1).
    pub(super) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Value = serde_json::from_slice(&json).ok()?;
        claims.is_object().then_some(Self(claims))
    }

    /// `exp`: seconds since 1970, perhaps with a fraction (RFC 7519, section 2,
    /// "NumericDate"), which is cut off.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let seconds = self.0.get("exp")?;
        let seconds = seconds.as_i64().or_else(|| {
            let seconds = seconds.as_f64()?;
            (seconds.abs() < 1e12).then_some(seconds as i64)
        });
        Timestamp::from_second(seconds?).ok()
    }

    /// Whether `aud`, one or a list, has this audience.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// The identity; none without `iss` and `sub`.
    pub(super) fn identity(&self) -> Option<Identity> {
        let issuer = self.text("iss")?;
        let subject = self.text("sub")?;
        // Dex says who it asked, and the public instance takes that.
        let behind = self.0.pointer("/federated_claims/connector_id");
        let behind = behind.and_then(Value::as_str);
        let issuers = [Some(issuer), behind].into_iter().flatten();
        Some(Identity {
            issuers: issuers.map(str::to_owned).collect(),
            subject: subject.to_owned(),
            names: self.names(issuer, subject),
        })
    }

    /// The names by the types of Fulcio's issuers (`pkg/identity`, v1.8, and the
    /// templates of its public configuration). The type is the authority's own
    /// setting; the claims show which it can be. Jobs have claims of their own, which
    /// decide alone; for people and machines several types are possible.
    fn names(&self, issuer: &str, subject: &str) -> Vec<Granted> {
        // Fulcio certifies nobody by a claim of which it cannot make a URL.
        let uri = |url: String| Granted::Exactly(Name::Uri(written(&url).unwrap_or(url)));
        let at = |host: &str, path: &str| uri(format!("https://{host}/{path}"));
        // Two workflows of one repository share a subject and differ in this.
        if let Some(workflow) = self.text("job_workflow_ref") {
            let name = match is_at(issuer, "token.actions.githubusercontent.com") {
                true => at("github.com", workflow),
                false => Granted::at_any_host(workflow),
            };
            // The type `github-workflow` takes it for a path as a whole, the type
            // `ci-provider` for one with a query and a fragment.
            let joined = path(workflow).map(|path| format!("https://github.com/{path}"));
            let joined = joined.map(Name::Uri).filter(|joined| !name.is(joined));
            let joined = joined.map(Granted::Exactly);
            return std::iter::once(name).chain(joined).collect();
        }
        if let Some(pipeline) = self.text("ci_config_ref_uri") {
            return vec![uri(format!("https://{pipeline}"))];
        }
        if let (Some(organization), Some(pipeline)) =
            (self.text("organization_slug"), self.text("pipeline_slug"))
        {
            let pipeline = format!("{organization}/{pipeline}");
            return vec![match is_at(issuer, "agent.buildkite.com") {
                true => at("buildkite.com", &pipeline),
                false => Granted::at_any_host(&pipeline),
            }];
        }
        if let Some(cluster) = self.0.get("kubernetes.io") {
            let namespace = cluster.get("namespace").and_then(Value::as_str);
            let account = cluster.pointer("/serviceaccount/name");
            if let (Some(namespace), Some(account)) = (namespace, account.and_then(Value::as_str)) {
                let path = format!("namespaces/{namespace}/serviceaccounts/{account}");
                return vec![at("kubernetes.io", &path)];
            }
        }
        let mut names = Vec::new();
        if subject.starts_with("spiffe://") || subject.starts_with("https://") {
            names.push(uri(subject.to_owned()));
        }
        // Some issuers write it as a text.
        let is_verified = self.0.get("email_verified");
        let is_verified =
            is_verified.is_some_and(|value| value == &Value::Bool(true) || value == "true");
        if let Some(email) = self.text("email").filter(|_| is_verified) {
            names.push(Granted::Exactly(Name::Email(email.to_owned())));
        }
        names
    }

    fn text(&self, claim: &str) -> Option<&str> {
        let text = self.0.get(claim)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }
}

impl Identity {
    /// The token's issuer.
    pub fn issuer(&self) -> &str {
        self.issuers.first().map_or("", String::as_str)
    }

    /// The identity in words: the first name that an authority may make of it, as far
    /// as it is known, else the subject.
    pub fn name(&self) -> &str {
        match self.names.first() {
            Some(Granted::Exactly(Name::Uri(name) | Name::Email(name))) => name,
            Some(Granted::AtAnyHost(path)) => path,
            _ => &self.subject,
        }
    }

    /// Whether a certificate is surely this identity's: an earlier run's
    /// signature with it counts as this run's own (EVD-65). Where no name could be
    /// derived, nobody's is.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        !self.names.is_empty() && self.check(certificate).is_ok()
    }

    /// Checks who a certificate names that was just issued for the token.
    ///
    /// # Errors
    /// If it names somebody else. Where no rule is known, the authority's name for
    /// the subject is taken.
    pub fn check(&self, certificate: &Certificate) -> Result<(), OtherIdentity> {
        // Issuer, subject where it is stated, and exactly one name: verifiers look at
        // issuer and name, and take any of several names.
        let issuer = issuer(certificate).ok_or(OtherIdentity::Issuer)?;
        if !self.issuers.iter().any(|own| own.as_bytes() == issuer) {
            return Err(OtherIdentity::Issuer);
        }
        if let Some(subject) = certificate.extension(SUBJECT)
            && text(subject) != Some(&self.subject)
        {
            return Err(OtherIdentity::Subject);
        }
        let [name] = certificate.names() else {
            return Err(OtherIdentity::Names);
        };
        match self.is_named(name) {
            true => Ok(()),
            false => Err(OtherIdentity::Name),
        }
    }

    /// Whether the authority may give the identity this name.
    fn is_named(&self, name: &Name) -> bool {
        if let Name::Other { id, text } = name {
            let user = text.as_deref().and_then(|text| text.rsplit_once('!'));
            return *id == USER_NAME && user.is_some_and(|(user, _)| user == self.subject);
        }
        self.names.is_empty() || self.names.iter().any(|own| own.is(name))
    }
}

impl Granted {
    fn at_any_host(path: &str) -> Self {
        Self::AtAnyHost(behind_host(path).unwrap_or_else(|| path.to_owned()))
    }

    pub(super) fn is(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Exactly(own), name) => own == name,
            (Self::AtAnyHost(path), Name::Uri(uri)) => {
                let rest = ["https://", "http://"].iter();
                let mut rest = rest.filter_map(|scheme| uri.strip_prefix(scheme));
                rest.any(|rest| rest.split_once('/').is_some_and(|(_, own)| own == path))
            }
            _ => false,
        }
    }
}

/// Whether an issuer of the public internet is meant, whatever path it has: GitHub gives
/// enterprises paths of their own.
fn is_at(issuer: &str, host: &str) -> bool {
    let rest = issuer.strip_prefix("https://");
    rest.and_then(|rest| rest.split('/').next()) == Some(host)
}

/// The token's issuer, as a certificate has it: by the newer extension, if it is there.
/// The older one holds the text without DER around it.
fn issuer(certificate: &Certificate) -> Option<&[u8]> {
    match certificate.extension(TOKEN_ISSUER_V2) {
        Some(value) => text(value).map(str::as_bytes),
        None => certificate.extension(TOKEN_ISSUER_V1),
    }
}

/// The text of an extension that is a UTF8String.
fn text(value: &[u8]) -> Option<&str> {
    let value = AnyRef::from_der(value).ok()?;
    let is_text = value.tag() == Tag::Utf8String;
    is_text.then(|| std::str::from_utf8(value.value()).ok())?
}

#[cfg(test)]
pub(super) fn names_of(identity: &Identity) -> &[Granted] {
    &identity.names
}
