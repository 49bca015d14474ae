//! Steps 3 and 4 of the RFC, in memory: every signatory signs every claim.
//! No network; nothing of a key that fails is left behind. A document is read
//! once for each image, however many keys sign it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tracing::info;

use super::check_read::Readable;
use super::check_write::Writable;
use super::error::PhaseError;
use super::plan::{Image, Plan, Signatory};
use super::unlock::Opened;
use crate::attach::{AttachError, Found, Kind, Layer, Place};
use crate::config::MediaTypes;
use crate::envelope::{dsse, simple_signing, statement};
use crate::keys::Signer;
use crate::oci::manifest::MAX_LAYERS;
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
    let claims = Arc::new(Claims::read(plan, readable).await?);
    let tasks = opened.into_iter().map(|key| {
        let claims = Arc::clone(&claims);
        move || claims.sign_all(&key)
    });
    let signed = on_all_processors(tasks).await?;
    let mut signed: Vec<(usize, Place, Entry)> = signed.into_iter().flatten().collect();
    // Layers hang in the order of cosign.toml, whatever was ready first.
    signed.sort_by_key(|(signatory, _, _)| *signatory);
    Ok(Signed {
        places: by_place(writable, signed),
    })
}

/// Runs tasks on blocking threads, as many at a time as there are processors;
/// gives their outcomes in the order of the tasks.
async fn on_all_processors<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, PhaseError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PhaseError> + Send + 'static,
{
    let processors = available_parallelism().map_or(1, usize::from);
    let running = tasks.into_iter().map(|task| async {
        let outcome = tokio::task::spawn_blocking(task).await;
        outcome.unwrap_or(Err(PhaseError::Crashed("signing")))
    });
    stream::iter(running)
        .buffered(processors)
        .try_collect()
        .await
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
    images: Vec<ImageClaims>,
    signatories: Vec<Signatory>,
    annotations: BTreeMap<String, String>,
    attachment: Option<Layer>,
}

struct ImageClaims {
    image: Image,
    statements: Vec<Statement>,
}

/// What is said of one document, read once for all keys.
struct Statement {
    document: Document,
    payload: dsse::Payload,
}

impl Claims {
    async fn read(plan: &Plan, readable: Readable) -> Result<Self, PhaseError> {
        let documents = readable.documents();
        let mut images = Vec::new();
        for image in plan.images() {
            let statements = match exporter(plan, Kind::Attestations) {
                Some(signatory) => {
                    let place = signatory.place(image, Kind::Attestations);
                    statements(image, documents, place).await?
                }
                None => Vec::new(),
            };
            let image = image.clone();
            images.push(ImageClaims { image, statements });
        }
        let attachment = match (plan.images().first(), exporter(plan, Kind::Sbom)) {
            (Some(image), Some(_)) if !documents.is_empty() => {
                let (image, documents) = (image.clone(), documents.to_vec());
                on_all_processors([move || attachment(&image, &documents)])
                    .await?
                    .pop()
            }
            _ => None,
        };
        Ok(Self {
            images,
            signatories: plan.signatories().to_vec(),
            annotations: plan.annotations().clone(),
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
        for claims in &self.images {
            let image = &claims.image;
            let mut ready: BTreeMap<Kind, Vec<Entry>> = BTreeMap::new();
            for index in &key.signatories {
                let Some(signatory) = self.signatories.get(*index) else {
                    continue;
                };
                for kind in signatory.kinds() {
                    if !ready.contains_key(kind) {
                        ready.insert(*kind, signing.entries(claims, *kind)?);
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

/// The first signatory that hangs `kind` on images.
fn exporter(plan: &Plan, kind: Kind) -> Option<&Signatory> {
    let mut signatories = plan.signatories().iter();
    signatories.find(|signatory| signatory.kinds().contains(&kind))
}

/// Reads every document as what is said of it at `place`. More of them than a
/// tag holds are not worth a signature.
async fn statements(
    image: &Image,
    documents: &[Document],
    place: Place,
) -> Result<Vec<Statement>, PhaseError> {
    let tasks = documents.iter().map(|document| {
        let (image, document) = (image.clone(), document.clone());
        move || Statement::read(&image, document)
    });
    let statements = on_all_processors(tasks).await?;
    let said: HashSet<_> = statements
        .iter()
        .filter_map(|statement| statement.payload.message().digest().ok())
        .collect();
    let layers = said.len();
    if layers > MAX_LAYERS {
        return Err(PhaseError::Place(AttachError::Full { place, layers }));
    }
    Ok(statements)
}

impl Statement {
    fn read(image: &Image, document: Document) -> Result<Self, PhaseError> {
        let statement = statement::statement(
            &image.repository,
            &image.digest,
            document.format().predicate_type(),
            document.content(),
        );
        let payload = dsse::Payload::read(statement).map_err(PhaseError::Content)?;
        Ok(Self { document, payload })
    }
}

/// One key at work.
struct Signing<'a> {
    claims: &'a Claims,
    key: &'a PathBuf,
    signer: &'a Signer,
}

impl Signing<'_> {
    fn entries(&self, claims: &ImageClaims, kind: Kind) -> Result<Vec<Entry>, PhaseError> {
        let image = &claims.image;
        match kind {
            Kind::Signatures => Ok(vec![self.signature(image)?]),
            Kind::Attestations => claims
                .statements
                .iter()
                .map(|statement| self.attestation(image, statement))
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

    fn attestation(&self, image: &Image, statement: &Statement) -> Result<Entry, PhaseError> {
        let Statement { document, payload } = statement;
        let signature = self
            .signer
            .sign(payload.message())
            .map_err(|source| self.failed(image, source))?;
        let mut layer = sealed(MediaType::DSSE_ENVELOPE, payload.envelope(&signature))?;
        let predicate_type = document.format().predicate_type();
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
        artifact_type: None,
    };
    Ok(Layer {
        descriptor,
        content,
    })
}
