//! Chains of certificates: from a leaf to a trusted root, at a given time, for one
//! use.
