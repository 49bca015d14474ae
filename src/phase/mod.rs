//! The steps of the RFC "Cosign support", one file each, and the contract of a
//! run (`spec/signer.md`).
//!
//! ```text
//! Plan ─open_keys───▶ Keys ──────────────┐
//!   ├───check_read──▶ Readable ─▶ Wants ─┼─▶ recognise ─▶ sign ─▶ witness ─▶ seal ─▶ publish ─▶ Receipt
//!   └───check_write─▶ Writable ──────────┘
//! ```
//!
//! Before anything is recognised, [`check_logs()`] and [`check_formats`] refuse
//! signatures that no log takes and forms that would hide others: both need open keys,
//! and neither asks anybody. [`certify()`] stands between `sign` and `witness`, since a
//! log's entry holds the certificate.
//!
//! Steps 1 and 2 of the RFC are `check_read` and `check_write`, 3 and 4 `recognise`,
//! `sign` and `publish`. Until `publish` writes its first manifest nothing visible has
//! changed in a registry (SIG-32).
//!
//! The values that all steps share (images, signatories, witnesses, subjects,
//! mixtures, stated claims) and their error stand in files that import no step.
//!
//! A stage can only be made by its step: leaving one out does not compile.
//!
//! ```compile_fail,E0451
//! let forged = signer::phase::Readable { subjects: Vec::new() };
//! ```
//!
//! ```compile_fail,E0451
//! let forged = signer::phase::Sealed { places: Vec::new() };
//! ```

mod certificate;
mod certify;
mod check_logs;
mod check_read;
mod check_write;
mod destination;
mod error;
mod evidence;
mod formats;
mod generate;
mod image;
mod judge;
mod just_pushed;
mod limits;
mod message_folder;
mod mixture;
mod open_keys;
mod plan;
mod processors;
mod progress;
mod publish;
mod receipt;
mod recognise;
mod seal;
mod sealed_place;
mod secret_file;
mod sign;
mod signatory;
mod stated;
mod stays;
mod subject;
mod summary;
mod wants;
mod witness;
mod witnesses;

pub use certificate::{CertificateFile, CertificateRole, OwnCertificate, OwnCertificateError};
pub use certify::certify;
pub use check_logs::check_logs;
pub use check_read::{Readable, check_read, warn_of_moved_tags};
pub use check_write::{Writable, check_write, open_more};
pub use destination::{Destination, DestinationError, Input};
pub use error::{PhaseError, Stop};
pub use formats::check_formats;
pub use generate::generate;
pub use image::Image;
pub use limits::Limits;
pub use message_folder::{GenerateError, MessageFolder};
pub use mixture::{Formats, Mixture};
pub use open_keys::{Keys, Opening, open_keys};
pub use plan::{ClosedKey, KeySettings, Plan, PlanSettings, prepare};
pub use publish::publish;
pub use receipt::{Notation, Receipt};
pub use recognise::{Recognised, recognise};
pub use seal::{Sealed, seal};
pub use secret_file::{SecretFileError, SecretRole};
pub use sign::{SignedWants, look_up, sign};
pub use signatory::{Item, Signatory};
pub use stays::Stays;
pub use subject::Subject;
pub use summary::Summary;
pub use wants::Wants;
pub use witness::{Vouched, witness};
pub use witnesses::{Witnesses, WitnessesError};

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::timeout;
use tracing::info;

use crate::attach::{Lateness, Settle};
use crate::store::Visible;
use crate::store::registry::Registries;
use crate::words::Count;

/// How long a run that was stopped may take to learn the outcome of manifests and
/// sessions under way (WIRE-60). Cancelling sessions comes on top; all in all less
/// than 2 s (SIG-57).
const GRACE: Duration = Duration::from_millis(1000);
/// How long a run that has published everything waits to learn whether a tag
/// has moved.
const LOOKING: Duration = Duration::from_secs(5);

/// How far a run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// To the end, with this settle time (`spec/decisions/0007`).
    Sign(Settle),
    /// Up to the first signature (SIG-93). Signatures that were made elsewhere have
    /// to be in their folder (EVD-76).
    Check,
    /// As far as a check; then the messages for keys elsewhere are written to the
    /// folder (EVD-70).
    Generate(MessageFolder),
}

/// Runs all steps after [`prepare`], until done or until `stop`. The receipt
/// names the places that were written, and entries of logs, also after a failure; the
/// caller closes it with the failure in words.
/// Upload sessions that were not used are cancelled and awaited (WIRE-5). `warn`
/// says which forms the run mixes with others.
///
/// Running again with the same inputs completes a run that failed, and changes
/// nothing after one that did not (SIG-37). Dropped before its end, it leaves
/// sessions open: `stop` is the way to end it.
///
/// # Errors
/// On the first step that fails or panics; as [`PhaseError::InPart`] if something
/// visible may have been written by then.
pub async fn run(
    plan: &Plan,
    closed: Vec<ClosedKey>,
    registries: &Registries,
    limits: &Limits,
    task: Task,
    warn: fn(&Mixture),
    stop: impl Future<Output = Stop>,
) -> (Receipt, Result<(), PhaseError>) {
    let mut receipt = Receipt::new(plan);
    let running = until(
        stop,
        steps(plan, closed, registries, limits, task, warn, &mut receipt),
        registries,
    );
    let outcome = or_crashed(running).await.unwrap_or_else(|| {
        let crashed = PhaseError::Crashed("the run");
        Err(in_part(crashed, registries.visible()))
    });
    if let Err(PhaseError::InPart(failure)) = &outcome {
        receipt.say_unpublished(failure.place());
    }
    registries.cancel_sessions().await;
    (receipt, outcome)
}

/// Lets `steps` end by themselves when the run is to stop: their requests fail, but
/// for those whose outcome has to be known (WIRE-60). A run that is done meanwhile
/// has succeeded; any error of its steps is taken for a consequence of the stop.
async fn until(
    stop: impl Future<Output = Stop>,
    steps: impl Future<Output = Result<(), Halt>>,
    registries: &Registries,
) -> Result<(), PhaseError> {
    let (mut stop, mut steps) = (pin!(stop), pin!(steps));
    let stop = tokio::select! {
        outcome = &mut steps => match outcome {
            Ok(()) => return Ok(()),
            Err(Halt::Failed(error)) => return Err(error),
            // Somebody else has stopped the registries, who ends the process: the
            // reason is known by then.
            Err(Halt::Stopped) => stop.await,
        },
        stop = &mut stop => {
            info!("Stopping {stop}...");
            registries.stop();
            if let Ok(Ok(())) = timeout(GRACE, steps).await {
                return Ok(());
            }
            stop
        }
    };
    Err(in_part(PhaseError::Stopped(stop), registries.visible()))
}

/// The error of a run after a change that may be `visible`.
fn in_part(error: PhaseError, visible: Visible) -> PhaseError {
    match visible {
        Visible::No => error,
        Visible::Maybe | Visible::Yes => PhaseError::InPart(Box::new(error)),
    }
}

/// The outcome of `running`; none if it panics. Sessions are to be cancelled then, too,
/// and others may see a part of what was to be published (SIG-18, WIRE-5). The hook of
/// `cli` has said where it was.
async fn or_crashed<T>(running: impl Future<Output = T>) -> Option<T> {
    let mut running = pin!(running);
    poll_fn(|context| {
        // Not polled again after a panic; the receipt and the registries, which outlive
        // it, are whole between any two of its steps.
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// The end of steps that have not come to theirs.
enum Halt {
    Failed(PhaseError),
    /// The run was told to end. [`until`] knows why, and says it.
    Stopped,
}

impl From<PhaseError> for Halt {
    fn from(error: PhaseError) -> Self {
        Self::Failed(error)
    }
}

/// All steps, in their order. Each takes the result of the step before it, so that
/// none can be left out.
async fn steps(
    plan: &Plan,
    closed: Vec<ClosedKey>,
    registries: &Registries,
    limits: &Limits,
    task: Task,
    warn: fn(&Mixture),
    receipt: &mut Receipt,
) -> Result<(), Halt> {
    // From the beginning: the time of publishing alone is too short to learn how
    // late this machine wakes a thread (`spec/decisions/0007`).
    let lateness = Lateness::watch();
    // Beside both checks, which wait for registries.
    let opening = open_keys(closed, registries.client());
    // The first failure does not stop the other check: sessions that it opens
    // must be known to be cancelled.
    let checks = futures_util::join!(
        check_read(plan, registries, limits),
        check_write(plan, registries)
    );
    let (readable, writable) = (checks.0?, checks.1?);
    let wants = or_stopped(registries, Wants::read(plan, &readable)).await?;
    let subjects = readable.into_subjects();
    // While keys are still being opened. The other tasks upload nothing.
    let more = async {
        match &task {
            Task::Sign(_) => open_more(plan, &wants, &writable, registries).await,
            Task::Check | Task::Generate(_) => Ok(()),
        }
    };
    let (keys, more) = futures_util::join!(or_stopped(registries, opening.finish()), more);
    let (keys, ()) = (keys?, more?);
    check_logs(&wants, &keys)?;
    let formats = check_formats(plan, &wants, &writable, &keys, warn);
    or_stopped(registries, formats).await?;
    let Task::Sign(settle) = task else {
        let images = Count(subjects.len(), "image");
        let ending = end_unsigned(plan, task, images, wants, writable, keys, registries);
        return or_stopped(registries, ending).await;
    };
    let computing = async {
        let recognised = recognise(plan, wants, writable, &keys, registries).await?;
        // The keys end here: none is in memory while somebody is asked or something
        // is published (KEY-40).
        let signed = sign(recognised, keys).await?;
        // Before the first request whose effect stays for ever (EVD-94).
        Stays::of(&signed).say();
        let signed = certify(signed, registries.client()).await?;
        let vouched = witness(signed, registries.client(), receipt).await?;
        seal(plan, vouched).await
    };
    let sealed = or_stopped(registries, computing).await?;
    // Not dropped by a stop: it has to learn which manifests were taken.
    let publishing = publish(sealed, registries, settle, lateness, receipt);
    let published = match settle {
        // Asks for the fewest requests (`spec/decisions/0010`).
        Settle::Off => publishing.await,
        Settle::Measured | Settle::Fixed(_) => {
            watching_tags(publishing, &subjects, registries).await
        }
    };
    Ok(published?)
}

/// The end of a run that signs nothing. A signature that was made elsewhere need not
/// be in its folder if it hangs at its place (EVD-75): only for that a check looks for
/// signatures that hang there.
async fn end_unsigned(
    plan: &Plan,
    task: Task,
    images: Count,
    wants: Wants,
    writable: Writable,
    keys: Keys,
    registries: &Registries,
) -> Result<(), PhaseError> {
    if let Task::Generate(folder) = &task {
        let recognised = recognise(plan, wants, writable, &keys, registries).await?;
        return generate(plan, recognised, &keys, folder).await;
    }
    let count = Count(keys.count(), "key");
    if plan.awaits_signatures() {
        let recognised = recognise(plan, wants, writable, &keys, registries).await?;
        look_up(recognised, keys).await?;
    }
    info!("Checked: ready to sign {images} with {count}");
    Ok(())
}

/// Looks at the tags of the images once more as soon as something was written,
/// while it settles (`spec/decisions/0010`).
async fn watching_tags(
    publishing: impl Future<Output = Result<(), PhaseError>>,
    subjects: &[Arc<Subject>],
    registries: &Registries,
) -> Result<(), PhaseError> {
    // A run that writes nothing never looks.
    let looking = pin!(async {
        registries.until_written().await;
        warn_of_moved_tags(subjects, registries).await;
    });
    match select(pin!(publishing), looking).await {
        Either::Right(((), publishing)) => publishing.await,
        Either::Left((outcome, looking)) => {
            if registries.visible() > Visible::No && !registries.is_stopping() {
                // A warning is not worth waiting for a registry that fails.
                let _ = timeout(LOOKING, looking).await;
            }
            outcome
        }
    }
}

/// A step that computes without writing to a registry is not awaited once the run is
/// stopped.
async fn or_stopped<T>(
    registries: &Registries,
    step: impl Future<Output = Result<T, PhaseError>>,
) -> Result<T, Halt> {
    tokio::select! {
        outcome = step => Ok(outcome?),
        () = registries.until_stopped() => Err(Halt::Stopped),
    }
}

#[cfg(test)]
mod tests;
