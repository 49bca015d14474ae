//! The way to one service as its user wants it: its own roots, a certificate for
//! us, another name, a proxy. Key services have such settings each for themselves.

use std::fmt;
use std::sync::{Arc, OnceLock};

use reqwest::Client;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::proxies::ProxyVariable;
use super::roots::Roots;
use super::verifier::CertificateVerifier;
use crate::secret::Secrets;

/// The TLS settings of a service, and its connections, which no request with other
/// settings shares.
pub struct OwnTls {
    /// Instead of the machine's, if there are any.
    roots: Option<Vec<CertificateDer<'static>>>,
    /// The certificate that is shown to the service with its chain, and its
    /// private key.
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// The name that the certificate has to be for, if not the URL's host.
    name: Option<ServerName<'static>>,
    certificates: Certificates,
    /// Instead of the machine's, whatever the host is.
    pub(super) proxy: Option<ProxyVariable>,
    pub(super) direct: OnceLock<Client>,
    pub(super) by_proxy: OnceLock<Client>,
}

/// Whether the service's certificate must be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificates {
    Verified,
    Unverified,
}

/// PEM of TLS settings that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTls {
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    #[error("it holds no private key in PEM")]
    NoKey,
    #[error("it is no name of a host")]
    NoName,
    #[error("certificate and key do not belong together")]
    Pair,
}

debug_as_display!(UnfitTls);

impl OwnTls {
    /// The machine's settings, until told otherwise.
    pub fn new() -> Self {
        Self {
            roots: None,
            identity: None,
            name: None,
            certificates: Certificates::Verified,
            proxy: None,
            direct: OnceLock::new(),
            by_proxy: OnceLock::new(),
        }
    }

    /// With the certificates of `pem` beside those added before, and without
    /// the machine's.
    ///
    /// # Errors
    /// On PEM without a certificate.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, UnfitTls> {
        let certificates = certificates(pem)?;
        self.roots.get_or_insert_default().extend(certificates);
        Ok(self)
    }

    /// With a certificate and its private key, both in PEM, that are shown to
    /// the service.
    ///
    /// # Errors
    /// On PEM without them.
    pub fn showing(mut self, certificate: &[u8], key: &[u8]) -> Result<Self, UnfitTls> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| UnfitTls::NoKey)?;
        let provider = aws_lc_rs::default_provider();
        // Found out where the files are named, and not at the first handshake.
        rustls::sign::CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|_| UnfitTls::Pair)?;
        self.identity = Some((chain, key));
        Ok(self)
    }

    /// With a certificate for this name, whatever the URL says.
    ///
    /// # Errors
    /// On what is no name of a host.
    pub fn named(mut self, name: String) -> Result<Self, UnfitTls> {
        self.name = Some(ServerName::try_from(name).map_err(|_| UnfitTls::NoName)?);
        Ok(self)
    }

    /// With any certificate of the service's: the user wants none verified.
    pub fn trusting_anybody(mut self) -> Self {
        self.certificates = Certificates::Unverified;
        self
    }

    /// By this proxy, and not by the machine's. Its password is hidden from now
    /// on.
    ///
    /// # Errors
    /// On what names no proxy, with the reason.
    pub fn by(mut self, proxy: ProxyVariable, secrets: &Secrets) -> Result<Self, &'static str> {
        proxy.remember(secrets);
        proxy.url()?;
        self.proxy = Some(proxy);
        Ok(self)
    }

    /// TLS 1.2 and 1.3 as set up here. HTTP/1.1 alone: HTTP/2 loses the alert
    /// of a server that wants another certificate. The rules for certificates
    /// stay those of [`CertificateVerifier`], whatever the roots.
    pub(super) fn config(&self, machine: &Roots) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = self.roots.as_ref().unwrap_or(&machine.certificates);
        let verifier = Renamed {
            verifier: CertificateVerifier::new(roots, &provider),
            name: self.name.clone(),
            certificates: self.certificates,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config.with_client_auth_cert(chain.clone(), key.clone_key())?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Default for OwnTls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OwnTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It holds a private key.
        f.write_str("OwnTls(…)")
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnfitTls> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(UnfitTls::NoCertificate),
    }
}

/// Verifies a certificate for another name than the one that was asked for, or
/// none at all.
struct Renamed {
    verifier: CertificateVerifier,
    name: Option<ServerName<'static>>,
    certificates: Certificates,
}

impl fmt::Debug for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renamed(…)")
    }
}

impl ServerCertVerifier for Renamed {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The signatures of the handshake are verified all the same: the server
        // has the key of the certificate that it shows.
        if self.certificates == Certificates::Unverified {
            return Ok(ServerCertVerified::assertion());
        }
        let name = self.name.as_ref().unwrap_or(name);
        self.verifier
            .verify_server_cert(shown, others, name, response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
