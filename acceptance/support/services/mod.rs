//! Where keys live elsewhere: a stand-in whose answers a test gives, and the real
//! services, which `make services` installs. They take long to build, so tests
//! leave out what is not there ([`Need::Service`](super::needs::Need::Service)).

pub mod aws;
mod caller;
pub mod kms;
pub mod kubernetes;
pub mod moto;
pub mod pair;
pub mod plugin;
mod service;
pub mod soft_hsm;
pub mod stand_in;
pub mod vault;

pub use caller::Caller;
pub use service::Service;
