//! The formats that are signed and stored: bytes in, bytes out. No I/O.

pub mod bundle;
pub mod dsse;
mod json;
pub mod simple_signing;
pub mod statement;
