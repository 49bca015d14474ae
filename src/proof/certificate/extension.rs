//! The extensions of a certificate (RFC 5280, section 4.2): where they stand, and what
//! is read of them.

use bytes::Bytes;
use pkcs8::ObjectIdentifier;
use pkcs8::der::{AnyRef, Decode as _, Error, Reader as _, SliceReader, Tag, Tagged as _};

use crate::proof::der::{has_number, next, parts};

/// The tag in a `TBSCertificate` (section 4.1), EXPLICIT.
pub(in crate::proof) const EXTENSIONS: u8 = 3;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) id: ObjectIdentifier,
    pub(super) is_critical: bool,
    pub(super) value: Bytes,
}

/// Whether the key may verify certificates, by `basicConstraints`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// There is no such extension.
    Unstated,
    No,
    Yes {
        /// How many certificates may lie between this one and the leaf.
        path_length: Option<u64>,
    },
}

impl Authority {
    pub(super) fn read(parts: &mut SliceReader<'_>) -> Result<Self, Error> {
        let (mut is_authority, mut path_length) = (false, None);
        while !parts.is_finished() {
            // `cA` and `pathLenConstraint` are both optional, and told apart by their
            // tags.
            let part = next(parts)?;
            match part.tag() {
                Tag::Boolean => is_authority = part.decode_as()?,
                _ => path_length = Some(part.decode_as()?),
            }
        }
        Ok(match is_authority {
            true => Self::Yes { path_length },
            false => Self::No,
        })
    }
}

/// The uses that a certificate states (`extKeyUsage`), `anyExtendedKeyUsage` as one
/// of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usages {
    pub oids: Vec<ObjectIdentifier>,
    pub is_critical: bool,
}

impl Usages {
    pub(super) fn read(extension: &Extension) -> Result<Self, Error> {
        let mut purposes = parts(AnyRef::from_der(&extension.value)?)?;
        let mut oids = Vec::new();
        while !purposes.is_finished() {
            oids.push(ObjectIdentifier::decode(&mut purposes)?);
        }
        Ok(Self {
            oids,
            is_critical: extension.is_critical,
        })
    }
}

/// The extensions after the fields. Unique identifiers, which stand before them,
/// have no meaning any more.
pub(super) fn extensions(
    der: &Bytes,
    inner: &mut SliceReader<'_>,
) -> Result<Vec<Extension>, Error> {
    let mut found: Vec<Extension> = Vec::new();
    while !inner.is_finished() {
        let field = next(inner)?;
        if !has_number(&field, EXTENSIONS) {
            continue;
        }
        let mut list = parts(AnyRef::from_der(field.value())?)?;
        while !list.is_finished() {
            let extension = extension(der, next(&mut list)?)?;
            // Readers take different ones of two (RFC 5280, section 4.2, forbids it).
            if found.iter().any(|other| other.id == extension.id) {
                return Err(Tag::Sequence.value_error().into());
            }
            found.push(extension);
        }
    }
    Ok(found)
}

fn extension(der: &Bytes, extension: AnyRef<'_>) -> Result<Extension, Error> {
    let mut parts = parts(extension)?;
    let id = ObjectIdentifier::decode(&mut parts)?;
    let mut value = next(&mut parts)?;
    let mut is_critical = false;
    if value.tag() == Tag::Boolean {
        is_critical = value.decode_as()?;
        value = next(&mut parts)?;
    }
    value.tag().assert_eq(Tag::OctetString)?;
    Ok(Extension {
        id,
        is_critical,
        value: der.slice_ref(value.value()),
    })
}
