//! Where layers hang on an image, and how they get there without losing what
//! others hung there (`spec/wire.md`, sections 7 to 9).
//!
//! `append` decides without I/O, `tag_writer` and `referrer_writer` ask the
//! registry, and `publication` holds the state that all writers of a run share.
//! Whether a signature counts as ours is decided in `phase`.

mod append;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hanging;
mod lateness;
mod meter;
pub(crate) mod place;
mod publication;
mod reading;
mod recall;
mod referrer_writer;
mod settle;
mod standing;
mod tag_writer;
mod timing;
mod union;
mod watch;
mod writer;

pub(crate) use error::AttachError;
pub(crate) use hanging::Hanging;
pub(crate) use lateness::Lateness;
pub(crate) use meter::Meter;
pub(crate) use place::{Kind, Place};
pub(crate) use publication::{Order, Publication};
pub(crate) use reading::read;
pub(crate) use recall::{Candidate, Sought, Vouching, recall};
pub(crate) use settle::Settle;
pub(crate) use standing::Standing;
pub(crate) use writer::Writer;
