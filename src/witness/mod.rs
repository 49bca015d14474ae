//! Witnesses: those who are asked to vouch for a signature. Certificate
//! authorities, timestamp authorities, transparency logs, and whoever says who we
//! are. Their answers are verified before anybody gets them.

pub mod authority;
mod causes;
mod choice;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod log;
pub mod timestamp;
pub mod token;
