//! A registry with all that its tasks share.

use std::sync::{Arc, Mutex, MutexGuard};

use super::contents::Contents;
use super::fault::Fault;
use super::record::Exchange;
use super::settings::Settings;
use super::tokens::Tokens;

/// A running registry; a clone is the same registry. It serves until the
/// process ends.
#[derive(Clone)]
pub struct Registry(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) host: String,
    pub(super) settings: Settings,
    pub(super) authority: Option<String>,
    pub(super) contents: Mutex<Contents>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) exchanges: Mutex<Vec<Exchange>>,
}

/// A panic in another test thread must not hide this one's failure.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
