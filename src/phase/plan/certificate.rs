//! The certificates of a plan: the files that `cosign.toml` names beside a key
//! (`spec/evidence.md`, EVD-5 and EVD-6). Whether a certificate is of its key is found
//! out when that is open.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, CosignConfig};
use crate::file::Files;
use crate::phase::certificate::{
    CertificateFile, CertificateRole, OwnCertificate, OwnCertificateError,
};
use crate::phase::witnesses::Witnesses;
use crate::proof::certificate::{Certificate, CertificateError, MAX_LENGTH};

/// Whether a timestamp authority says when a signature was made, so that its
/// certificate may expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timestamps {
    None,
    Wanted,
}

impl Timestamps {
    /// An entry of a log of version 1 says a time, too (EVD-32); one of version 2 says
    /// none (EVD-33).
    pub(super) fn of(witnesses: Option<&Witnesses>) -> Self {
        let Some(Witnesses { services, .. }) = witnesses else {
            return Self::None;
        };
        let logs = services.logs.iter().flat_map(|choice| &choice.services);
        match services.timestamps.is_some() || logs.into_iter().any(|log| log.version == 1) {
            true => Self::Wanted,
            false => Self::None,
        }
    }
}

/// The times that count for a certificate.
pub(super) struct CertificateTimes {
    pub(super) now: Timestamp,
    pub(super) timestamps: Timestamps,
}

/// The certificate of a config; none if it names none. Of several certificates in
/// its file the first counts, as for cosign.
///
/// # Errors
/// On files that cannot be read, and on a certificate that cannot stand with
/// signatures.
pub(super) fn own_certificate(
    signatory: &str,
    config: &CosignConfig,
    entry: &Config,
    times: &CertificateTimes,
    read_by: &Files,
) -> Result<Option<Arc<OwnCertificate>>, OwnCertificateError> {
    let file = |role, path: &Path| CertificateFile {
        role,
        signatory: signatory.to_owned(),
        path: config.resolve(path),
    };
    let files = &entry.certificate;
    let chain = files.chain.as_deref();
    let chain = chain.map(|path| file(CertificateRole::Chain, path));
    let Some(leaf) = files.leaf.as_deref() else {
        return match chain {
            Some(chain) => Err(OwnCertificateError::NoLeaf(chain)),
            None => Ok(None),
        };
    };
    let leaf_file = file(CertificateRole::Leaf, leaf);
    let leaf = read(&leaf_file, read_by)?.into_iter().next();
    let leaf = leaf.ok_or_else(|| malformed(&leaf_file, CertificateError::Absent))?;
    let issuers = match chain {
        Some(chain) => read(&chain, read_by)?,
        None => Vec::new(),
    };
    let own = OwnCertificate::new(leaf, issuers, leaf_file)?;
    // An expired one may stand with signatures that were stamped in its time. Whether
    // it is to stand with a new one is known later (`recognise`).
    if times.timestamps == Timestamps::None {
        own.check(times.now)?;
    }
    Ok(Some(Arc::new(own)))
}

fn read(file: &CertificateFile, files: &Files) -> Result<Vec<Certificate>, OwnCertificateError> {
    let called = format!("the {} of `{}`", file.role, file.signatory);
    let bytes = files.read(&file.path, &called, MAX_LENGTH);
    let bytes = bytes.map_err(|source| OwnCertificateError::Unreadable {
        file: file.clone(),
        source,
    })?;
    if bytes.len() > MAX_LENGTH {
        return Err(malformed(file, CertificateError::TooLong));
    }
    Certificate::from_file(&bytes).map_err(|source| malformed(file, source))
}

fn malformed(file: &CertificateFile, source: CertificateError) -> OwnCertificateError {
    OwnCertificateError::Malformed {
        file: file.clone(),
        source,
    }
}
