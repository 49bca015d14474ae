//! A private PKI: a root, an intermediate below it, and certificates for keys whose
//! private half is not needed.

use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SignatureAlgorithm, date_time_ymd,
};
use tempfile::TempDir;

use super::testdata;
use super::witnesses::der::{contents, inside};

/// The subject of the certificates.
pub const SUBJECT: &str = "https://example.com/builder";

/// The files of a PKI; they end with this value.
pub struct Pki {
    folder: TempDir,
    intermediate: Issuer<'static, KeyPair>,
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Pki {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With an intermediate that is made otherwise.
    pub fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a folder of our own");
        };
        let (root_key, key) = (pair(), pair());
        let parameters = authority("Example Root");
        let root = parameters.self_signed(&root_key).expect("a certificate");
        let root_issuer = Issuer::new(parameters, root_key);
        let mut parameters = authority("Example Intermediate");
        change(&mut parameters);
        let made = parameters.signed_by(&key, &root_issuer);
        let made = made.expect("a certificate");
        write("root.pem", &root.pem());
        write("intermediate.pem", &made.pem());
        write("intermediate.key", &key.serialize_pem());
        write("chain.pem", &format!("{}{}", made.pem(), root.pem()));
        Self {
            folder,
            intermediate: Issuer::new(parameters, key),
        }
    }

    /// The path of `root.pem`, `intermediate.pem`, or `chain.pem` with both.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of this PKI")
    }

    /// Writes a file; gives its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a folder of our own");
        path.display().to_string()
    }

    /// The path of a certificate for a key of `testdata/keys`, for signing code.
    pub fn leaf(&self, key: &str) -> String {
        self.leaf_with(key, |_| {})
    }

    /// The same, made otherwise.
    pub fn leaf_with(&self, key: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let public = testdata("keys").join(format!("{key}.pub"));
        if key.starts_with("p521") {
            return self.by_openssl(&public);
        }
        self.issue(&public, change)
    }

    /// The path of a certificate for a public key in PEM.
    pub fn issue(&self, public: &Path, change: impl FnOnce(&mut CertificateParams)) -> String {
        let pem = std::fs::read_to_string(public).expect("a public key");
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = vec![SanType::URI(SUBJECT.try_into().expect("ASCII"))];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.not_before = date_time_ymd(2025, 1, 1);
        change(&mut parameters);
        let certificate = parameters.signed_by(&Public::of(&pem), &self.intermediate);
        let certificate = certificate.expect("a certificate");
        let serial = hex::encode(&certificate.der()[..]);
        let name = format!("leaf-{:.24}.pem", &serial[serial.len() - 24..]);
        self.write(&name, certificate.pem())
    }

    /// rcgen, as it is built here, knows no P-521.
    fn by_openssl(&self, public: &Path) -> String {
        let extensions = format!(
            "extendedKeyUsage=codeSigning\nkeyUsage=digitalSignature\n\
             subjectAltName=critical,URI:{SUBJECT}\n"
        );
        self.write("extensions", extensions);
        self.write("throwaway.key", pair().serialize_pem());
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.current_dir(self.folder.path());
            let made = command.args(arguments.split(' ')).output();
            let made = made.expect("openssl");
            assert!(made.status.success(), "{made:?}");
        };
        openssl("req -new -key throwaway.key -subj / -out throwaway.csr");
        let public = public.display();
        openssl(&format!(
            "x509 -req -in throwaway.csr -force_pubkey {public} -CA intermediate.pem \
             -CAkey intermediate.key -days 30 -extfile extensions -out openssl.pem"
        ));
        self.path("openssl.pem")
    }
}

fn pair() -> KeyPair {
    KeyPair::generate().expect("a key pair")
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2024, 1, 1);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

/// A public key that rcgen did not make.
struct Public {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl Public {
    fn of(pem: &str) -> Self {
        let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).expect("PEM");
        let bits = *inside(&der).last().expect("bits");
        Self {
            // The first octet counts the bits that are not used.
            bits: contents(bits)[1..].to_vec(),
            algorithm: match der.len() {
                44 => &rcgen::PKCS_ED25519,
                91 => &rcgen::PKCS_ECDSA_P256_SHA256,
                120 => &rcgen::PKCS_ECDSA_P384_SHA384,
                _ => &rcgen::PKCS_RSA_SHA256,
            },
        }
    }
}

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
