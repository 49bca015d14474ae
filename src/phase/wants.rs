//! Wants: everything that is to hang, as bytes, before anybody has signed it.
//! One want for each layer or bundle, in the order of `cosign.toml`; the steps
//! after this one count and fulfil this list, and none makes one of its own: a list
//! that a step made by itself could leave a signature out, with exit code 0.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tracing::info;

use super::check_read::Readable;
use super::error::PhaseError;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::signatory::{Item, Signatory};
use super::stated::Stated;
use super::subject::Subject;
use crate::attach::{AttachError, Place};
use crate::envelope::{self, Claim, Form, Payload, SealedValue};
use crate::keys::KeyReference;
use crate::oci::Digest;
use crate::oci::manifest::MAX_LAYERS;
use crate::sbom::{self, Document};

/// The wants of a run.
pub struct Wants {
    wants: Vec<Want>,
}

/// One layer that a signatory wants to hang on a subject, and its place.
pub(super) struct Want {
    pub(super) place: Place,
    pub(super) signatory: Arc<Signatory>,
    pub(super) subject: Arc<Subject>,
    /// The path of the document in its SBOM layer, if it is about one.
    pub(super) document: Option<String>,
    pub(super) draft: Draft,
}

/// The content of a layer, before anybody has signed it.
#[derive(Clone)]
pub(super) enum Draft {
    Claim(Stated),
    /// Documents that nobody signs.
    Attachment(Box<SealedValue>),
}

impl Wants {
    /// Reads everything that is to be said, on blocking threads: each document of
    /// a subject once, however many keys sign it and in however many forms.
    ///
    /// # Errors
    /// On a document that cannot be read or attached, and on more documents than
    /// a place holds.
    pub async fn read(plan: &Plan, readable: &Readable) -> Result<Self, PhaseError> {
        let mut sayings = Vec::new();
        for subject in readable.subjects() {
            sayings.push(Sayings::read(plan, subject).await?);
        }
        let mut wants = Vec::new();
        for signatory in plan.signatories() {
            for sayings in &sayings {
                for item in signatory.items() {
                    wants.extend(sayings.wants(signatory, item));
                }
            }
        }
        Ok(Self { wants })
    }

    pub(super) fn as_slice(&self) -> &[Want] {
        &self.wants
    }

    pub(super) fn into_vec(self) -> Vec<Want> {
        self.wants
    }
}

/// The message of a blob, and the key and form that its bytes depend on: enough to count
/// blobs that do not exist yet.
pub(super) type BlobOf<'a> = (Digest, Option<(&'a KeyReference, Form)>);

impl Want {
    /// The mark of its blob among others at the same place: the message, and the
    /// key and form unless all keys' signatures share the payload's blob (WIRE-22).
    pub(super) fn blob(&self) -> Result<BlobOf<'_>, PhaseError> {
        match &self.draft {
            Draft::Attachment(sealed) => Ok((sealed.descriptor().digest.clone(), None)),
            Draft::Claim(stated) => {
                let message = stated.payload.message().digest();
                let key = match *stated.payload {
                    Payload::SimpleSigning(_) => None,
                    Payload::Statement(_) => Some((&*self.signatory.key, stated.form)),
                };
                Ok((message.map_err(PhaseError::Content)?, key))
            }
        }
    }
}

/// The claims about one subject, which all signatories share.
struct Sayings {
    subject: Arc<Subject>,
    /// "The digest is ours", in every form.
    image: BTreeMap<Form, Stated>,
    /// With the paths of their documents, sorted by them.
    documents: Vec<(String, Stated)>,
    attachment: Option<SealedValue>,
}

impl Sayings {
    async fn read(plan: &Plan, subject: &Arc<Subject>) -> Result<Self, PhaseError> {
        let documents = match plan.hangs(|item| matches!(item, Item::Attestations(_))) {
            true => documents(subject).await?,
            false => Vec::new(),
        };
        refuse_too_many(plan, subject, &documents)?;
        let attachment = match plan.hangs(|item| *item == Item::Attachment) {
            true => attachment(subject).await?,
            false => None,
        };
        Ok(Self {
            image: image(plan, subject)?,
            documents,
            attachment,
            subject: Arc::clone(subject),
        })
    }

    /// The layers that `signatory` hangs as `item`.
    fn wants(&self, signatory: &Arc<Signatory>, item: Item) -> Vec<Want> {
        let subject = &self.subject;
        let want = |document: Option<&String>, draft| Want {
            place: signatory.place(subject.repository(), subject.digest(), item.kind()),
            signatory: Arc::clone(signatory),
            subject: Arc::clone(subject),
            document: document.cloned(),
            draft,
        };
        match item {
            Item::Signature(form) => {
                let stated = self.image.get(&form).cloned().into_iter();
                stated
                    .map(|stated| want(None, Draft::Claim(stated)))
                    .collect()
            }
            Item::Attestations(form) => {
                let documents = self.documents.iter().map(|(path, stated)| {
                    let stated = stated.clone();
                    want(Some(path), Draft::Claim(Stated { form, ..stated }))
                });
                documents.collect()
            }
            Item::Attachment => {
                let attachment = self.attachment.clone().into_iter();
                attachment
                    .map(|sealed| want(None, Draft::Attachment(Box::new(sealed))))
                    .collect()
            }
        }
    }
}

/// "The digest is ours", in every form: at a tag another message than in bundles, so
/// that a key signs an image twice in `both`.
fn image(plan: &Plan, subject: &Subject) -> Result<BTreeMap<Form, Stated>, PhaseError> {
    let claim = Arc::new(Claim::Image {
        // Also where signatures are stored elsewhere (SIG-26).
        repository: Some(subject.repository().clone()),
        digest: subject.digest().clone(),
        annotations: plan.annotations().clone(),
    });
    let mut all = BTreeMap::new();
    for form in [Form::Tag, Form::Bundle, Form::ChainBundle] {
        let payload = claim.payload(form).map_err(PhaseError::Content)?;
        let stated = Stated {
            form,
            claim: Arc::clone(&claim),
            payload: Arc::new(payload),
        };
        all.insert(form, stated);
    }
    Ok(all)
}

/// "This document describes the digest", for every document. Both forms are one
/// payload (SIG-52): the form here is changed for bundles. Each document is read once
/// and hashed; the bytes stay where they are.
async fn documents(subject: &Arc<Subject>) -> Result<Vec<(String, Stated)>, PhaseError> {
    let tasks = subject.documents().iter().map(|document| {
        let (path, claim) = (
            document.path().to_owned(),
            document_claim(subject, document),
        );
        move || {
            let payload = claim.payload(Form::Tag).map_err(PhaseError::Content)?;
            let (claim, payload) = (Arc::new(claim), Arc::new(payload));
            let form = Form::Tag;
            Ok((
                path,
                Stated {
                    form,
                    claim,
                    payload,
                },
            ))
        }
    });
    on_all_processors("reading documents", tasks).await
}

fn document_claim(subject: &Subject, document: &Document) -> Claim {
    Claim::Document {
        repository: Some(subject.repository().clone()),
        digest: subject.digest().clone(),
        predicate_type: document.format().predicate_type().to_owned(),
        document: document.content().clone(),
    }
}

/// More documents than a place holds are not worth a signature: cosign reads no
/// manifest of more layers (WIRE-43). Layers that hang there already are counted when
/// the place is written.
fn refuse_too_many(
    plan: &Plan,
    subject: &Subject,
    documents: &[(String, Stated)],
) -> Result<(), PhaseError> {
    let digests = documents
        .iter()
        .map(|(_, stated)| stated.payload.message().digest());
    let digests = digests
        .collect::<Result<HashSet<Digest>, _>>()
        .map_err(PhaseError::Content)?;
    // Equal documents of several buildpacks are one layer.
    let layers = digests.len();
    if layers <= MAX_LAYERS {
        return Ok(());
    }
    let is_attested = |item: &Item| matches!(item, Item::Attestations(_));
    let exporter = plan.signatories().iter().find_map(|signatory| {
        let item = signatory.items().into_iter().find(is_attested)?;
        Some(signatory.place(subject.repository(), subject.digest(), item.kind()))
    });
    match exporter {
        Some(place) => Err(PhaseError::Place(AttachError::Full { place, layers })),
        None => Ok(()),
    }
}

/// The documents as one layer, which cosign's readers want at `.sbom`; none without
/// documents. Merged on a thread of its own: up to 32 MiB (SBOM-9).
async fn attachment(subject: &Arc<Subject>) -> Result<Option<SealedValue>, PhaseError> {
    if subject.documents().is_empty() {
        return Ok(None);
    }
    let subject = Arc::clone(subject);
    let mut attachments =
        on_all_processors("making an attachment", [move || attach(&subject)]).await?;
    Ok(attachments.pop())
}

fn attach(subject: &Subject) -> Result<SealedValue, PhaseError> {
    let attachment = sbom::attachment(subject.documents()).map_err(|source| PhaseError::Sbom {
        image: subject.reference().into(),
        source,
    })?;
    if attachment.merged > 1 {
        info!(
            image = %subject,
            "Merged {} CycloneDX documents for the attachment",
            attachment.merged
        );
    }
    if !attachment.skipped.is_empty() {
        let skipped = attachment.skipped.iter();
        let paths: Vec<&str> = skipped.map(|skipped| skipped.path.as_str()).collect();
        info!(
            image = %subject,
            "The attachment holds CycloneDX only, and not {}",
            paths.join(", ")
        );
    }
    envelope::attachment(attachment.media_type, attachment.content).map_err(PhaseError::Content)
}
