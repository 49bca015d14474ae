//! Chains of certificates: from a leaf to a trusted root, at a given time, for one
//! use.
//!
//! `rustls-webpki` builds the chains and verifies their signatures. The rules are
//! those of Go's `crypto/x509` `Verify`, which cosign and its libraries call; what
//! they ask beyond `rustls-webpki` is asked here: of roots, their time, their right
//! to issue, their uses and critical extensions, and that a leaf may itself be a root.
//!
//! Stricter than Go: a leaf that is an authority is refused unless it is a root, RSA
//! keys under 2048 bits are refused, and so are more than six intermediates. Policies that
//! are critical (2.5.29.32, .33, .36, .54) are refused in leaves and intermediates. So are
//! constraints of directory names, and of URIs and e-mail addresses below which a
//! certificate has such a name.
//! Revocation is not asked: the time is one of the past, and the certificates that
//! sigstore issues are valid for minutes.

use std::cell::Cell;

use jiff::Timestamp;
use pkcs8::ObjectIdentifier;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::aws_lc_rs::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P256_SHA512, ECDSA_P384_SHA256, ECDSA_P384_SHA384,
    ECDSA_P384_SHA512, ECDSA_P521_SHA256, ECDSA_P521_SHA384, ECDSA_P521_SHA512, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY, RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};

use super::certificate::{Certificate, Usages};

/// Uses of keys (RFC 5280, section 4.2.1.12).
const ANY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// The algorithms by which issuers sign (EVD-1), in no order: those of Go, which takes
/// ECDSA with any of the hashes on any curve, and RSA-PSS. SHA-1 is none, as there.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 16] = [
    ECDSA_P256_SHA256,
    ECDSA_P256_SHA384,
    ECDSA_P256_SHA512,
    ECDSA_P384_SHA256,
    ECDSA_P384_SHA384,
    ECDSA_P384_SHA512,
    ECDSA_P521_SHA256,
    ECDSA_P521_SHA384,
    ECDSA_P521_SHA512,
    ED25519,
    RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// The use of a leaf's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A leaf that states no use may sign: cosign accepts certificates of private
    /// authorities that say nothing (EVD-2).
    CodeSigning,
    /// A leaf has to state this use, as critical, and no other (RFC 3161, section
    /// 2.3).
    TimeStamping,
}

/// A chain that does not hold. No message repeats a name of a certificate.
#[derive(thiserror::Error)]
pub enum ChainError {
    #[error("the certificate is valid from {from} to {until}, not at {at}")]
    Expired {
        from: Timestamp,
        until: Timestamp,
        at: Timestamp,
    },
    #[error("the certificate is not for {0}")]
    Usage(Usage),
    #[error("the certificate is that of an authority")]
    Authority,
    #[error("the certificate has a critical extension that verifiers do not know")]
    UnknownCritical,
    #[error("the certificate has X.509 version {0}, and not 3")]
    Version(u8),
    #[error("no root is trusted")]
    NoRoot,
    #[error("a root certificate cannot be used")]
    Root(#[source] webpki::Error),
    #[error("the chain does not lead from the certificate to a trusted root")]
    NotLed,
    #[error("the certificate's root is not valid at {0}")]
    RootExpired(Timestamp),
    #[error("the certificate's root may not issue it")]
    RootUnfit,
    #[error("a certificate between it and its root is not valid at {0}")]
    IssuerExpired(Timestamp),
    #[error("a certificate between it and its root may not issue it, or not for {0}")]
    IssuerUnfit(Usage),
    #[error("a certificate between it and its root has an X.509 version before 3")]
    IssuerVersion,
    #[error("a certificate of the chain has a critical extension that is not supported here")]
    Critical,
    #[error("a signature in the chain is wrong")]
    Signature,
    #[error("a signature in the chain is of a kind that is not supported")]
    Algorithm,
    #[error("the chain cannot be used")]
    Refused(#[source] webpki::Error),
}

debug_as_display!(ChainError);

/// Looks for a chain from `leaf` over `intermediates`, in any order, to one of
/// `roots`, all of them valid at `at` and fit for `usage`.
///
/// `roots` are trusted because the caller says so, whether they are signed by
/// themselves or not; `intermediates` are anybody's, may be of no use, and may be many:
/// `rustls-webpki` ends a search after a number of steps.
///
/// # Errors
/// If there is none. The reason is that of a chain that led to a root, if one did,
/// else the most specific one of `rustls-webpki`.
pub fn check(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    at: Timestamp,
    usage: Usage,
) -> Result<(), ChainError> {
    between(leaf, intermediates, roots, at, usage).map(|_| ())
}

/// Looks for a chain as [`check`] does, and gives those of `intermediates` that lie
/// between leaf and root, the nearest to the leaf first.
///
/// # Errors
/// As [`check`].
pub fn between(
    leaf: &Certificate,
    intermediates: &[Certificate],
    roots: &[Certificate],
    at: Timestamp,
    usage: Usage,
) -> Result<Vec<Certificate>, ChainError> {
    check_leaf(leaf, at, usage)?;
    if leaf.asks_too_much() {
        return Err(ChainError::UnknownCritical);
    }
    if roots.is_empty() {
        return Err(ChainError::NoRoot);
    }
    // As in Go: nothing is signed then that would have to be verified. A certificate
    // of the user's without a chain comes here as its own root (EVD-10).
    if roots.contains(leaf) {
        return Ok(Vec::new());
    }
    let shown = CertificateDer::from(leaf.as_der());
    let end = match (EndEntityCert::try_from(&shown), leaf.version()) {
        (Ok(end), _) => end,
        // webpki reads version 3 alone. An older version is a reason that an owner can
        // act on, whatever webpki met first.
        (Err(_), version @ 0..3) => return Err(ChainError::Version(version)),
        (Err(error), _) => return Err(in_our_words(error, at, usage)),
    };
    let roots_der: Vec<_> = roots.iter().map(to_webpki).collect();
    let anchors = roots_der.iter().map(webpki::anchor_from_trusted_cert);
    let anchors = anchors.collect::<Result<Vec<TrustAnchor<'_>>, _>>();
    let anchors = anchors.map_err(ChainError::Root)?;
    let shown_between: Vec<_> = intermediates.iter().map(to_webpki).collect();
    // The walk keeps its reason beside: the error that it may return to webpki has no
    // room for one.
    let walk = Walk {
        roots,
        at,
        usage,
        unfit: Cell::new(None),
    };
    let path = end.verify_for_usage(
        &ALGORITHMS,
        &anchors,
        &shown_between,
        unix_time(at),
        Uses(usage),
        None,
        Some(&|path: &VerifiedPath<'_>| walk.check(path)),
    );
    let path = path.map_err(|error| match walk.unfit.get() {
        Some(unfit) => unfit.into_error(at, usage),
        None => in_our_words(error, at, usage),
    })?;
    let path = path.intermediate_certificates().filter_map(|shown| {
        let mut known = intermediates.iter();
        known.find(|known| known.as_der() == &*shown.der())
    });
    Ok(path.cloned().collect())
}

/// The rules for a leaf, wherever its chain leads. They are checked first, so that the
/// reason names the leaf and not one of its issuers.
fn check_leaf(leaf: &Certificate, at: Timestamp, usage: Usage) -> Result<(), ChainError> {
    if !leaf.is_valid_at(at) {
        return Err(ChainError::Expired {
            from: leaf.valid_from(),
            until: leaf.valid_until(),
            at,
        });
    }
    match (usage, leaf.usages()) {
        (Usage::CodeSigning, usages) if usage.is_among(usages) => Ok(()),
        // RFC 3161, section 2.3, and timestamp-authority v2.1.3 `pkg/verification`,
        // `verifyLeafCert` (EVD-24).
        (Usage::TimeStamping, Some(usages)) if usages.is_only(TIME_STAMPING) => {
            match leaf.is_authority() {
                true => Err(ChainError::Authority),
                false => Ok(()),
            }
        }
        _ => Err(ChainError::Usage(usage)),
    }
}

impl Usage {
    fn id(self) -> ObjectIdentifier {
        match self {
            Self::CodeSigning => CODE_SIGNING,
            Self::TimeStamping => TIME_STAMPING,
        }
    }

    /// Whether a certificate that states `usages` may be used so; one that states
    /// none may be used for all.
    fn is_among(self, usages: Option<&Usages>) -> bool {
        usages.is_none_or(|usages| {
            let mut oids = usages.oids.iter();
            usages.oids.is_empty() || oids.any(|id| *id == self.id() || *id == ANY)
        })
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CodeSigning => "code signing",
            Self::TimeStamping => "time stamping",
        })
    }
}

impl Usages {
    fn is_only(&self, id: ObjectIdentifier) -> bool {
        self.is_critical && self.oids == [id]
    }
}

/// Why a chain that leads to a root does not hold.
#[derive(Clone, Copy)]
enum Unfit {
    RootExpired,
    Root,
    IssuerExpired,
    Issuer,
}

impl Unfit {
    fn into_error(self, at: Timestamp, usage: Usage) -> ChainError {
        match self {
            Self::RootExpired => ChainError::RootExpired(at),
            Self::Root => ChainError::RootUnfit,
            Self::IssuerExpired => ChainError::IssuerExpired(at),
            Self::Issuer => ChainError::IssuerUnfit(usage),
        }
    }
}

/// The checks of a chain that `rustls-webpki` does not make.
struct Walk<'a> {
    roots: &'a [Certificate],
    at: Timestamp,
    usage: Usage,
    /// Why the last chain that led to a root was refused.
    unfit: Cell<Option<Unfit>>,
}

impl Walk<'_> {
    /// Judges a chain whose signatures hold. An error makes webpki look for another
    /// one: two intermediates may have one name, of which one has expired.
    fn check(&self, path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
        let holds = self
            .issuers(path)
            .and_then(|between| self.root(path, between));
        holds.map_err(|unfit| {
            self.unfit.set(Some(unfit));
            webpki::Error::UnknownIssuer
        })
    }

    /// The number of certificates between leaf and root, each of which may issue.
    fn issuers(&self, path: &VerifiedPath<'_>) -> Result<usize, Unfit> {
        let mut between = 0;
        for issuer in path.intermediate_certificates() {
            let issuer = Certificate::from_der(&issuer.der()).map_err(|_| Unfit::Issuer)?;
            if !issuer.may_issue(between) {
                return Err(Unfit::Issuer);
            }
            // webpki compares whole seconds.
            if !issuer.is_valid_at(self.at) {
                return Err(Unfit::IssuerExpired);
            }
            between = between.saturating_add(1);
        }
        Ok(between)
    }

    /// webpki keeps the name and the key of a root; several certificates can have
    /// both, and one of them has to be good.
    fn root(&self, path: &VerifiedPath<'_>, between: usize) -> Result<(), Unfit> {
        let mut unfit = Unfit::Root;
        for root in self.roots {
            let der = to_webpki(root);
            if !webpki::anchor_from_trusted_cert(&der).is_ok_and(|one| one == *path.anchor()) {
                continue;
            }
            if !root.is_valid_at(self.at) {
                unfit = Unfit::RootExpired;
            } else if self.may_be_root(root, between) {
                return Ok(());
            }
        }
        Err(unfit)
    }

    fn may_be_root(&self, root: &Certificate, between: usize) -> bool {
        root.may_issue(between) && self.usage.is_among(root.usages()) && !root.asks_too_much()
    }
}

/// A certificate that states uses has to state this one, or any; webpki asks leaf and
/// intermediates alike. One without the extension comes as an empty list.
struct Uses(Usage);

impl ExtendedKeyUsageValidator for Uses {
    fn validate(&self, stated: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut states_others = false;
        for stated in stated {
            let stated = stated?.to_decoded_oid();
            if [self.0.id(), ANY].iter().any(|id| is_same(id, &stated)) {
                return Ok(());
            }
            states_others = true;
        }
        match states_others {
            // The caller makes its own message of it.
            true => Err(webpki::Error::EndEntityUsedAsCa),
            false => Ok(()),
        }
    }
}

fn is_same(id: &ObjectIdentifier, arcs: &[usize]) -> bool {
    id.arcs().map(|arc| arc as usize).eq(arcs.iter().copied())
}

/// The error of webpki in words that an owner of certificates knows.
fn in_our_words(error: webpki::Error, at: Timestamp, usage: Usage) -> ChainError {
    match error {
        webpki::Error::UnknownIssuer => ChainError::NotLed,
        // The leaf's own time was compared before.
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
            ChainError::IssuerExpired(at)
        }
        webpki::Error::CaUsedAsEndEntity => ChainError::Authority,
        webpki::Error::EndEntityUsedAsCa | webpki::Error::PathLenConstraintViolated => {
            ChainError::IssuerUnfit(usage)
        }
        webpki::Error::UnsupportedCertVersion => ChainError::IssuerVersion,
        webpki::Error::UnsupportedCriticalExtension => ChainError::Critical,
        webpki::Error::InvalidSignatureForPublicKey => ChainError::Signature,
        webpki::Error::UnsupportedSignatureAlgorithmContext(_)
        | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainError::Algorithm
        }
        error => ChainError::Refused(error),
    }
}

fn to_webpki(certificate: &Certificate) -> CertificateDer<'_> {
    CertificateDer::from(certificate.as_der())
}

/// Whole seconds since 1970; fractions are compared by [`Walk`]. No certificate is
/// valid before 1970, so that an earlier time may count as that year's beginning.
fn unix_time(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
