//! Entries of transparency logs (Rekor v1 and v2): their canonical bodies, and the
//! proofs that come back.
