//! The faults of an image's SBOM. All of them end the run (exit code 116): an image that
//! says it has an SBOM is not signed as if it had none.

use std::io;

use super::json::JsonError;
use crate::oci::Digest;
use crate::oci::digest::NotADigest;
use crate::words::Count;

/// The label of the image config that names the SBOM layer (platform spec,
/// "Labels").
pub(super) const LABEL: &str = "io.buildpacks.lifecycle.metadata";

/// Why the SBOM of an image cannot be exported.
#[derive(thiserror::Error)]
pub enum SbomError {
    #[error("cannot read the image's config as JSON")]
    Config(#[source] serde_json::Error),
    #[error("cannot read the image's label `{LABEL}` as JSON")]
    Label(#[source] serde_json::Error),
    #[error("cannot read the digest of the SBOM layer in the image's label `{LABEL}`")]
    LabelDigest(#[source] NotADigest),
    #[error("the image's label `{LABEL}` names an SBOM layer, but its config lists no diffIDs")]
    NoDiffIds,
    #[error(
        "the image's config lists {}, but its manifest {}",
        Count(*diff_ids, "diffID"),
        Count(*layers, "layer")
    )]
    LayerCount { diff_ids: usize, layers: usize },
    #[error(
        "the image's label `{LABEL}` names the SBOM layer `{0}`, which is not a layer of the image"
    )]
    NotALayer(Digest),
    #[error("the SBOM layer `{digest}` has {actual} bytes instead of {expected}")]
    BlobSize {
        digest: Digest,
        expected: u64,
        actual: u64,
    },
    #[error("the bytes of the SBOM layer `{expected}` have the digest `{actual}`")]
    BlobDigest { expected: Digest, actual: Digest },
    #[error("the SBOM layer has the diffID `{actual}`, but the image's config says `{expected}`")]
    DiffId { expected: Digest, actual: Digest },
    #[error("cannot decompress the SBOM layer")]
    Inflate(#[source] io::Error),
    #[error("cannot read the SBOM layer as a tar archive")]
    Tar(#[source] io::Error),
    #[error("the entry `{path}` of the SBOM layer is refused: {reason}")]
    Entry { path: String, reason: &'static str },
    #[error("the SBOM layer is refused: {0}")]
    Limit(Exceeded),
    #[error("the SBOM document `{path}` is not valid")]
    Json {
        path: String,
        #[source]
        source: JsonError,
    },
    #[error("the image's SBOM cannot be attached: {0}")]
    NotAttachable(String),
    #[error("the SBOM document `{path}` cannot be merged: {reason}")]
    NotMergeable { path: String, reason: &'static str },
    #[error("cannot merge the SBOM document `{path}`")]
    Merge {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot read the SBOM document `{path}` again")]
    Reread {
        path: String,
        #[source]
        source: io::Error,
    },
}

debug_as_display!(SbomError);

/// The limit that a layer exceeds.
#[derive(Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum Exceeded {
    #[error("it has more than {0} bytes")]
    Compressed(u64),
    #[error("it expands to more than {0} bytes")]
    Expanded(u64),
    #[error("it expands to more than {ratio} times its size ({bytes} bytes)")]
    Ratio { ratio: u64, bytes: u64 },
    #[error("it has more than {0} entries")]
    Entries(u64),
    #[error("the path of an entry has more than {0} bytes")]
    Path(usize),
    #[error("the extended header of an entry has more than {0} bytes")]
    ExtendedHeader(u64),
    #[error(
        "its documents take more than {0} bytes when they are compressed each by itself, \
         which is far more than the layer has"
    )]
    Kept(u64),
}

debug_as_display!(Exceeded);

/// Text of the image, safe to print: shortened, control and format characters
/// escaped. Quotes stay: messages have it in backticks.
pub(super) fn shown(text: &[u8]) -> String {
    const LENGTH: usize = 300;
    String::from_utf8_lossy(text)
        .chars()
        .take(LENGTH)
        .flat_map(|c| match c {
            '\'' | '"' | '\\' => vec![c],
            _ => c.escape_debug().collect(),
        })
        .collect()
}
