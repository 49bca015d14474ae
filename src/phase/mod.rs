//! The steps of the RFC "Cosign support", one file each, and the contract of a
//! run (`spec/signer.md`).
//!
//! ```text
//! Plan ──check_read──▶ Readable ─┐
//!      ──check_write─▶ Writable ─┴─sign──▶ Signed ──publish──▶ Receipt
//! ```
//!
//! A stage can only be made by its step: leaving one out does not compile.
//!
//! ```compile_fail,E0451
//! let forged = signer::phase::Readable { documents: Vec::new() };
//! ```
//!
//! ```compile_fail,E0451
//! let forged = signer::phase::Signed { places: Vec::new() };
//! ```

mod check_read;
mod check_write;
mod error;
mod plan;
mod publish;
mod receipt;
mod sign;
mod unlock;

pub use check_read::{Readable, check_read};
pub use check_write::{Writable, check_write};
pub use error::PhaseError;
pub use plan::{Image, Locked, Plan, Signatory, prepare};
pub use publish::publish;
pub use receipt::Receipt;
pub use sign::{Signed, sign};
pub use unlock::{Unlocking, unlock};

use crate::attach::Settle;
use crate::store::registry::Registries;

/// Runs all steps after [`prepare`]. What happened is in the receipt, also
/// after a failure. Upload sessions that were not used are cancelled.
pub async fn run(
    plan: &Plan,
    locked: Vec<Locked>,
    registries: &Registries,
    settle: Settle,
) -> (Receipt, Result<(), PhaseError>) {
    let mut receipt = Receipt::new(plan);
    let outcome = steps(plan, locked, registries, settle, &mut receipt).await;
    registries.cancel_sessions().await;
    receipt.close(&outcome);
    (receipt, outcome)
}

async fn steps(
    plan: &Plan,
    locked: Vec<Locked>,
    registries: &Registries,
    settle: Settle,
    receipt: &mut Receipt,
) -> Result<(), PhaseError> {
    let unlocking = unlock(locked);
    // The first failure does not stop the other check: sessions that it opens
    // must be known to be cancelled.
    let (readable, writable) =
        futures_util::join!(check_read(plan, registries), check_write(plan, registries));
    let (readable, writable) = (readable?, writable?);
    let signers = unlocking.finish().await?;
    let signed = sign(plan, readable, writable, signers).await?;
    publish(signed, registries, settle, receipt).await
}
