//! The certificates that `cosign.toml` names beside a key (EVD-5 to EVD-8). `phase` reads
//! them, and compares them with the key.

use std::path::PathBuf;

use super::error::ConfigError;
use super::format::{Format, format};
use super::path::file;
use super::table::Table;

pub(super) const CHAIN: &str = "certificate-chain";
const BUNDLE_CHAIN: &str = "bundle-certificate-chain";

/// The files of a key's certificate, as written; see [`CosignConfig::resolve`].
///
/// [`CosignConfig::resolve`]: super::CosignConfig::resolve
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// `certificate`
    pub leaf: Option<PathBuf>,
    /// `certificate-chain`: the issuers, up to the root. Whether there is a certificate
    /// that they belong to, is for the plan to see.
    pub chain: Option<PathBuf>,
    pub bundled: BundledChain,
}

/// Whether a second bundle has the issuers beside the certificate
/// (`bundle-certificate-chain`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BundledChain {
    /// Only bundles that every cosign takes for one.
    #[default]
    Left,
    /// One more for cosign 3.1.3 and later with `--allow-certificate-chain`.
    Added,
}

pub(super) fn certificate_files(table: &Table<'_, '_>) -> Result<CertificateFiles, ConfigError> {
    let path = |key| {
        let text = table.optional_text(key)?;
        text.map(|text| file(key, text)).transpose()
    };
    Ok(CertificateFiles {
        leaf: path("certificate")?,
        chain: path(CHAIN)?,
        bundled: bundled(table)?,
    })
}

/// `bundle-certificate-chain`. It is refused where it would change nothing (EVD-8): who
/// writes it counts on such bundles.
fn bundled(table: &Table<'_, '_>) -> Result<BundledChain, ConfigError> {
    let Some(value) = table.table.get(BUNDLE_CHAIN) else {
        return Ok(BundledChain::Left);
    };
    match value.get_ref().as_bool() {
        Some(true) => {}
        Some(false) => return Ok(BundledChain::Left),
        None => return Err(table.wrong_type(BUNDLE_CHAIN, "`true` or `false`", value)),
    }
    let needs = |other| ConfigError::Needs {
        key: BUNDLE_CHAIN,
        other,
        position: table.document.position(value.span()),
    };
    // An authority that certifies an identity gives the chain with the certificate.
    let chains = [CHAIN, "identity-token", "oidc-provider"];
    if !chains.iter().any(|key| table.table.contains_key(*key)) {
        return Err(needs(CHAIN));
    }
    let written = table.optional_text("format")?.map(format).transpose()?;
    match written.unwrap_or_default().has_bundles() {
        true => Ok(BundledChain::Added),
        false => Err(needs("format = \"bundle\"")),
    }
}

impl BundledChain {
    /// Whether a config of this format has such bundles.
    pub fn is_added(self, format: Format) -> bool {
        self == Self::Added && format.has_bundles()
    }
}
