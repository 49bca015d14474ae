//! Every time, and every factor of one, by which places are written, read back
//! and watched. `spec/decisions/0007` says how they were chosen and measured.
//!
//! A *window* is the time between the last read of a place and the end of our
//! put. Counts of windows and answers are in halves.

use std::time::Duration;

// How long a place settles after a put: see `settle`.

/// Windows that another of our signers may take; always waited for.
pub(super) const OWN_HALF_WINDOWS: u32 = 3;
/// Windows that cosign takes, with some ten round trips from reading to writing.
/// They are waited for when no other signer was seen, capped at [`SOON`].
pub(super) const QUIET_HALF_WINDOWS: u32 = 6;
pub(super) const SOON: Duration = Duration::from_millis(180);
/// Windows waited for at a place that others write all the time.
pub(super) const RESTLESS_HALF_WINDOWS: u32 = 10;
/// The least after another signer was seen: a registry may take longer for the
/// others' puts than for any request of ours. More than the five windows that a
/// cosign takes wherever a round trip is below 100 ms.
pub(super) const CONTENDED: Duration = Duration::from_secs(1);
/// Slowest answers of the registry waited for after another signer was seen.
pub(super) const CONTENDED_HALF_ANSWERS: u32 = 3;
/// How often the worst lateness of the process is added. A window is made of
/// some eight waits for a processor.
pub(super) const LATENESSES: u32 = 6;
/// 20 ms, with the lateness of the publication alone, lost one signature of 1600.
pub(super) const SETTLE_AT_LEAST: Duration = Duration::from_millis(30);
/// A slower signer is not waited for: the hole that stays (`spec/wire.md`,
/// section 7).
pub(super) const SETTLE_AT_MOST: Duration = Duration::from_secs(5);

// How a place is written: see `tag_writer` and `referrer_writer`.

/// The time that a registry may take to show a manifest that it accepted.
pub(super) const CONSISTENCY: Duration = Duration::from_secs(5);
/// Between two reads of a registry's list that lacks an accepted manifest.
pub(super) const LIST_PAUSE: Duration = Duration::from_millis(200);
/// After this time a writer gives up: other signers write the place all the
/// time, or the registry's answers leave open what happened.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// After this time a place that has not settled counts as restless: a cosign in
/// a loop leaves it alone for some 300 ms only.
pub(super) const RESTLESS: Duration = Duration::from_secs(40);
/// A read younger than this is built on without another look: most runs read
/// and put within it, however busy the machine.
pub(super) const STALE: Duration = Duration::from_millis(200);
/// How often the time that a put may wait for its turn is doubled.
pub(super) const MOST_DOUBLINGS: u32 = 8;
/// The longest pause after the first collision with another signer; it doubles
/// with every further one.
const COLLISION: Duration = Duration::from_millis(50);
const MOST_COLLISION_DOUBLINGS: u32 = 6;
const COLLISION_AT_MOST: Duration = Duration::from_secs(2);

// How a place is watched while a put is under way or in doubt: see `watch`.

/// The time that one look may take: the write matters more.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// Looks at a place are at least so far apart.
pub(super) const LOOKS_APART: Duration = Duration::from_millis(10);
/// After so many periods each look comes a little later than the last one, so
/// that a write of 30 s is watched by 400 looks.
pub(super) const EVEN_LOOKS: u32 = 100;
/// The time in which a registry may still make a put whose answer left open what
/// happened.
pub(super) const DOUBT: Duration = Duration::from_secs(10);

/// The period of the thread that measures how late the process is woken.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// The pause before a place is read again after `round` collisions. Full jitter:
/// signers that collided once must not collide again.
pub(super) fn after_collision(round: u32) -> Duration {
    let ceiling = COLLISION.saturating_mul(1 << round.min(MOST_COLLISION_DOUBLINGS));
    ceiling.min(COLLISION_AT_MOST).mul_f64(fastrand::f64())
}
