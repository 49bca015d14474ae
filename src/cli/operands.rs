//! The operands of a failure, which its words name, as fields of the log for
//! machines (SIG-83). The match has no catch-all: the compiler asks for the operands
//! of a new error.

use super::Failure;
use crate::attach::Place;
use crate::phase::{OwnCertificateError, PhaseError};

/// The image, place and key of a line, as far as they are known: a reference, and the
/// names that the receipt has for a place and a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Operands {
    pub(super) image: Option<String>,
    pub(super) place: Option<String>,
    pub(super) key: Option<String>,
}

impl Operands {
    /// The operands of a step's failure; other failures name a file or a variable in words.
    pub(super) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Phase(error) => Self::of_phase(error),
            _ => Self::default(),
        }
    }

    fn of_phase(error: &PhaseError) -> Self {
        use PhaseError as E;
        let image = |image: &dyn ToString| Self {
            image: Some(image.to_string()),
            ..Self::default()
        };
        let place = |place: &Place| Self {
            place: Some(place.name()),
            ..Self::default()
        };
        match error {
            E::Read { image: name, .. }
            | E::Manifest { image: name, .. }
            | E::Missing { image: name, .. }
            | E::Sbom { image: name, .. }
            | E::SbomLayer { image: name, .. } => image(name),
            E::Witness { image: name, .. } | E::TooLongForLog { image: name, .. } => image(name),
            // A tag names the image that the report means, whatever it shows.
            E::Moved { tag, .. } | E::TagGone { tag, .. } | E::OwnTag { tag, .. } => image(tag),
            E::Sign {
                image: name, key, ..
            } => Self {
                key: Some(key.to_string()),
                ..image(name)
            },
            E::Key { key, .. }
            | E::Unlogged { key, .. }
            | E::Certificate { key, .. }
            | E::CertificateRequest { key, .. }
            | E::NoVerifier(key)
            | E::OwnCertificate(OwnCertificateError::OtherKey { key, .. }) => Self {
                key: Some(key.to_string()),
                ..Self::default()
            },
            E::NoPlace(name) | E::NoSignature(name) => place(name),
            E::Place(error) => place(error.place()),
            E::Mixed(mixture) => place(mixture.place()),
            // The cause names the place that could not be written.
            E::InPart(error) => Self::of_phase(error),
            E::Contradiction { .. }
            | E::KeyUri { .. }
            | E::NeedlessPassword { .. }
            | E::Witnesses { .. }
            | E::SecretFile(_)
            | E::Generate(_)
            | E::OwnCertificate(_)
            | E::NoTags
            | E::WriteAccess { .. }
            | E::Content(_)
            | E::Seal(_)
            | E::NoKey(_)
            | E::Crashed(_)
            | E::Stopped(_) => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::{AttachError, Kind};
    use crate::keys::{KeyError, KeyReference};
    use crate::oci::Digest;
    use crate::store::Visible;

    #[test]
    fn a_failure_in_part_is_about_what_its_cause_is_about() {
        let digest = Digest::of(b"image");
        let place = Place::new("r.io/app".parse().unwrap(), digest, Kind::Signatures);
        let expected = Operands {
            place: Some(place.name()),
            ..Operands::default()
        };
        let error = PhaseError::Place(AttachError::GaveUp { place });
        let failure = Failure::Phase(PhaseError::InPart(Box::new(error)));
        assert_eq!(Operands::of(&failure), expected);
    }

    #[test]
    fn keys_and_images_are_named_where_they_are_known() {
        let error = PhaseError::Key {
            signatory: "configs[0]".to_owned(),
            key: KeyReference::File("a.key".into()).into(),
            source: Box::new(KeyError::Damaged.into()),
        };
        let operands = Operands::of(&Failure::Phase(error));
        assert_eq!(
            (operands.key.as_deref(), operands.image),
            (Some("a.key"), None)
        );
        let error = PhaseError::Missing {
            tag: Box::new("r.io/app:v1".parse().unwrap()),
            image: Box::new("r.io/app:v2".parse().unwrap()),
        };
        let operands = Operands::of(&Failure::Phase(error));
        assert_eq!(operands.image.as_deref(), Some("r.io/app:v2"));
        assert_eq!(
            Operands::of(&Failure::Panic(Visible::No)),
            Operands::default()
        );
    }
}
