//! The signer itself with keys in tokens.

use crate::support::cosign::BOTH;
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Registry, Settings, Switch};
use crate::support::services::pair::{Kind, Pair};
use crate::support::services::soft_hsm::SoftHsm;
use crate::support::signer::{Config, Signer};

/// An image with documents, on a registry that lists referrers.
fn seeded() -> (Registry, Image) {
    let registry = Registry::with(Settings {
        referrers: Switch::On,
        ranges: Switch::On,
        ..Settings::default()
    });
    let image = Image::recorded("one-document");
    image.seed(&registry);
    (registry, image)
}

fn signer(hsm: &SoftHsm, registry: &Registry, image: &Image, configs: &[Config]) -> Signer {
    let signer = Signer::of(image, registry.host())
        .environment("SOFTHSM2_CONF", &hsm.settings().display().to_string())
        .environment("COSIGN_PKCS11_PIN", SoftHsm::PIN);
    configs.iter().cloned().fold(signer, Signer::config)
}

/// KEY-150, KEY-151. The program is beside the signer, where Cargo put both.
#[test]
fn the_signer_signs_with_tokens_and_asks_for_no_second_signature() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let (registry, image) = seeded();
        let folder = tempfile::tempdir().unwrap();
        let key = |uri: &str| Config::none().set("key", uri).set("format", "both");
        let mut configs = Vec::new();
        let mut public = Vec::new();
        for (number, kind) in (10..).zip(Kind::ALL) {
            let pair = Pair::generate(kind);
            let id = number.to_string();
            hsm.import(&pair, &id, "imported");
            configs.push(key(&hsm.uri(&id)));
            let path = folder.path().join(&id);
            std::fs::write(path.with_extension("pub"), pair.public()).unwrap();
            public.push(path.display().to_string());
        }
        let receipt = folder.path().join("receipt.toml").display().to_string();
        let flags = ["-receipt", &receipt, "-log-level", "debug"];
        let run = signer(&hsm, &registry, &image, &configs)
            .arguments(&flags)
            .run();
        let run = run.succeeded().does_not_say(&[SoftHsm::PIN]);
        let receipt = std::fs::read_to_string(&receipt).unwrap();
        assert!(receipt.contains(&hsm.uri("10")), "{receipt}");
        assert!(!format!("{receipt}{}", run.stderr).contains(SoftHsm::PIN));
        let reference = image.reference(registry.host());
        for key in &public {
            for cosign in BOTH {
                cosign.verify_any("verify", key, &reference).accepted();
            }
        }
        registry.forget_exchanges();
        let again = signer(&hsm, &registry, &image, &configs).run().succeeded();
        assert!(registry.exchanges().puts().is_empty(), "{}", again.stdout);
    }
}

/// KEY-150, TOK-5
#[test]
fn a_wrong_pin_ends_a_check_and_one_in_cosign_toml_is_refused() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        hsm.generate(Kind::P256, "01", "made");
        let (registry, image) = seeded();
        let key = |uri: String| [Config::none().set("key", &uri)];
        let canary = "pin-canary-4711";
        signer(&hsm, &registry, &image, &key(hsm.uri("01")))
            .environment("COSIGN_PKCS11_PIN", canary)
            .arguments(&["-check"])
            .run()
            .ended_with(112)
            .says(&["CKR_PIN_INCORRECT", "`pkcs11:token=acceptance;id=%01"])
            .does_not_say(&[canary]);
        let uri = hsm.uri("01") + "&pin-value=" + canary;
        for uri in [uri.clone(), uri.replace("pkcs11:", "p11://")] {
            signer(&hsm, &registry, &image, &key(uri))
                .run()
                .ended_with(3)
                .says(&["it holds the PIN of the token", "pin-source"])
                .does_not_say(&[canary]);
        }
        signer(&hsm, &registry, &image, &key("pkcs11:token=t".to_owned()))
            .run()
            .ended_with(3)
            .says(&["it is no `pkcs11:` URI: the URI names no key"]);
        registry.stored_nothing();
    }
}

/// KEY-151
#[test]
fn a_signer_without_the_program_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("signer");
    std::fs::copy(env!("CARGO_BIN_EXE_signer"), &alone).unwrap();
    let (registry, image) = seeded();
    let key = Config::none().set("key", "pkcs11:token=t;object=o?module-path=/m.so");
    let signer = Signer::of(&image, registry.host())
        .program(&alone)
        .environment("PATH", "/nonexistent")
        .config(key);
    signer.run().ended_with(115).says(&[
        "`sigstore-kms-pkcs11`",
        "make pkcs11",
        "beside the signer",
    ]);
    registry.stored_nothing();
}
