//! Steps 3 and 4 of the RFC, in memory: every signatory signs every claim.
//! No network; nothing of a key that fails is left behind. A document is read
//! once for each image, however many keys sign it.

use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tracing::info;

use super::check_read::Readable;
use super::check_write::Writable;
use super::error::PhaseError;
use super::plan::{Image, Item, Plan, Signatory};
use super::seal::{self, Signing, sealed};
use super::unlock::Opened;
use crate::attach::{AttachError, Found, Layer, Place};
use crate::beside;
use crate::config::MediaTypes;
use crate::envelope::{dsse, statement};
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::{Descriptor, Digest};
use crate::sbom::{self, Document};

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
    pub(super) predicate_type: Option<String>,
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

/// Runs tasks beside the requests, as many at a time as there are processors;
/// gives their outcomes in the order of the tasks.
async fn on_all_processors<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, PhaseError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PhaseError> + Send + 'static,
{
    let processors = available_parallelism().map_or(1, usize::from);
    let running = tasks.into_iter().map(|task| async {
        let outcome = beside::run(task).await;
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
    created: Option<Timestamp>,
    attachment: Option<Layer>,
}

struct ImageClaims {
    image: Image,
    /// As its registry describes it.
    subject: Descriptor,
    statements: Vec<Statement>,
}

/// What is said of one document, read once for all keys.
pub(super) struct Statement {
    pub(super) document: Document,
    pub(super) payload: dsse::Payload,
}

impl Claims {
    async fn read(plan: &Plan, readable: Readable) -> Result<Self, PhaseError> {
        let documents = readable.documents();
        let mut images = Vec::new();
        for (image, subject) in plan.images().iter().zip(readable.images()) {
            let is_attestation = |item: &Item| matches!(item, Item::Attestations(_));
            let statements = match exporter(plan, is_attestation) {
                Some((signatory, item)) => {
                    let place = signatory.place(image, item.kind());
                    statements(image, documents, place).await?
                }
                None => Vec::new(),
            };
            images.push(ImageClaims {
                image: image.clone(),
                subject: subject.clone(),
                statements,
            });
        }
        let is_attachment = |item: &Item| *item == Item::Attachment;
        let attachment = match (plan.images().first(), exporter(plan, is_attachment)) {
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
            created: plan.created(),
            attachment,
        })
    }

    fn sign_all(&self, key: &Opened) -> Result<Vec<(usize, Place, Entry)>, PhaseError> {
        let mut signed = Vec::new();
        for claims in &self.images {
            let image = &claims.image;
            let mut signing = Signing::new(&key.path, &key.signer);
            let mut ready: BTreeMap<Item, Vec<Entry>> = BTreeMap::new();
            for index in &key.signatories {
                let Some(signatory) = self.signatories.get(*index) else {
                    continue;
                };
                for item in signatory.items() {
                    let entries = match ready.entry(item) {
                        Occupied(ready) => ready.into_mut(),
                        Vacant(place) => place.insert(signing.entries(&self.of(claims), item)?),
                    };
                    let entries = entries.iter().cloned();
                    let place = signatory.place(image, item.kind());
                    signed.extend(entries.map(|entry| (*index, place.clone(), entry)));
                }
            }
            info!("Signed {image} with {}", key.path.display());
        }
        Ok(signed)
    }

    fn of<'a>(&'a self, claims: &'a ImageClaims) -> seal::Claims<'a> {
        seal::Claims {
            image: &claims.image,
            subject: &claims.subject,
            statements: &claims.statements,
            attachment: self.attachment.as_ref(),
            annotations: &self.annotations,
            created: self.created,
        }
    }
}

/// The first signatory that hangs such an item on images, and the item.
fn exporter(plan: &Plan, is_wanted: impl Fn(&Item) -> bool) -> Option<(&Signatory, Item)> {
    plan.signatories().iter().find_map(|signatory| {
        let item = signatory.items().into_iter().find(&is_wanted)?;
        Some((signatory, item))
    })
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
