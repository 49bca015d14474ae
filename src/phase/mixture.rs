//! Two forms on one image, as words: what `formats` finds.

use crate::attach::Place;
use crate::words::Count;

/// The outcome of a run that would mix forms on an image (SIG-85).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Formats {
    /// A warning, where a run with bundles meets signatures of the other form. A run
    /// without bundles does not look.
    #[default]
    Mixed,
    /// An error. Each image is looked at for it, which takes a request or two.
    Strict,
}

/// Two forms on one image, and the signatures that verifiers will not see. The
/// place is that of its referrers.
#[derive(PartialEq, Eq, thiserror::Error)]
pub enum Mixture {
    /// Newer verifiers that accepted these signatures until now refuse the image.
    #[error(
        "the first bundle on `{image}` hides {signatures} of others at its `.sig` tag: cosign \
         2.6.3 and later, 3 included, look at bundles alone from then on",
        image = .place.name(),
        signatures = Count(*.hidden, "signature")
    )]
    Hides { place: Place, hidden: usize },
    /// Newer verifiers never see these signatures.
    #[error(
        "a bundle hangs on `{image}`, and {signatures} of this run at its `.sig` tag alone: \
         cosign 2.6.3 and later, 3 included, look at bundles alone and do not see that",
        image = .place.name(),
        signatures = Count(*.hidden, "signature")
    )]
    Unseen { place: Place, hidden: usize },
}

debug_as_display!(Mixture);

impl Mixture {
    pub fn place(&self) -> &Place {
        match self {
            Self::Hides { place, .. } | Self::Unseen { place, .. } => place,
        }
    }
}
