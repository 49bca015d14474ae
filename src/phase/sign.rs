//! Steps 3 and 4 of the RFC, in memory: every signatory signs every claim.
//! No network; nothing of a key that fails is left behind.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::info;

use super::check_read::Readable;
use super::check_write::Writable;
use super::error::PhaseError;
use super::plan::{Image, Plan, Signatory};
use super::unlock::Opened;
use crate::attach::{Found, Kind, Layer, Place};
use crate::config::MediaTypes;
use crate::envelope::{dsse, simple_signing, statement};
use crate::keys::Signer;
use crate::oci::{Content, Descriptor, Digest, MediaType};
use crate::sbom::{self, Document};

/// cosign's annotation of a layer (SIGNATURE_SPEC.md); empty on attestations.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
pub(super) const PREDICATE_TYPE: &str = "predicateType";

/// Everything signed, nothing published.
pub struct Signed {
    places: Vec<SignedPlace>,
}

/// What hangs, or will hang, at one place.
pub(super) struct SignedPlace {
    pub(super) place: Place,
    pub(super) media_types: MediaTypes,
    pub(super) found: Found,
    pub(super) entries: Vec<Entry>,
}

/// One signatory's layer.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) image: Image,
    pub(super) key: PathBuf,
    pub(super) public_key: Digest,
    pub(super) document: Option<String>,
    pub(super) layer: Layer,
}

impl Signed {
    pub(super) fn into_places(self) -> Vec<SignedPlace> {
        self.places
    }
}

/// Takes the steps, on blocking threads.
///
/// # Errors
/// On a signature that its own public key does not accept, and on an SBOM that
/// cannot be attached.
pub async fn sign(
    plan: &Plan,
    readable: Readable,
    writable: Writable,
    opened: Vec<Opened>,
) -> Result<Signed, PhaseError> {
    let claims = Arc::new(Claims::new(plan, readable)?);
    let tasks: Vec<_> = opened
        .into_iter()
        .map(|key| {
            let claims = Arc::clone(&claims);
            tokio::task::spawn_blocking(move || claims.sign_all(&key))
        })
        .collect();
    let mut signed: Vec<(usize, Place, Entry)> = Vec::new();
    for task in tasks {
        signed.extend(task.await.map_err(|_| PhaseError::Crashed("signing"))??);
    }
    // Layers hang in the order of cosign.toml, whatever was ready first.
    signed.sort_by_key(|(signatory, _, _)| *signatory);
    Ok(Signed {
        places: by_place(writable, signed),
    })
}

fn by_place(writable: Writable, signed: Vec<(usize, Place, Entry)>) -> Vec<SignedPlace> {
    let mut entries: BTreeMap<Place, Vec<Entry>> = BTreeMap::new();
    for (_, place, entry) in signed {
        entries.entry(place).or_default().push(entry);
    }
    let with_entries = |(place, (found, media_types)): (Place, (Found, MediaTypes))| {
        let entries = entries.remove(&place)?;
        Some(SignedPlace {
            place,
            media_types,
            found,
            entries,
        })
    };
    writable
        .into_places()
        .into_iter()
        .filter_map(with_entries)
        .collect()
}

/// What there is to say, before anybody says it.
struct Claims {
    images: Vec<Image>,
    signatories: Vec<Signatory>,
    annotations: BTreeMap<String, String>,
    documents: Vec<Document>,
    attachment: Option<Layer>,
}

impl Claims {
    fn new(plan: &Plan, readable: Readable) -> Result<Self, PhaseError> {
        let documents = readable.documents().to_vec();
        let attaches = plan
            .signatories()
            .iter()
            .any(|signatory| signatory.kinds().contains(&Kind::Sbom));
        let attachment = match plan.images().first() {
            Some(image) if attaches && !documents.is_empty() => {
                Some(attachment(image, &documents)?)
            }
            _ => None,
        };
        Ok(Self {
            images: plan.images().to_vec(),
            signatories: plan.signatories().to_vec(),
            annotations: plan.annotations().clone(),
            documents,
            attachment,
        })
    }

    fn sign_all(&self, key: &Opened) -> Result<Vec<(usize, Place, Entry)>, PhaseError> {
        let signing = Signing {
            claims: self,
            key: &key.path,
            signer: &key.signer,
        };
        let mut signed = Vec::new();
        for image in &self.images {
            let mut ready: BTreeMap<Kind, Vec<Entry>> = BTreeMap::new();
            for index in &key.signatories {
                let Some(signatory) = self.signatories.get(*index) else {
                    continue;
                };
                for kind in signatory.kinds() {
                    if !ready.contains_key(kind) {
                        ready.insert(*kind, signing.entries(image, *kind)?);
                    }
                    let entries = ready.get(kind).into_iter().flatten().cloned();
                    signed.extend(
                        entries.map(|entry| (*index, signatory.place(image, *kind), entry)),
                    );
                }
            }
            info!("Signed {image} with {}", key.path.display());
        }
        Ok(signed)
    }
}

/// One key at work.
struct Signing<'a> {
    claims: &'a Claims,
    key: &'a PathBuf,
    signer: &'a Signer,
}

impl Signing<'_> {
    fn entries(&self, image: &Image, kind: Kind) -> Result<Vec<Entry>, PhaseError> {
        let documents = &self.claims.documents;
        match kind {
            Kind::Signatures => Ok(vec![self.signature(image)?]),
            Kind::Attestations => documents
                .iter()
                .map(|document| self.attestation(image, document))
                .collect(),
            Kind::Sbom => {
                let attached = self.claims.attachment.iter();
                Ok(attached
                    .map(|layer| self.entry(image, None, layer.clone()))
                    .collect())
            }
        }
    }

    fn signature(&self, image: &Image) -> Result<Entry, PhaseError> {
        let payload =
            simple_signing::payload(&image.repository, &image.digest, &self.claims.annotations);
        let content = Content::from(payload.clone());
        let signature = self
            .signer
            .sign(&content)
            .map_err(|source| self.failed(image, source))?;
        let mut descriptor = Descriptor::of(MediaType::SIMPLE_SIGNING, &payload);
        descriptor
            .annotations
            .insert(SIGNATURE.to_owned(), signature.to_base64());
        Ok(self.entry(
            image,
            None,
            Layer {
                descriptor,
                content,
            },
        ))
    }

    fn attestation(&self, image: &Image, document: &Document) -> Result<Entry, PhaseError> {
        let predicate_type = document.format().predicate_type();
        let statement = statement::statement(
            &image.repository,
            &image.digest,
            predicate_type,
            document.content(),
        );
        let message = dsse::pre_authentication_encoding(&statement);
        let signature = self
            .signer
            .sign(&message)
            .map_err(|source| self.failed(image, source))?;
        let content = dsse::envelope(&statement, &signature);
        let mut layer = sealed(MediaType::DSSE_ENVELOPE, content)?;
        layer
            .descriptor
            .annotations
            .insert(SIGNATURE.to_owned(), String::new());
        layer
            .descriptor
            .annotations
            .insert(PREDICATE_TYPE.to_owned(), predicate_type.to_owned());
        Ok(self.entry(image, Some(document.path().to_owned()), layer))
    }

    fn entry(&self, image: &Image, document: Option<String>, layer: Layer) -> Entry {
        Entry {
            image: image.clone(),
            key: self.key.clone(),
            public_key: self.signer.fingerprint(),
            document,
            layer,
        }
    }

    fn failed(&self, image: &Image, source: crate::keys::SignError) -> PhaseError {
        PhaseError::Sign {
            image: image.to_string(),
            key: self.key.clone(),
            source,
        }
    }
}

fn attachment(image: &Image, documents: &[Document]) -> Result<Layer, PhaseError> {
    let attachment = sbom::attachment(documents).map_err(|source| PhaseError::Sbom {
        image: image.to_string(),
        source,
    })?;
    if attachment.merged > 1 {
        info!(
            "Merged {} CycloneDX documents for the attachment",
            attachment.merged
        );
    }
    if !attachment.skipped.is_empty() {
        let paths: Vec<&str> = attachment
            .skipped
            .iter()
            .map(|skipped| skipped.path.as_str())
            .collect();
        info!(
            "The attachment holds CycloneDX only, and not {}",
            paths.join(", ")
        );
    }
    sealed(attachment.media_type, attachment.content)
}

fn sealed(media_type: MediaType, content: Content) -> Result<Layer, PhaseError> {
    let digest = content.digest().map_err(PhaseError::Content)?;
    let descriptor = Descriptor {
        media_type,
        size: content.length(),
        digest,
        annotations: BTreeMap::new(),
    };
    Ok(Layer {
        descriptor,
        content,
    })
}
