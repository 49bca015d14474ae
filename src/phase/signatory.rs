//! Signatories, as `cosign.toml` names them, and the things that they hang on
//! images.

use std::sync::Arc;

use super::certificate::OwnCertificate;
use super::witnesses::Witnesses;
use crate::attach::{Kind, Place};
use crate::config::{BundledChain, ExportSbom, Format, MediaTypes};
use crate::envelope::{Form, Verifier};
use crate::keys::KeyReference;
use crate::oci::{Digest, Repository};
use crate::signature::PublicKey;

/// A `[[configs]]` entry: who signs, and where to.
#[derive(Clone, Debug)]
pub struct Signatory {
    /// `configs[0]` and so on, for messages.
    pub name: String,
    pub key: Arc<KeyReference>,
    /// Replaces the whole repository, as cosign's `COSIGN_REPOSITORY` does; none is the
    /// image's own.
    pub repository: Option<Repository>,
    /// For tags that are newly made.
    pub media_types: MediaTypes,
    pub export_sbom: ExportSbom,
    pub format: Format,
    /// The services that vouch for its signatures, and whose word counts.
    pub witnesses: Option<Arc<Witnesses>>,
    /// A certificate of its key from a file; an identity's is issued later.
    pub certificate: Option<Arc<OwnCertificate>>,
    /// Whether bundles with the certificate's issuers are added (EVD-8).
    pub bundled_chain: BundledChain,
}

/// A thing that a signatory hangs on an image. How many layers it becomes is known once
/// the image was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    Signature(Form),
    Attestations(Form),
    Attachment,
}

impl Item {
    /// The kind of place where it hangs.
    pub fn kind(self) -> Kind {
        match self {
            Self::Signature(Form::Tag) => Kind::Signatures,
            Self::Attestations(Form::Tag) => Kind::Attestations,
            Self::Signature(Form::Bundle | Form::ChainBundle)
            | Self::Attestations(Form::Bundle | Form::ChainBundle) => Kind::Referrers,
            Self::Attachment => Kind::Sbom,
        }
    }
}

impl Signatory {
    /// Whether its signatures have more with them than its key's word: then they are
    /// looked for where they hang, also those of a local key (WIRE-93).
    pub(super) fn is_vouched(&self) -> bool {
        self.certificate.is_some() || self.witnesses.is_some()
    }

    /// The verifier of its signatures in a form, as verifiers are told it. Of an
    /// identity its key, until a certificate is issued for that.
    pub(super) fn verifier(&self, key: &PublicKey, form: Form) -> Verifier {
        match &self.certificate {
            Some(certificate) => certificate.verifier(form),
            None => Verifier::Key(key.clone()),
        }
    }

    /// Where `kind` hangs for an image.
    pub fn place(&self, repository: &Repository, digest: &Digest, kind: Kind) -> Place {
        let repository = self.repository.as_ref().unwrap_or(repository);
        Place::new(repository.clone(), digest.clone(), kind)
    }

    /// The items that the signatory hangs on an image. An attachment is not signed, and
    /// has one form (SIG-53). The order is that of the layers at a place.
    pub fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for (form, is_wanted) in [
            (Form::Tag, self.format.has_tags()),
            (Form::Bundle, self.format.has_bundles()),
            (Form::ChainBundle, self.bundled_chain.is_added(self.format)),
        ] {
            if is_wanted {
                items.push(Item::Signature(form));
                if self.export_sbom == ExportSbom::Attestation {
                    items.push(Item::Attestations(form));
                }
            }
        }
        if self.export_sbom == ExportSbom::Attachment {
            items.push(Item::Attachment);
        }
        items
    }
}
