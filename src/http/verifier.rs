//! The rules for a server's certificate are Go's (`crypto/x509` `Verify`, Go
//! 1.26), since the phases before and the verifiers after the signer are
//! written in Go (`spec/decisions/0016`).
//!
//! `rustls-webpki` builds and verifies the chains. Four rules differ from its
//! own: a certificate that is itself a root is accepted as the server's; a
//! server's certificate may be one of an authority; `any` is a purpose; and
//! roots have to keep the rules that hold for other authorities.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, ExtendedKeyPurpose, OtherError, SignatureScheme,
};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, VerifiedPath,
};

use super::certificate::ServerCertificate;

/// `anyExtendedKeyUsage`, 2.5.29.37.0.
const ANY_PURPOSE: [usize; 5] = [2, 5, 29, 37, 0];

/// A root vouches for a certificate, but is not fit to. Told apart from an
/// unknown authority: the root is listed, and the message says why it does not
/// help.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnfitRoot {
    #[error("the root certificate that vouches for it has expired, or is not valid yet")]
    Expired,
    #[error("the root certificate that vouches for it may not do so")]
    MayNotSign,
}

debug_as_display!(UnfitRoot);

/// Verifies servers' certificates by a set of roots.
pub(super) struct CertificateVerifier {
    /// Sorted.
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for CertificateVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateVerifier(…)")
    }
}

impl CertificateVerifier {
    /// A root that is no certificate is left out.
    pub(super) fn new(roots: &[CertificateDer<'static>], provider: &CryptoProvider) -> Self {
        let mut roots = roots.to_vec();
        roots.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        let anchors = roots.iter().filter_map(|root| {
            let anchor = webpki::anchor_from_trusted_cert(root).ok()?;
            Some(anchor.to_owned())
        });
        Self {
            anchors: anchors.collect(),
            roots,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let leaf = parse(shown)?;
        // Go refuses a handshake with any certificate that it cannot parse,
        // needed or not.
        let others = others.iter().map(|other| Ok((other, parse(other)?)));
        let others: Vec<_> = others.collect::<Result<_, CertificateError>>()?;
        // Before any chain is looked for, as in Go's `Verify`.
        if !leaf.is_for(name) {
            return Err(CertificateError::NotValidForNameContext {
                expected: name.to_owned(),
                presented: leaf.names(),
            });
        }
        // A server may show a root itself: no chain leads anywhere then.
        if self.is_root(shown) {
            return check_alone(&leaf, now);
        }
        let copy = leaf.without_authority().map(CertificateDer::from);
        self.build(&leaf, copy.as_ref().unwrap_or(shown), &others, now)
    }

    fn is_root(&self, shown: &CertificateDer<'_>) -> bool {
        let found = self
            .roots
            .binary_search_by(|root| root.as_ref().cmp(shown.as_ref()));
        found.is_ok()
    }

    /// Looks for a chain from `shown` to a root. `shown` is the server's
    /// certificate; if that is an authority, its copy that is none, since
    /// `rustls-webpki` refuses an authority as the server's. The copy's
    /// signature is that of the original.
    fn build(
        &self,
        leaf: &ServerCertificate<'_>,
        shown: &CertificateDer<'_>,
        others: &[(&CertificateDer<'_>, ServerCertificate<'_>)],
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let copy = parse(shown)?;
        let of_copy = |algorithm: &&'static dyn SignatureVerificationAlgorithm| OfCopy {
            algorithm: *algorithm,
            copy: copy.signed,
            original: leaf.signed,
        };
        let algorithms: Vec<_> = self.algorithms.all.iter().map(of_copy).collect();
        let algorithms: Vec<_> = algorithms
            .iter()
            .map(|algorithm| algorithm as &dyn SignatureVerificationAlgorithm)
            .collect();
        let intermediates: Vec<CertificateDer<'_>> = others
            .iter()
            .map(|(der, _)| CertificateDer::from(der.as_ref()))
            .collect();
        let end = EndEntityCert::try_from(shown).map_err(sorted)?;
        // webpki hands on its own errors alone.
        let unfit = Cell::new(None);
        let check = |path: &VerifiedPath<'_>| self.check(path, now, &unfit);
        end.verify_for_usage(
            &algorithms,
            &self.anchors,
            &intermediates,
            now,
            ForServers,
            None,
            Some(&check),
        )
        .map(|_| ())
        .map_err(|error| match (error, unfit.get()) {
            (webpki::Error::UnknownIssuer, Some(root)) => {
                CertificateError::Other(OtherError(Arc::new(root)))
            }
            (error, _) => sorted(error),
        })
    }

    /// The checks of a chain's authorities that `rustls-webpki` does not make.
    /// Notes the root that fails only by its own fields.
    fn check(
        &self,
        path: &VerifiedPath<'_>,
        now: UnixTime,
        unfit: &Cell<Option<UnfitRoot>>,
    ) -> Result<(), webpki::Error> {
        let authorities: Vec<_> = path.intermediate_certificates().map(|a| a.der()).collect();
        let malformed = |_| webpki::Error::BadDer;
        let chain = authorities.iter().map(|der| ServerCertificate::parse(der));
        let mut chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(malformed)?;
        let may_sign = |(between, one): (usize, &ServerCertificate<'_>)| one.may_sign(between);
        // The first has none between it and the server's.
        if !chain.iter().enumerate().all(may_sign) {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
        let between = chain.len();
        let leaf = path.end_entity().der();
        chain.push(ServerCertificate::parse(&leaf).map_err(malformed)?);
        // webpki keeps the name and the key of a root; several certificates can have
        // both, and the rest of them decides.
        let is_anchor = |root: &&CertificateDer<'static>| {
            let anchor = webpki::anchor_from_trusted_cert(root);
            anchor.is_ok_and(|anchor| anchor == *path.anchor())
        };
        let is_good = |root: &CertificateDer<'static>| {
            let Ok(root) = parse(root) else { return false };
            if root.is_expired(since_1970(now)) {
                unfit.set(Some(UnfitRoot::Expired));
            } else if !root.may_sign(between) || check_alone(&root, now).is_err() {
                unfit.set(Some(UnfitRoot::MayNotSign));
            } else {
                // Go leaves out a root that stands in the chain already.
                return !chain.iter().any(|one| one.is_same_party(&root));
            }
            false
        };
        if self.roots.iter().filter(is_anchor).any(is_good) {
            Ok(())
        } else {
            Err(webpki::Error::UnknownIssuer)
        }
    }
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn since_1970(now: UnixTime) -> Duration {
    Duration::from_secs(now.as_secs())
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<ServerCertificate<'a>, CertificateError> {
    ServerCertificate::parse(der).map_err(|_| CertificateError::BadEncoding)
}

/// The rules that hold for a root, whatever it has signed.
fn check_alone(root: &ServerCertificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
    if root.asks_too_much() {
        return Err(CertificateError::UnhandledCriticalExtension);
    }
    if root.is_expired(since_1970(now)) {
        return Err(CertificateError::Expired);
    }
    if !root.is_for_servers() {
        return Err(wrong_purpose(root.purposes()));
    }
    Ok(())
}

/// A certificate that states purposes must be for servers, or for anything.
struct ForServers;

impl ExtendedKeyUsageValidator for ForServers {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?.to_decoded_oid();
            if purpose == KeyUsage::SERVER_AUTH_REPR || purpose == ANY_PURPOSE {
                return Ok(());
            }
            present.push(purpose);
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = KeyUsage::server_auth();
        let missing = RequiredEkuNotFoundContext { required, present };
        Err(webpki::Error::RequiredEkuNotFoundContext(missing))
    }
}

/// An algorithm that verifies the copy of a certificate as if it were the
/// original. All other messages, those of authorities, are verified as they
/// are.
struct OfCopy<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    copy: &'a [u8],
    original: &'a [u8],
}

impl fmt::Debug for OfCopy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfCopy(…)")
    }
}

impl SignatureVerificationAlgorithm for OfCopy<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // All bytes that are signed are compared, so that no other message is
        // exchanged.
        let is_copy = message == self.copy;
        let message = if is_copy { self.original } else { message };
        self.algorithm
            .verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}

/// A purpose that servers do not have.
fn wrong_purpose(present: Vec<Vec<usize>>) -> CertificateError {
    let name = |purpose: Vec<usize>| match purpose.as_slice() {
        purpose if purpose == KeyUsage::CLIENT_AUTH_REPR => ExtendedKeyPurpose::ClientAuth,
        _ => ExtendedKeyPurpose::Other(purpose),
    };
    CertificateError::InvalidPurposeContext {
        required: ExtendedKeyPurpose::ServerAuth,
        presented: present.into_iter().map(name).collect(),
    }
}

/// The error in the words of `rustls`, as far as it has some.
fn sorted(error: webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        E::RequiredEkuNotFoundContext(missing) => wrong_purpose(missing.present),
        error => CertificateError::Other(OtherError(Arc::new(error))),
    }
}

#[cfg(test)]
mod tests;
