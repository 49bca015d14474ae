//! Runs the built `signer` against registries and verifiers that are not ours.
