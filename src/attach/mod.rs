//! Where layers hang on an image, and how they get there without losing what
//! others hung there.

mod append;
mod error;
mod found;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hanging;
mod lateness;
pub mod place;
mod publication;
mod recall;
mod referrer;
mod settle;
mod tag;
mod union;
mod watch;

pub use error::AttachError;
pub use found::{Found, Layer};
pub use hanging::{Hanging, read};
pub use lateness::Lateness;
pub use place::{Kind, Place};
pub use publication::Publication;
pub use recall::{Sought, recall};
pub use settle::Settle;
pub use tag::Turn;
