//! The formats that are signed and stored: bytes in, bytes out. No I/O.
//!
//! A [`Claim`] becomes a [`Payload`], the payload's signature makes a [`Signed`]
//! value of it, and [`seal()`] puts that into the [`Form`] in which it is stored.
//! [`open()`] is the way back.
//!
//! The bytes are those of cosign (`spec/wire.md`, sections 4, 5 and 8), compared with
//! recordings of cosign 2 and 3 in `testdata/objects`. JSON is written by hand, since its
//! order, its escapes and its white space are part of what is signed; documents are
//! streamed through it and never held or parsed.

mod bundle;
mod claim;
pub mod dsse;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json;
mod layer;
pub mod media_type;
mod members;
mod open;
mod payload;
mod referrer;
mod seal;
mod signed;
mod simple_signing;
mod statement;

pub use claim::{Claim, Form};
pub use layer::{Layer, Referrer, SealedValue};
pub use open::{EnvelopeError, last_signature, open, signature_of, vouching_in, vouching_of};
pub use payload::Payload;
pub use referrer::{PREDICATE_TYPE as REFERRER_PREDICATE_TYPE, ReferrerMembers, may_be_bundle};
pub use seal::PREDICATE_TYPE as LAYER_PREDICATE_TYPE;
pub use seal::{SealError, attachment, seal, sealed_length};
pub use signed::{Evidence, Signed, Verifier};

#[cfg(test)]
mod tests;
