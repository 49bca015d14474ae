//! Looking at a place while nobody knows what a write of ours does to it.
//!
//! A registry may take a second for our put while another signer reads, puts,
//! looks back and is gone: our put erases it, and only we are left to know. So
//! a place is looked at as long as a put takes, often enough that nobody who
//! waits before looking back comes and goes unseen (`spec/decisions/0007`).

use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::time::{timeout, timeout_at};

use super::place::Place;
use super::standing::Standing;
use super::timing::{DOUBT, EVEN_LOOKS, LOOK, LOOKS_APART};
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::{Descriptor, Digest, Reference};
use crate::store::registry::{Registries, Served};

/// A put of ours that may still be made, over whatever stands there by then.
pub(super) struct Doubt {
    until: Instant,
    /// The manifest of the put, as long as no other was put: where it stands, the put
    /// has been made.
    digest: Option<Digest>,
}

impl Doubt {
    /// Of a put of `digest` that was answered just now, beside `another` one.
    pub(super) fn of(digest: &Digest, another: Option<&Self>) -> Self {
        Self {
            until: Instant::now() + DOUBT,
            digest: another.is_none().then(|| digest.clone()),
        }
    }

    /// The same after a put that was answered: what stands there says nothing
    /// of the first one any more.
    pub(super) fn and_another_put(self) -> Self {
        Self {
            digest: None,
            ..self
        }
    }

    /// Whether it is known by now, where `stands`, that nothing will be made.
    pub(super) fn is_over(&self, stands: Option<&Digest>) -> bool {
        let is_made = self.digest.is_some() && self.digest.as_ref() == stands;
        is_made || self.until <= Instant::now()
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

/// The standing of a place, look after look.
pub(super) struct PlaceWatch<'a> {
    registries: &'a Registries,
    place: &'a Place,
    began: Instant,
    period: Duration,
    next: Instant,
    /// The digest that stood there at the last look.
    stood: Option<Digest>,
    /// The digest that a put of ours is going to leave there.
    ours: Option<Digest>,
    has_changed: bool,
    /// The layers that others had hung there at any look.
    seen: HashSet<Descriptor>,
}

impl<'a> PlaceWatch<'a> {
    /// Watches `place` from `first` on, where the first digest stood and the
    /// second is going to.
    pub(super) fn new(
        registries: &'a Registries,
        place: &'a Place,
        [stood, ours]: [Option<Digest>; 2],
        first: Instant,
        period: Duration,
    ) -> Self {
        Self {
            registries,
            place,
            began: Instant::now(),
            period: period.max(LOOKS_APART),
            next: first,
            stood,
            ours,
            has_changed: false,
            seen: HashSet::new(),
        }
    }

    /// The layers of those looks that found something else than the look
    /// before. Taken: the next call gives those of later looks.
    pub(super) fn seen(&mut self) -> Vec<Descriptor> {
        let mut seen: Vec<Descriptor> = self.seen.drain().collect();
        // In some order that is the same for everybody.
        seen.sort_by_cached_key(|layer| serde_json::to_string(layer).unwrap_or_default());
        seen
    }

    /// Looks as long as `work` takes, if it takes long enough. `work` is not
    /// ended by a look, nor by a look that fails.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Ok(outcome) = timeout_at(self.next.into(), &mut work).await {
                return outcome;
            }
            match select(work.as_mut(), pin!(self.look())).await {
                // A look under way may show what this has just erased.
                Either::Left((outcome, look)) => {
                    look.await;
                    return outcome;
                }
                Either::Right(_) => {}
            }
        }
    }

    /// Waits until the place is not as it was at the beginning, at most until
    /// `end`.
    pub(super) async fn until_changed(&mut self, end: Instant) {
        while !self.has_changed && self.next < end {
            tokio::time::sleep_until(self.next.into()).await;
            self.look().await;
        }
        if !self.has_changed {
            tokio::time::sleep_until(end.into()).await;
        }
    }

    /// The writer reports a failing registry: a look that fails
    /// shows nothing.
    async fn look(&mut self) {
        let looked_at = Instant::now();
        let late = self.began.elapsed() / EVEN_LOOKS;
        self.next = looked_at + self.period.max(late);
        let reference = self.place.reference();
        let looking = self.registries.head_manifest(&reference);
        let Ok(Ok(now)) = timeout(LOOK, looking).await else {
            return;
        };
        if now == self.stood {
            return;
        }
        // Compared with the last look from now on: a change that is undone is
        // another one.
        self.stood.clone_from(&now);
        // Our own put is no change by others.
        if now == self.ours && now.is_some() {
            return;
        }
        self.has_changed = true;
        if let Some(digest) = now {
            self.read(digest).await;
        }
    }

    /// Notes the layers of a manifest; the tag may stand elsewhere by now.
    async fn read(&mut self, digest: Digest) {
        let by_digest = Reference::new(self.place.repository().clone(), digest);
        let reading = self.registries.get_manifest(&by_digest);
        if let Ok(Ok(Some(manifest))) = timeout(LOOK, reading).await {
            let served = Served {
                manifest,
                etag: None,
            };
            self.note(Standing::at(self.place, Some(served)).ok());
        }
    }

    fn note(&mut self, found: Option<Standing>) {
        let layers = found.iter().flat_map(|found| found.layers());
        for layer in layers {
            // No more than a place can hold.
            if self.seen.len() < MAX_LAYERS {
                self.seen.insert(layer.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubtful_put_is_made_where_it_stands_unless_another_may_have_put_it() {
        let [ours, theirs] = [&b"ours"[..], b"theirs"].map(Digest::of);
        let doubt = Doubt::of(&ours, None);
        assert!(!doubt.is_over(None));
        assert!(!doubt.is_over(Some(&theirs)));
        assert!(doubt.is_over(Some(&ours)));
        let second = Doubt::of(&ours, Some(&doubt));
        assert!(!second.is_over(Some(&ours)));
        let mut again = doubt.and_another_put();
        assert!(!again.is_over(Some(&ours)));
        again.until = Instant::now();
        assert!(again.is_over(None));
    }
}
