//! Names and objects of the OCI specifications: digests, references, media
//! types, descriptors, manifests, and content that can be read again.
//!
//! Implements image-spec v1.1 (descriptor, manifest) and the reference
//! grammar of go-containerregistry `pkg/name`. Knows no network, no file and
//! no signature.

pub mod ahead;
pub mod annotations;
pub mod bounded;
pub mod content;
pub mod descriptor;
pub mod digest;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod manifest;
pub mod media_type;
pub mod namespace;
pub mod reference;

pub use annotations::Annotations;
pub use bounded::Bounded;
pub use content::{Content, Reread};
pub use descriptor::Descriptor;
pub use digest::{Digest, Hasher};
pub use manifest::{ImageManifest, IndexManifest, Manifest, Reading, Signable};
pub use media_type::MediaType;
pub use namespace::Namespace;
pub use reference::{Reference, Registry, Repository, Tag};
