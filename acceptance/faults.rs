//! What goes wrong between us and a registry: how the run ends, and that
//! nothing is lost, doubled or half done. `spec/faults.md` has the cases.
//!
//! | what goes wrong | file |
//! |---|---|
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
//! | tokens, challenges and credential helpers | `tokens` |
//! | answers and connections that break once | `transport` |
//! | upload sessions and what becomes of them | `uploads` |
//! | whether others may see a change, where an answer does not tell | `visible` |

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

use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::Registry;
use crate::support::signer::Signer;

/// The smallest image without SBOM, and a run that signs it with one cheap key.
fn seeded() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    (registry, image, signer)
}

fn signatures(registry: &Registry, image: &Image) -> usize {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    place.map_or(0, |place| place.layers.len())
}
