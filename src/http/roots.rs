//! placeholder until the roots land
pub struct Roots {
    pub certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
}
