//! Where layers hang on an image, and how they get there without losing what
//! others hung there.

mod append;
mod error;
mod found;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod place;
pub mod tag;
mod union;

pub use error::AttachError;
pub use found::{Found, Layer};
pub use place::{Kind, Place};
pub use tag::{Hanging, Settle, Turn};
