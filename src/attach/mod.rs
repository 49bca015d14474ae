//! Where layers hang on an image, and how they get there without losing what
//! others hung there.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod place;
pub mod tag;
mod union;

pub use place::{Kind, Place};
pub use tag::{AttachError, Found, Hanging, Layer};
