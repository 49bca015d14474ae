//! DER (X.690), as certificates and their relatives are made of: values in
//! sequences, read one after the other, and put together again.
//!
//! The crate `der` reads each value, in DER alone: BER, with indefinite or longer
//! lengths than needed, is an error. The structures above values are read by hand
//! in the files beside this one: the stable crates for CMS and RFC 3161 are of an
//! older generation of `der`, and would bring it along.

use pkcs8::der::{
    AnyRef, Decode as _, Error, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
};

/// Tags as [`tagged`] writes them, with the bit of constructed values where it is
/// due.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;

/// The content of a sequence, as a reader of its own: no length inside leads beyond
/// it. A caller that needs all of it asks for the reader's end.
pub(super) fn parts(sequence: AnyRef<'_>) -> Result<SliceReader<'_>, Error> {
    sequence.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(sequence.value())
}

/// The next value.
pub(super) fn next<'a>(parts: &mut SliceReader<'a>) -> Result<AnyRef<'a>, Error> {
    AnyRef::decode(parts)
}

/// The next value with its tag and length: the bytes as they stand, of which hashes
/// and signatures are made, and never an encoding of our own.
pub(super) fn whole<'a>(parts: &mut SliceReader<'a>) -> Result<&'a [u8], Error> {
    parts.tlv_bytes()
}

/// Whether a value has the tag `[number]`, primitive or constructed: with IMPLICIT
/// the form is that of the type behind the tag, which callers know.
pub(super) fn has_number(value: &AnyRef<'_>, number: u8) -> bool {
    matches!(value.tag(), Tag::ContextSpecific { number: found, .. } if found == TagNumber(number.into()))
}

/// Whether a value has the tag `[number]`, and is made of others (constructed).
pub(super) fn is_constructed(value: &AnyRef<'_>, number: u8) -> bool {
    has_number(value, number) && value.tag().is_constructed()
}

/// A value of these parts, which are DER already; the length is as short as DER
/// demands.
pub(super) fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..0x80) => der.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let bytes = bytes.get(zeros..).unwrap_or_default();
            // Eight bytes at the most: the count always fits.
            der.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0x7f));
            der.extend_from_slice(bytes);
        }
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for (length, head) in [
            (0, &[0x30, 0][..]),
            (0x7f, &[0x30, 0x7f]),
            (0x80, &[0x30, 0x81, 0x80]),
            (0xff, &[0x30, 0x81, 0xff]),
            (0x100, &[0x30, 0x82, 1, 0]),
            (0x1_0000, &[0x30, 0x83, 1, 0, 0]),
        ] {
            let der = tagged(SEQUENCE, &[&vec![7; length]]);
            assert_eq!(&der[..head.len()], head);
            assert_eq!(AnyRef::from_der(&der).unwrap().value().len(), length);
        }
    }
}
