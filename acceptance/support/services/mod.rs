//! Where keys live elsewhere: a stand-in whose answers a test gives.

mod caller;
pub mod stand_in;

pub use caller::Caller;
