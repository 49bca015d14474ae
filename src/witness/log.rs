//! Transparency logs (Rekor v1 and v2).
