//! The files that `make release` puts into `dist/`: tarballs laid out like the
//! lifecycle's, and an image of both architectures, made without a container
//! runtime.
//!
//! All of it is a function of the two programs, their bills of materials, the
//! version, the commit and its time: two releases of one commit are the same
//! bytes. Compiling is left to the Makefile, signing to the signer.

pub mod archive;
pub mod changelog;
pub mod descriptor;
pub mod image;
pub mod layout;
pub mod pack;
pub mod push;
pub mod sbom;
