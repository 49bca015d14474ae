//! A signatory's own certificate: its PKI vouches for its key, and no service is
//! asked to (`spec/evidence.md`, "Certificates").
//!
//! A signature does not cover the certificate, so that a new certificate of the
//! same key can stand beside a signature that is there already.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::envelope::{Form, Verifier};
use crate::keys::KeyReference;
use crate::proof::certificate::{Certificate, CertificateError};
use crate::proof::chain::{self, ChainError, Usage};
use crate::proof::key::VerifyingKey;
use crate::signature::PublicKey;
use crate::signature::oid::{TOKEN_ISSUER_V1, TOKEN_ISSUER_V2};

/// A certificate of the signatory's key, whose chain held when its time began.
#[derive(Debug)]
pub struct OwnCertificate {
    leaf: Certificate,
    /// As their file has them: the leaf's issuer first, the root last.
    issuers: Vec<Certificate>,
    file: CertificateFile,
}

/// A file that `cosign.toml` names, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFile {
    pub role: CertificateRole,
    /// `configs[0]` and so on.
    pub signatory: String,
    pub path: PathBuf,
}

/// Which of the two files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateRole {
    /// `certificate`
    Leaf,
    /// `certificate-chain`
    Chain,
}

/// A certificate that cannot stand with signatures.
#[derive(thiserror::Error)]
pub enum OwnCertificateError {
    #[error("cannot read the {file}")]
    Unreadable {
        file: CertificateFile,
        #[source]
        source: io::Error,
    },
    #[error("the {file}, cannot be used")]
    Malformed {
        file: CertificateFile,
        #[source]
        source: CertificateError,
    },
    #[error("the {0}, is a chain without a `certificate`")]
    NoLeaf(CertificateFile),
    #[error("the {file}, does not vouch for its key")]
    Refused {
        file: CertificateFile,
        #[source]
        source: Box<ChainError>,
    },
    #[error("the {file}, is of another key than `{key}`")]
    OtherKey {
        file: CertificateFile,
        key: Arc<KeyReference>,
    },
}

debug_as_display!(OwnCertificateError);

impl OwnCertificate {
    /// Takes a certificate, and the issuers of its chain's file if there is one. The
    /// chain is verified at the time from which the certificate is valid, as cosign does
    /// before it signs: an expired certificate is not refused here.
    ///
    /// # Errors
    /// On a chain that does not lead to its last certificate, or did not when the
    /// certificate's time began, and on one that is not for signing code.
    pub fn new(
        leaf: Certificate,
        issuers: Vec<Certificate>,
        file: CertificateFile,
    ) -> Result<Self, OwnCertificateError> {
        let own = Self {
            leaf,
            issuers,
            file,
        };
        own.check(own.leaf.valid_from())?;
        Ok(own)
    }

    /// Whether the certificate vouches for its key at `at`. Without a chain only its
    /// own fields can tell.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(&self, at: Timestamp) -> Result<(), OwnCertificateError> {
        // As its own root, a certificate is checked for its time, version and uses.
        let holds = match self.issuers.split_last() {
            Some((root, between)) => self.leads(between, root, at),
            None => self.leads(&[], &self.leaf, at),
        };
        holds.map_err(|source| OwnCertificateError::Refused {
            file: self.file.clone(),
            source: Box::new(source),
        })
    }

    /// The leaf, then its issuers, the root last.
    pub fn certificates(&self) -> Vec<Certificate> {
        let leaf = std::iter::once(&self.leaf);
        leaf.chain(&self.issuers).cloned().collect()
    }

    /// Whether it is a certificate of this key.
    ///
    /// # Errors
    /// If it is one of another.
    pub fn check_key(
        &self,
        public_key: &PublicKey,
        key: &Arc<KeyReference>,
    ) -> Result<(), OwnCertificateError> {
        match is_same(self.leaf.public_key(), public_key) {
            true => Ok(()),
            false => Err(OwnCertificateError::OtherKey {
                file: self.file.clone(),
                key: Arc::clone(key),
            }),
        }
    }

    /// The certificates that stand with a signature in this form.
    pub fn verifier(&self, form: Form) -> Verifier {
        verifier(&self.leaf, &self.issuers, form)
    }

    /// Whether certificates that stand with a signature in this form are as good as
    /// this one at `at`: of the same key and names, and with a chain to the same
    /// root (EVD-10): so a renewed certificate does not write every place again. Without
    /// a chain nothing but the certificate itself can be trusted.
    pub fn is_stood_for_by(&self, standing: &[Vec<u8>], form: Form, at: Timestamp) -> bool {
        let certificates = standing.iter().map(|der| Certificate::from_der(der));
        let Ok(certificates) = certificates.collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        let Some((leaf, issuers)) = certificates.split_first() else {
            return false;
        };
        let Some((root, between)) = self.issuers.split_last() else {
            return *leaf == self.leaf && self.check(at).is_ok();
        };
        // A bundle with the leaf alone is verified with the issuers that verifiers have.
        let between = match form {
            Form::Bundle => between,
            Form::Tag | Form::ChainBundle => issuers,
        };
        let theirs = Self {
            leaf: leaf.clone(),
            issuers: self.issuers.clone(),
            file: self.file.clone(),
        };
        theirs.is_for_the_same(&self.leaf) && theirs.leads(between, root, at).is_ok()
    }

    fn is_for_the_same(&self, other: &Certificate) -> bool {
        // Private PKIs have neither.
        let issuers = |certificate: &Certificate| {
            [TOKEN_ISSUER_V1, TOKEN_ISSUER_V2]
                .map(|id| certificate.extension(id).map(<[u8]>::to_vec))
        };
        is_same(self.leaf.public_key(), other.public_key())
            && self.leaf.names() == other.names()
            && issuers(&self.leaf) == issuers(other)
    }

    fn leads(
        &self,
        between: &[Certificate],
        root: &Certificate,
        at: Timestamp,
    ) -> Result<(), ChainError> {
        // A root may have an older version, and a leaf not, though it be its own root
        // (EVD-1): without the names that version 3 has, no verifier accepts it.
        if self.leaf.version() < 3 {
            return Err(ChainError::Version(self.leaf.version()));
        }
        let roots = std::slice::from_ref(root);
        chain::check(&self.leaf, between, roots, at, Usage::CodeSigning)
    }
}

/// The certificates that stand with a signature in a form (EVD-7, EVD-8). At a tag
/// cosign 2 takes the last one off, for a root that verifiers have anyway: if no root is
/// at hand, the last issuer stands there twice. A bundle with a chain is none to cosign
/// up to 3.1.2, and with a root in it none to later ones either.
pub(super) fn verifier(leaf: &Certificate, issuers: &[Certificate], form: Form) -> Verifier {
    let is_root = |certificate: &&Certificate| certificate.is_self_signed();
    let issuers: Vec<&Certificate> = match form {
        Form::Tag => {
            let missing = issuers.last().filter(|last| !is_root(last));
            issuers.iter().chain(missing).collect()
        }
        Form::Bundle => Vec::new(),
        Form::ChainBundle => issuers.iter().filter(|issuer| !is_root(issuer)).collect(),
    };
    let all = std::iter::once(leaf).chain(issuers);
    Verifier::Certificates(all.map(|one| one.as_der().to_vec()).collect())
}

/// Whether both are one key. Their bytes may differ: the parameters of RSA keys may be
/// left out.
fn is_same(one: &PublicKey, other: &PublicKey) -> bool {
    let key = |public: &PublicKey| {
        let key = VerifyingKey::from_der(public.as_der()).ok()?;
        Some((key.kind(), key.bits().to_vec()))
    };
    one == other || key(one).is_some_and(|one| key(other) == Some(one))
}

impl fmt::Display for CertificateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf => "certificate",
            Self::Chain => "certificate chain",
        })
    }
}

impl fmt::Display for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, path) = (self.role, self.path.display());
        write!(f, "{role} of `{}`, `{path}`", self.signatory)
    }
}

#[cfg(test)]
mod tests;
