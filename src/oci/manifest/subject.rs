//! Manifests that can be signed: of one image, or of several (image-spec v1.1
//! `manifest.md` and `image-index.md`, Docker schema 2). cosign looks up and
//! verifies no other.

use super::{ImageManifest, Manifest, ManifestError, ManifestFields};
use crate::oci::{Annotations, Descriptor};

/// A manifest as the subject of a signature.
pub enum Signable {
    Image(Box<ImageManifest>),
    /// The manifests that it lists are not read (`spec/decisions/0003`).
    Index,
}

impl Manifest {
    /// Reads the manifest as one that can be signed. A document that is an
    /// image to one reader and an index to another cannot (CVE-2021-41190).
    ///
    /// Asked of every image, whether an SBOM is exported or not (SIG-67): a
    /// reader that takes the document for the other kind would verify our
    /// signature of it.
    ///
    /// # Errors
    /// On any other media type or schema version, and on a field that is absent
    /// or cannot be read.
    pub fn to_subject(&self) -> Result<Signable, ManifestError> {
        let fields = self.fields()?;
        if self.media_type.is_index() {
            // Read to know that readers can; Go writes a list that was never made as
            // `null`.
            let _list: Option<Vec<Descriptor>> = fields.read("manifests")?;
            fields.refuse(&["config", "layers", "fsLayers"])?;
            return Ok(Signable::Index);
        }
        if !self.media_type.is_image_manifest() {
            return Err(ManifestError::NotASubject(self.media_type.clone()));
        }
        fields.refuse(&["manifests", "fsLayers"])?;
        Ok(Signable::Image(Box::new(self.to_image()?)))
    }
}

impl ManifestFields {
    /// Refuses fields of another kind of manifest. Go reads names in any case.
    /// `null` counts as absent, as Go decodes it. `fsLayers` is the list of
    /// layers of Docker's schema 1.
    fn refuse(&self, foreign: &[&'static str]) -> Result<(), ManifestError> {
        for (name, value) in &self.0 {
            let mut fields = foreign.iter();
            let field = fields.find(|field| field.eq_ignore_ascii_case(name));
            if let (Some(field), false) = (field, value == "null") {
                return Err(ManifestError::Ambiguous(field));
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// The descriptor of the manifest, without annotations.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            size: self.bytes.len() as u64,
            digest: self.digest.clone(),
            annotations: Annotations::default(),
            artifact_type: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::oci::MediaType;

    const DESCRIPTOR: &str = r#"{"mediaType":"x","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    fn subject(media_type: MediaType, text: &str) -> Result<Signable, ManifestError> {
        let text = text.replace("<d>", DESCRIPTOR);
        Manifest::parse(Some(media_type), Bytes::from(text))?.to_subject()
    }

    #[test]
    fn images_and_indexes_of_both_kinds_are_subjects() {
        for image in [MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST] {
            let text = r#"{"schemaVersion":2,"config":<d>,"layers":[<d>],"manifests":null}"#;
            assert!(matches!(subject(image, text), Ok(Signable::Image(_))));
        }
        for index in [MediaType::OCI_INDEX, MediaType::DOCKER_LIST] {
            for list in ["[]", "[<d>,<d>]"] {
                let text = format!(r#"{{"schemaVersion":2,"manifests":{list}}}"#);
                assert!(matches!(subject(index.clone(), &text), Ok(Signable::Index)));
            }
        }
    }

    #[test]
    fn anything_else_is_no_subject() {
        let image = r#"{"schemaVersion":2,"config":<d>,"layers":[<d>]"#;
        let index = r#"{"schemaVersion":2,"manifests":[<d>]"#;
        for (media_type, text) in [
            (MediaType::OCI_MANIFEST, r#"{"hello":1}"#.to_owned()),
            (MediaType::OCI_MANIFEST, r#"{"schemaVersion":2}"#.to_owned()),
            (MediaType::OCI_INDEX, r#"{"schemaVersion":2}"#.to_owned()),
            (
                MediaType::OCI_INDEX,
                r#"{"schemaVersion":2,"manifests":[7]}"#.to_owned(),
            ),
            (MediaType::OCI_INDEX, format!(r#"{image}}}"#)),
            (MediaType::OCI_MANIFEST, format!(r#"{index}}}"#)),
            (
                MediaType::OCI_MANIFEST,
                format!(r#"{image},"manifests":[<d>]}}"#),
            ),
            (
                MediaType::OCI_MANIFEST,
                format!(r#"{image},"fsLayers":[]}}"#),
            ),
            (MediaType::OCI_INDEX, format!(r#"{index},"Layers":[<d>]}}"#)),
            (MediaType::DOCKER_LIST, format!(r#"{index},"config":<d>}}"#)),
            (MediaType::OCI_MANIFEST, image.replace('2', "1") + "}"),
            (
                MediaType::new("application/vnd.docker.distribution.manifest.v1+prettyjws"),
                r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
            ),
            (
                MediaType::new("application/vnd.oci.artifact.manifest.v1+json"),
                r#"{"schemaVersion":2,"blobs":[]}"#.to_owned(),
            ),
            (MediaType::OCI_CONFIG, format!(r#"{image}}}"#)),
        ] {
            assert!(
                subject(media_type.clone(), &text).is_err(),
                "{media_type} {text}"
            );
        }
    }
}
