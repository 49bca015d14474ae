//! Trusted roots v0.1 and v0.2 (protobuf-specs v0.5 `sigstore_trustroot.proto`).
