//! The protocol that appends to a tag which others write too, without its I/O.
//!
//! Registries offer no compare-and-swap that can be trusted, so: build the
//! union of what is there and what is ours, put it, read it back when stale
//! writers must have written, and begin again if something of ours is missing
//! (`spec/wire.md`, section 7, whose steps are numbered here). The tests explore
//! every interleaving of two, three and four writers.
//!
//! The caller does as [`Append::next`] says, tells the outcome by
//! [`answered`](Append::answered) or [`saw`](Append::saw), and asks again.

use std::collections::HashSet;

use super::error::AttachError;
use super::hanging::Hanging;
use super::place::Place;
use super::standing::Standing;
use super::union::{Changes, Union, union};
use crate::config::MediaTypes;
use crate::envelope::SealedValue;
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::{Descriptor, Digest};
use crate::store::registry::{Condition, Put};

/// The next step.
pub(super) enum Next {
    /// Upload what the union needs, then put it under the condition.
    Put(Box<Union>, Condition),
    /// Read the place, after the wait.
    Read(Wait),
    /// Everything of ours was in this manifest, which was read last.
    Done(Digest),
}

/// Why a read has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wait {
    No,
    /// For a registry that does not show yet what it accepted.
    Consistency,
    /// Until writers that had read the place before we put must have put too.
    Settled,
    /// So that signers that collided do not collide again.
    Collision,
}

/// Whether to look again when stale writers must have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Settling {
    /// The place is read back only when it has settled.
    Wanted,
    /// The tag has not changed for that long, or nobody asked for it.
    Over,
}

/// One place's way from what was found to everything of ours hanging there.
#[derive(Clone)]
pub(super) struct Append<'a> {
    place: &'a Place,
    layers: &'a [SealedValue],
    /// Of ours, to be taken away once: see [`Append::to_supersede`].
    superseded: &'a [Descriptor],
    media_types: MediaTypes,
    /// The last read.
    found: Standing,
    state: AppendState,
    /// The settling after each put, for stale writers.
    policy: Settling,
    settling: Settling,
    /// Not after a registry got one wrong. Conditions only save a round:
    /// nothing relies on them.
    trusts_conditions: bool,
    /// Whether a put of ours was, or may have been, carried out.
    has_put: bool,
    /// Manifests that the place lists and the registry does not have.
    gone: Vec<Digest>,
    /// Layers that others hung there and that a put of ours has erased, or may have.
    erased: Vec<Descriptor>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AppendState {
    /// `found` is the newest that is known.
    Merging,
    /// This was put, and not yet seen.
    Proving(Digest, Wait),
    /// Nobody knows what stands there now, and why.
    Lost(Setback),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Setback {
    /// The put may have been carried out, or was not sent.
    Unclear,
    /// The registry says that the tag has changed.
    ConditionFailed,
}

impl<'a> Append<'a> {
    pub(super) fn new(hanging: Hanging<'a>, policy: Settling) -> Self {
        Self {
            place: hanging.place,
            layers: hanging.layers,
            superseded: hanging.superseded,
            media_types: hanging.media_types,
            found: hanging.found,
            state: AppendState::Merging,
            policy,
            settling: Settling::Over,
            trusts_conditions: true,
            has_put: false,
            gone: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Layers of others that a put of ours has erased, or may have: whoever hung
    /// them has looked after them for the last time, so that it is up to us to
    /// hang them again.
    pub(super) fn restore(&mut self, erased: impl IntoIterator<Item = Descriptor>) {
        let ours = self.layers.iter().map(|layer| layer.descriptor());
        let ours = ours.chain(self.superseded);
        let mut known: HashSet<Descriptor> = ours.chain(&self.erased).cloned().collect();
        let new = erased
            .into_iter()
            .filter(|layer| known.insert(layer.clone()));
        // More would not fit at the place, and others could make the list grow
        // for ever.
        let left = MAX_LAYERS.saturating_sub(self.erased.len());
        self.erased.extend(new.take(left));
    }

    /// Manifests that are not to be listed any more, because they are not there.
    pub(super) fn forget(&mut self, gone: Vec<Digest>) {
        self.gone = gone;
    }

    /// Everything that is to hang at the place, whether it is there or not.
    pub(super) fn layers(&self) -> &'a [SealedValue] {
        self.layers
    }

    /// The digest of what stands there, as far as is known.
    pub(super) fn stands(&self) -> Option<&Digest> {
        match &self.state {
            AppendState::Proving(digest, _) => Some(digest),
            AppendState::Merging | AppendState::Lost(_) => self.found.digest(),
        }
    }

    /// The last read.
    pub(super) fn found(&self) -> &Standing {
        &self.found
    }

    /// The next step.
    ///
    /// # Errors
    /// On a full tag.
    pub(super) fn next(&self) -> Result<Next, AttachError> {
        match &self.state {
            // Step 4: not before writers that had read must have put.
            AppendState::Proving(_, Wait::No) if self.settling == Settling::Wanted => {
                Ok(Next::Read(Wait::Settled))
            }
            AppendState::Proving(_, wait) => Ok(Next::Read(*wait)),
            // Before anything is put again (WIRE-51).
            AppendState::Lost(_) => Ok(Next::Read(Wait::Collision)),
            AppendState::Merging => self.merged(),
        }
    }

    /// The next step of a place that was read.
    fn merged(&self) -> Result<Next, AttachError> {
        let changes = Changes {
            erased: &self.erased,
            superseded: self.to_supersede(),
            gone: &self.gone,
        };
        let (place, layers) = (self.place, self.layers);
        let union = union(place, &self.found, changes, layers, self.media_types)?;
        match (union, self.settling, self.found.digest()) {
            // Step 3.
            (Some(union), _, _) => Ok(Next::Put(Box::new(union), self.condition())),
            // Step 5: others wrote everything of ours, and it has to
            // stand.
            (None, Settling::Wanted, _) => Ok(Next::Read(Wait::Settled)),
            // Step 1, or the end.
            (None, Settling::Over, Some(digest)) => Ok(Next::Done(digest.clone())),
            // Nothing is missing where nothing stands: there is no
            // manifest that could be shown.
            (None, Settling::Over, None) => Err(AttachError::NotDurable {
                place: self.place.clone(),
            }),
        }
    }

    /// Takes the answer to a [`Next::Put`] of a manifest with this digest.
    ///
    /// # Errors
    /// On a registry that refuses.
    pub(super) fn answered(&mut self, digest: Digest, answer: Put) -> Result<(), AttachError> {
        let is_conditional = self.condition() != Condition::Always;
        if matches!(answer, Put::Written | Put::Indexed | Put::Unclear(_)) {
            self.settling = self.policy;
            self.has_put = true;
        }
        self.state = match answer {
            Put::Written | Put::Indexed => AppendState::Proving(digest, Wait::No),
            // An upload or a wait has taken time, in which others may have
            // written.
            Put::BlobUnknown | Put::Unclear(_) | Put::Outdated => {
                AppendState::Lost(Setback::Unclear)
            }
            // Not every registry, nor every gateway, says with 412 that it will
            // not have the condition.
            Put::Refused {
                status: 304 | 403 | 409 | 412 | 417 | 428,
                ..
            } if is_conditional => AppendState::Lost(Setback::ConditionFailed),
            // "Not implemented": some registries know no conditions at all.
            Put::Refused {
                status: 400 | 501, ..
            } if is_conditional => {
                self.trusts_conditions = false;
                AppendState::Merging
            }
            Put::Refused { status, answer } => {
                return Err(AttachError::Refused {
                    place: self.place.clone(),
                    status,
                    answer,
                });
            }
        };
        Ok(())
    }

    /// Takes what a [`Next::Read`] found. Gives the layers of others that were
    /// there before and are not any more.
    pub(super) fn saw(&mut self, now: Standing) -> Vec<Descriptor> {
        let before = self.found.digest();
        match &self.state {
            AppendState::Proving(digest, _) if now.digest() != Some(digest) => {
                // The registry does not show our put yet: a copy that lags, and
                // no write of others.
                let is_stale = now.digest().is_none() || now.digest() == before;
                if is_stale {
                    self.state = AppendState::Proving(digest.clone(), Wait::Consistency);
                    return Vec::new();
                }
            }
            // Our manifest still stands after the settle time: done.
            AppendState::Proving(_, Wait::No) => self.settling = Settling::Over,
            // The same, of what others wrote. A tag that has changed has to
            // settle again, although everything of ours may be in it: what stood
            // there in between may have lacked it, and somebody may be writing
            // on that.
            AppendState::Merging if now.digest() == before => self.settling = Settling::Over,
            // The registry says "changed" of what is unchanged: its word does
            // not count.
            AppendState::Lost(Setback::ConditionFailed) if now.digest() == before => {
                self.trusts_conditions = false
            }
            AppendState::Proving(..) | AppendState::Lost(_) | AppendState::Merging => {}
        }
        let mut lost = lost(&self.found, &now);
        lost.retain(|layer| !self.superseded.contains(layer));
        self.found = now;
        self.state = AppendState::Merging;
        lost
    }

    /// The layers to take away, before our first put alone: another signer that
    /// hangs such a layer again after that wants it there.
    fn to_supersede(&self) -> &'a [Descriptor] {
        match self.has_put {
            true => &[],
            false => self.superseded,
        }
    }

    fn condition(&self) -> Condition {
        if self.trusts_conditions {
            self.found.condition().clone()
        } else {
            Condition::Always
        }
    }
}

/// The layers that stood there before and do not any more. They are not brought
/// back: it may have been on purpose, and a signer that lost its own by accident
/// hangs it again itself (WIRE-52).
fn lost(before: &Standing, now: &Standing) -> Vec<Descriptor> {
    let now: HashSet<&Descriptor> = now.layers().iter().collect();
    let is_gone = |there: &&Descriptor| !now.contains(there);
    before.layers().iter().filter(is_gone).cloned().collect()
}

#[cfg(test)]
mod tests;
