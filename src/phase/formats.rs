//! Mixed forms: the signatures of others that a run hides, or its own that are
//! hidden, where both forms hang on one image (SIG-85, `spec/decisions/0025`). As soon
//! as one bundle hangs there, cosign 2.6.3 and later read bundles alone (cosign v3.1.2
//! `cmd/cosign/cli/verify/verify.go`).
//!
//! One `cosign.toml` agrees with itself by then (`CFG-20`); this is about what
//! other runs have left.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check_write::Writable;
use super::error::PhaseError;
use super::mixture::{Formats, Mixture};
use super::open_keys::Keys;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::wants::{Draft, Wants};
use crate::attach::{Kind, Place, Standing};
use crate::envelope::{self, Claim, Form, Payload, media_type};
use crate::keys::Signer;
use crate::oci::{Descriptor, Digest};

/// One image in a repository where signatures of it hang.
struct Looked {
    /// Where referrers of it hang.
    place: Place,
    /// The layers of its tag of signatures, if that was read.
    layers: Option<Vec<Descriptor>>,
    /// Whether a bundle hangs there, if the referrers were read: anybody's, and even one
    /// that cannot be parsed.
    has_bundles: Option<bool>,
    /// Whether the run is to hang bundles there. All its configs agree (CFG-20).
    hangs_bundles: bool,
    /// The signatures of the run for this image, each once.
    own: Vec<OwnSignature>,
}

/// A signature of the run, as a tag would hold it. A key that makes bundles alone
/// may have made it in an earlier run: its bundle is seen in its place.
struct OwnSignature {
    payload: Payload,
    digest: Digest,
    signer: Arc<Signer>,
}

/// Says, or refuses, what the run would mix. Nothing is asked: the places were
/// read when write access was checked.
///
/// # Errors
/// On the first mixture, if forms are not to be mixed.
pub async fn check_formats(
    plan: &Plan,
    wants: &Wants,
    writable: &Writable,
    keys: &Keys,
    warn: fn(&Mixture),
) -> Result<(), PhaseError> {
    let looked = looked(wants, writable, keys)?;
    // A tag may hold a thousand signatures of one payload, each to be verified.
    let tasks = looked
        .into_values()
        .map(|looked| move || Ok(looked.mixture()));
    let mixtures = on_all_processors("comparing formats", tasks).await?;
    for mixture in mixtures.into_iter().flatten() {
        match plan.formats() {
            Formats::Mixed => warn(&mixture),
            Formats::Strict => return Err(PhaseError::Mixed(mixture)),
        }
    }
    Ok(())
}

/// Each image, by the place where referrers of it hang.
fn looked(
    wants: &Wants,
    writable: &Writable,
    keys: &Keys,
) -> Result<BTreeMap<Place, Looked>, PhaseError> {
    let mut all: BTreeMap<Place, Looked> = BTreeMap::new();
    for want in wants.as_slice() {
        let Draft::Claim(stated) = &want.draft else {
            continue;
        };
        // Attestations are not compared: a signatory's come with its signature.
        if !matches!(*stated.claim, Claim::Image { .. }) {
            continue;
        }
        // As a tag has it, whatever form this want has.
        let payload = stated.claim.payload(Form::Tag);
        let payload = payload.map_err(PhaseError::Content)?;
        let own = OwnSignature {
            digest: payload.message().digest().map_err(PhaseError::Content)?,
            payload,
            signer: Arc::clone(&keys.of(&want.signatory)?.signer),
        };
        let looked = all.entry(want.place.of_kind(Kind::Referrers));
        let looked = looked.or_insert_with_key(|list| Looked::at(list, writable));
        looked.hangs_bundles |= stated.form.is_bundle();
        if !looked.own.iter().any(|known| known.is(&own)) {
            looked.own.push(own);
        }
    }
    Ok(all)
}

impl Looked {
    fn at(list: &Place, writable: &Writable) -> Self {
        let tag = writable.found(&list.of_kind(Kind::Signatures));
        let is_signature = |layer: &&Descriptor| layer.media_type == media_type::SIMPLE_SIGNING;
        let signatures =
            |tag: &Standing| tag.layers().iter().filter(is_signature).cloned().collect();
        Self {
            place: list.clone(),
            layers: tag.map(signatures),
            has_bundles: writable.found(list).map(Standing::has_bundles),
            hangs_bundles: false,
            own: Vec::new(),
        }
    }

    /// The forms that the run would mix here, as far as the places were read.
    fn mixture(self) -> Option<Mixture> {
        let (layers, has_bundles) = (self.layers.as_ref()?, self.has_bundles?);
        // Bundles beside bundles, and layers beside layers, are seen together.
        if self.hangs_bundles == has_bundles {
            return None;
        }
        let made = |own: &OwnSignature| layers.iter().any(|layer| own.made(layer));
        let is_theirs = |layer: &&Descriptor| !self.own.iter().any(|own| own.made(layer));
        let (place, hides) = (self.place.clone(), self.hangs_bundles);
        // Signatures of ours in the other form do not count: the bundle is seen in the
        // place of the layer, and a layer that hangs there already is not added.
        let hidden = match hides {
            true => layers.iter().filter(is_theirs).count(),
            false => self.own.iter().filter(|own| !made(own)).count(),
        };
        match (hidden, hides) {
            (0, _) => None,
            (_, true) => Some(Mixture::Hides { place, hidden }),
            (_, false) => Some(Mixture::Unseen { place, hidden }),
        }
    }
}

impl OwnSignature {
    /// Whether both are one signature, of two configs or in two forms.
    fn is(&self, other: &Self) -> bool {
        self.digest == other.digest && Arc::ptr_eq(&self.signer, &other.signer)
    }

    /// Whether the key has made the signature of `layer`, over the same payload. With
    /// other annotations it is another claim, and counts as of others.
    fn made(&self, layer: &Descriptor) -> bool {
        layer.digest == self.digest
            && envelope::signature_of(layer).is_some_and(|signature| {
                self.signer
                    .verify(self.payload.message(), &signature)
                    .is_ok()
            })
    }
}
