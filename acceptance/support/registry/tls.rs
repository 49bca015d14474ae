//! A certificate authority that nobody knows, and its certificate for a
//! registry of ours.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::Switch;

/// Whether a registry's certificate has had its time.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Validity {
    #[default]
    Current,
    Expired,
}

/// A name that a certificate of ours has too, for tests that reach it through a
/// proxy.
pub const PUBLIC_NAME: &str = "registry.example";

/// An address of a private network, and a name for tests that make it mean the
/// machine itself.
pub const PRIVATE_ADDRESS: &str = "10.77.0.1";
pub const INWARD_NAME: &str = "inward.example";

/// An acceptor for `127.0.0.1`, `localhost` and the names above, and its
/// authority as PEM.
pub fn acceptor(validity: Validity, http2: Switch) -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).expect("an authority");
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().expect("a key");
    let names = [
        "127.0.0.1",
        "::1",
        "localhost",
        PUBLIC_NAME,
        PRIVATE_ADDRESS,
        INWARD_NAME,
    ];
    let names = names.map(str::to_owned);
    let mut params = CertificateParams::new(names).expect("names");
    if validity == Validity::Expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8"),
        )
        .expect("key and certificate belong together");
    if http2 == Switch::On {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    (
        TlsAcceptor::from(Arc::new(config)),
        authority_certificate.pem(),
    )
}
