//! Faults between us and a registry: how the run ends, and that
//! nothing is lost, doubled or half done. `spec/faults.md` has the cases.
//!
//! | what goes wrong | file |
//! |---|---|
//! | several accounts, and helpers that hold them | `accounts` |
//! | others write the same place at the same time | `concurrency` |
//! | objects and documents that mean harm | `content` |
//! | which certificates are accepted, and what TLS alerts mean | `handshakes` |
//! | registries that mean harm or are out of order | `hostile` |
//! | streams that are refused, connections that end | `http2` |
//! | a registry does not show yet what was just pushed | `just_pushed` |
//! | little memory, a clock that is off | `machine` |
//! | a blob that other repositories have already | `mounts` |
//! | 429, 503 and the like: what is waited for, and how long | `overload` |
//! | through which proxy a registry is asked | `proxies` |
//! | hosts that lead to the machine itself | `reach` |
//! | hosts that lead elsewhere, and what they are shown | `redirects` |
//! | connections that fail: what is asked again, for how long | `retries` |
//! | writes that take their time or come late | `slow_commits` |
//! | whom the signer believes, with and without a proxy | `tls` |
//! | tokens and challenges | `tokens` |
//! | answers and connections that break once | `transport` |
//! | upload sessions and what becomes of them | `uploads` |
//! | whether others may see a change, where an answer does not tell | `visible` |

mod accounts;
mod concurrency;
mod content;
mod handshakes;
mod hostile;
mod http2;
mod just_pushed;
mod machine;
mod mounts;
mod overload;
mod proxies;
mod reach;
mod redirects;
mod retries;
mod slow_commits;
mod tls;
mod tokens;
mod transport;
mod uploads;
mod visible;

use std::time::Duration;

use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::Registry;
use crate::support::signer::{Outcome, Signer};

const KEY: &str = "p256-n32768-cosign-header";

/// A registry with an image, and a run that signs it with one cheap key.
fn holding(image: Image) -> (Registry, Image, Signer) {
    let registry = Registry::start();
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    (registry, image, signer)
}

/// The same with the smallest image, which has no SBOM.
fn seeded() -> (Registry, Image, Signer) {
    holding(Image::recorded("no-sbom-layer"))
}

/// The run ended with one of these codes, in little time and in words, and nothing
/// was stored.
#[track_caller]
fn refused(registry: &Registry, run: Outcome, codes: &[i32]) -> Outcome {
    let is_expected = run.code.is_some_and(|code| codes.contains(&code));
    assert!(is_expected, "{:?}\n{}", run.code, run.stdout);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    run.does_not_say(&["panicked"])
}

fn signatures(registry: &Registry, image: &Image) -> usize {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    place.map_or(0, |place| place.layers.len())
}
