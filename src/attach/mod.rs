//! Where layers hang on an image, and how they get there without losing what
//! others hung there.

mod append;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod lateness;
mod meter;
pub mod place;
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

pub use error::AttachError;
pub use lateness::Lateness;
pub use meter::{Meter, Sent};
pub use place::{Kind, Place};
pub use publication::Publication;
pub use reading::read;
pub use recall::{Sought, recall};
pub use settle::Settle;
pub use standing::{Layer, Standing};
pub use tag_writer::Order;
pub use writer::Writer;
