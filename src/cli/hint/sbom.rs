//! Remedies for the SBOM of an image. A damaged layer has none: the message names the
//! damage.

use super::{Hint, say};
use crate::sbom::{Exceeded, SbomError};

pub(super) fn of_sbom(error: &SbomError) -> Hint {
    match error {
        SbomError::NotAttachable(_) | SbomError::NotMergeable { .. } | SbomError::Merge { .. } => {
            say("set `export-sbom = \"attestation\"`, which exports every document as it is")
        }
        SbomError::Json { .. } => say(
            "the buildpack that wrote the document must be mended, or set `export-sbom = \"none\"`",
        ),
        SbomError::Limit(exceeded) => of_limit(*exceeded),
        SbomError::Config(_)
        | SbomError::Label(_)
        | SbomError::LabelDigest(_)
        | SbomError::NoDiffIds
        | SbomError::LayerCount { .. }
        | SbomError::NotALayer(_)
        | SbomError::BlobSize { .. }
        | SbomError::BlobDigest { .. }
        | SbomError::DiffId { .. }
        | SbomError::Inflate(_)
        | SbomError::Tar(_)
        | SbomError::Entry { .. }
        | SbomError::Reread { .. } => None,
    }
}

/// The flag of a limit that an honest image may reach; the others have none
/// (`spec/limits.md`).
fn of_limit(exceeded: Exceeded) -> Hint {
    let flag = match exceeded {
        Exceeded::Compressed(_) => "-sbom-layer-limit <size>",
        Exceeded::Expanded(_) => "-sbom-expanded-limit <size>",
        Exceeded::Ratio { .. } => "-sbom-ratio-limit <times>",
        Exceeded::Entries(_) => "-sbom-entries-limit <count>",
        Exceeded::Path(_) | Exceeded::ExtendedHeader(_) | Exceeded::Kept(_) => return None,
    };
    Some(format!("if its size is meant, raise the limit with `{flag}`").into())
}
