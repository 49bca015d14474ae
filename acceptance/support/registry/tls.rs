//! A certificate authority that nobody knows, and its certificate for a
//! registry of ours.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::settings::{Shape, Switch};

/// A name that a certificate of ours has too, for tests that reach it through a
/// proxy.
pub const PUBLIC_NAME: &str = "registry.example";

/// An address of a private network, and a name for tests that make it mean the
/// machine itself.
pub const PRIVATE_ADDRESS: &str = "10.77.0.1";
pub const INWARD_NAME: &str = "inward.example";

/// Names of registries that a cloud has, which a proxy leads to ours.
pub const ECR_NAME: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
pub const ECR_PUBLIC_NAME: &str = "public.ecr.aws";
pub const ACR_NAME: &str = "team.azurecr.io";
pub const GCR_NAME: &str = "gcr.io";
pub const ARTIFACTS_NAME: &str = "europe-west3-docker.pkg.dev";

/// An acceptor for `127.0.0.1`, `localhost` and the names above, and its
/// authority as PEM. It may want a certificate of its clients, which nobody
/// has.
pub fn acceptor(shape: Shape, http2: Switch, wants_certificate: Switch) -> (TlsAcceptor, String) {
    let (authority, certificate, key) = certificates(shape);
    let mut config = config(&authority, &certificate, &key, wants_certificate);
    if http2 == Switch::On {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    if wants_certificate == Switch::On {
        // As servers that people put before a registry.
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

/// A server's side of TLS, and what its clients need, as PEM.
pub struct Private {
    pub acceptor: TlsAcceptor,
    pub authority: String,
    /// The server's certificate, and its key (PKCS#8).
    pub server: [String; 2],
    /// A certificate for clients, of the same authority, and its key (PKCS#8).
    pub client: [String; 2],
}

impl Private {
    /// The name (CN) in the certificate for clients.
    pub const CLIENT: &'static str = "client";

    /// For `127.0.0.1`, `localhost`, and `names`, which may be wildcards.
    pub fn named(names: &[&str], wants_certificate: Switch) -> Self {
        let (authority, issuer) = authority();
        let names = ["127.0.0.1", "localhost"].iter().chain(names);
        let names: Vec<_> = names.map(|&name| name.to_owned()).collect();
        let issue = |params: CertificateParams| {
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            (certificate, key)
        };
        let (certificate, key) = issue(CertificateParams::new(names).expect("names"));
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, Self::CLIENT);
        let (client, client_key) = issue(params);
        let config = config(&authority, &certificate, &key, wants_certificate);
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            authority: authority.pem(),
            server: [certificate.pem(), key.serialize_pem()],
            client: [client.pem(), client_key.serialize_pem()],
        }
    }
}

fn config(
    authority: &Certificate,
    certificate: &Certificate,
    key: &KeyPair,
    wants_certificate: Switch,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3");
    let builder = match wants_certificate {
        Switch::Off => builder.with_no_client_auth(),
        Switch::On => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8");
    builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("key and certificate belong together")
}

fn authority() -> (Certificate, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("an authority");
    (certificate, Issuer::new(params, key))
}

/// An authority, the certificate of a registry, and its key.
fn certificates(shape: Shape) -> (Certificate, Certificate, KeyPair) {
    let names = [
        "127.0.0.1",
        "::1",
        "localhost",
        PUBLIC_NAME,
        PRIVATE_ADDRESS,
        INWARD_NAME,
        ECR_NAME,
        ECR_PUBLIC_NAME,
        ACR_NAME,
        GCR_NAME,
        ARTIFACTS_NAME,
    ];
    let names = names.map(str::to_owned);
    let mut params = CertificateParams::new(names).expect("names");
    if matches!(shape, Shape::Expired | Shape::OwnExpired) {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    match shape {
        Shape::OwnForClients => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
        }
        Shape::ForAnything => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any],
        _ => {}
    }
    let key = KeyPair::generate().expect("a key");
    let is_own = matches!(shape, Shape::Own | Shape::OwnForClients | Shape::OwnExpired);
    if is_own || shape == Shape::Authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    if is_own {
        let own = params.self_signed(&key).expect("a certificate");
        return (own.clone(), own, key);
    }
    let (authority, issuer) = authority();
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    (authority, certificate, key)
}
