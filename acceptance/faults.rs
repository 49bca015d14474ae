//! What goes wrong between us and a registry: how the run ends, and that
//! nothing is lost, doubled or half done.

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
