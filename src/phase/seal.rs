//! One key at work: it signs what there is to say of an image, and seals it in
//! the forms that its signatories want.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::error::PhaseError;
use super::plan::{Form, Image, Item};
use super::sign::{Entry, Statement};
use crate::attach::{Layer, artifact};
use crate::envelope::{bundle, dsse, simple_signing, statement};
use crate::keys::Signer;
use crate::oci::{Annotations, Content, Descriptor, Digest, MediaType};
use crate::signature::Signature;

/// cosign's annotation of a layer (SIGNATURE_SPEC.md); empty on attestations.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const PREDICATE_TYPE: &str = "predicateType";

/// What is said of one image.
pub(super) struct Claims<'a> {
    pub(super) image: &'a Image,
    /// As its registry describes it.
    pub(super) subject: &'a Descriptor,
    pub(super) statements: &'a [Statement],
    pub(super) attachment: Option<&'a Layer>,
    pub(super) annotations: &'a BTreeMap<String, String>,
    pub(super) created: Option<Timestamp>,
}

/// A key, and what it has signed: both forms of an attestation have the same
/// signature, and its document is long.
pub(super) struct Signing<'a> {
    key: &'a PathBuf,
    signer: &'a Signer,
    signed: BTreeMap<Digest, Signature>,
}

impl<'a> Signing<'a> {
    pub(super) fn new(key: &'a PathBuf, signer: &'a Signer) -> Self {
        Self {
            key,
            signer,
            signed: BTreeMap::new(),
        }
    }

    /// The layers of one item.
    pub(super) fn entries(
        &mut self,
        claims: &Claims<'_>,
        item: Item,
    ) -> Result<Vec<Entry>, PhaseError> {
        match item {
            Item::Signature(form) => {
                let layer = match form {
                    Form::Tag => self.signature(claims)?,
                    Form::Bundle => self.bundled_signature(claims)?,
                };
                let predicate_type = match form {
                    Form::Tag => None,
                    Form::Bundle => Some(statement::SIGNATURE.to_owned()),
                };
                Ok(vec![self.entry(claims, None, predicate_type, layer)])
            }
            Item::Attestations(form) => {
                let statements = claims.statements.iter();
                let entries = statements.map(|said| self.attestation(claims, said, form));
                entries.collect()
            }
            Item::Attachment => {
                let attached = claims.attachment.iter();
                let entry = |layer: &&Layer| self.entry(claims, None, None, (*layer).clone());
                Ok(attached.map(entry).collect())
            }
        }
    }

    fn signature(&mut self, claims: &Claims<'_>) -> Result<Layer, PhaseError> {
        let image = claims.image;
        let payload = simple_signing::payload(&image.repository, &image.digest, claims.annotations);
        let content = Content::from(payload.clone());
        let signature = self.sign(image, &content)?;
        let mut descriptor = Descriptor::of(MediaType::SIMPLE_SIGNING, &payload);
        descriptor
            .annotations
            .insert(SIGNATURE.to_owned(), signature.to_base64());
        Ok(Layer::blob(descriptor, content))
    }

    fn bundled_signature(&mut self, claims: &Claims<'_>) -> Result<Layer, PhaseError> {
        let said = statement::signature(&claims.image.digest, claims.annotations);
        let payload = dsse::Payload::read(said).map_err(PhaseError::Content)?;
        let signature = self.sign(claims.image, payload.message())?;
        self.bundled(claims, &payload, &signature, statement::SIGNATURE)
    }

    fn attestation(
        &mut self,
        claims: &Claims<'_>,
        said: &Statement,
        form: Form,
    ) -> Result<Entry, PhaseError> {
        let Statement { document, payload } = said;
        let signature = self.sign(claims.image, payload.message())?;
        let predicate_type = document.format().predicate_type();
        let layer = match form {
            Form::Tag => {
                let mut layer = sealed(MediaType::DSSE_ENVELOPE, payload.envelope(&signature))?;
                layer.descriptor.annotations.extend([
                    (SIGNATURE.to_owned(), String::new()),
                    (PREDICATE_TYPE.to_owned(), predicate_type.to_owned()),
                ]);
                layer
            }
            Form::Bundle => self.bundled(claims, payload, &signature, predicate_type)?,
        };
        let document = Some(document.path().to_owned());
        Ok(self.entry(claims, document, Some(predicate_type.to_owned()), layer))
    }

    fn bundled(
        &self,
        claims: &Claims<'_>,
        payload: &dsse::Payload,
        signature: &Signature,
        predicate_type: &str,
    ) -> Result<Layer, PhaseError> {
        let content = bundle::bundle(payload, signature, self.signer.public_key());
        let bundle = sealed(MediaType::SIGSTORE_BUNDLE, content)?;
        let referrer = artifact::referrer(claims.subject, bundle, predicate_type, claims.created);
        referrer.map_err(|error| PhaseError::Content(error.into()))
    }

    fn sign(&mut self, image: &Image, message: &Content) -> Result<Signature, PhaseError> {
        let digest = message.digest().map_err(PhaseError::Content)?;
        if let Some(signature) = self.signed.get(&digest) {
            return Ok(signature.clone());
        }
        let signature = self.signer.sign(message);
        let signature = signature.map_err(|source| PhaseError::Sign {
            image: image.to_string(),
            key: self.key.clone(),
            source,
        })?;
        self.signed.insert(digest, signature.clone());
        Ok(signature)
    }

    fn entry(
        &self,
        claims: &Claims<'_>,
        document: Option<String>,
        predicate_type: Option<String>,
        layer: Layer,
    ) -> Entry {
        Entry {
            image: claims.image.clone(),
            key: self.key.clone(),
            public_key: self.signer.fingerprint(),
            document,
            predicate_type,
            layer,
        }
    }
}

/// A blob that may be too large to be held in memory.
pub(super) fn sealed(media_type: MediaType, content: Content) -> Result<Layer, PhaseError> {
    let descriptor = Descriptor {
        media_type,
        size: content.length(),
        digest: content.digest().map_err(PhaseError::Content)?,
        annotations: Annotations::default(),
        artifact_type: None,
    };
    Ok(Layer::blob(descriptor, content))
}
