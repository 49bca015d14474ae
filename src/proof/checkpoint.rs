//! Checkpoints: the signed state of a transparency log (C2SP `signed-note` and
//! `tlog-checkpoint`).
