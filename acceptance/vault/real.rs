//! The real Vault: keys, policies, revoked tokens and seals.

use super::{key, signer};
use crate::support::cosign::BOTH;
use crate::support::elsewhere::{FORMATS, seeded, verified};
use crate::support::needs::{Need, is_here};
use crate::support::services::Service;
use crate::support::services::vault::{Vault, policy};

/// KEY-61, KEY-62, KEY-63
#[test]
fn the_real_vault_signs_with_every_kind_of_key_under_the_policy_of_cosign() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        for kind in [
            "ecdsa-p256",
            "ecdsa-p384",
            "ecdsa-p521",
            "rsa-2048",
            "rsa-3072",
            "rsa-4096",
            "ed25519",
        ] {
            vault.create_key(kind, kind);
            vault.rotate(kind);
            let token = vault.token_with(&policy(kind));
            for format in FORMATS {
                let (registry, image) = seeded();
                let config = key(kind).set("format", format);
                let signer = signer(&registry, &image, &vault.address(), config)
                    .environment("VAULT_TOKEN", &token);
                signer.run().succeeded().says(&[", version 2"]);
                verified(
                    &registry,
                    &image,
                    &pem(&vault.public_key(kind, 2)),
                    format,
                    None,
                );
                registry.forget_exchanges();
                signer.run().succeeded();
                assert!(registry.exchanges().puts().is_empty(), "{kind} {format}");
            }
        }
    }
}

/// Of Ed25519 Vault gives the 32 bytes alone.
fn pem(public: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    if public.starts_with("-----") {
        return public.to_owned();
    }
    let mut der = STANDARD.decode("MCowBQYDK2VwAyEA").unwrap();
    der.extend(STANDARD.decode(public).unwrap());
    let line = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn both_cosigns_verify_by_the_uri_what_the_real_vault_signed() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        for kind in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
            vault.create_key(kind, kind);
            let (registry, image) = seeded();
            signer(&registry, &image, &vault.address(), key(kind))
                .environment("VAULT_TOKEN", vault.token())
                .run()
                .succeeded();
            let reference = image.reference(registry.host());
            let address = vault.address();
            let environment = [("VAULT_ADDR", &*address), ("VAULT_TOKEN", vault.token())];
            for cosign in BOTH {
                let uri = format!("hashivault://{kind}");
                cosign.verify_by(&uri, &reference, &environment).accepted();
            }
        }
    }
}

/// KEY-65, KEY-67
#[test]
fn the_real_vault_revokes_limits_and_seals_and_the_run_says_so() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        vault.create_key("k", "ecdsa-p256");
        vault.create_key("aes", "aes256-gcm96");
        let (registry, image) = seeded();
        let with = |name: &str, token: &str| {
            signer(&registry, &image, &vault.address(), key(name))
                .environment("VAULT_TOKEN", token)
                .arguments(&["-retry-budget", "5s"])
                .run()
        };
        let token = vault.token_with(&policy("k"));
        with("aes", &token)
            .ended_with(113)
            .says(&["permission denied", "`update` on `transit/sign/aes/*`"]);
        with("aes", vault.token())
            .ended_with(115)
            .says(&["`aes256-gcm96` does not sign"]);
        with("absent", vault.token())
            .ended_with(115)
            .says(&["not found", "type=ecdsa-p256"]);
        let short = signer(&registry, &image, &vault.address(), key("k"))
            .environment("VAULT_TOKEN", vault.token())
            .environment("TRANSIT_SECRET_ENGINE_PATH", "elsewhere");
        short
            .run()
            .ended_with(115)
            .says(&["no engine is mounted at `elsewhere`"]);
        registry.stored_nothing();
        vault.limit(1);
        with("k", &token).succeeded();
        vault.limit(0);
        vault.revoke(&token);
        with("k", &token)
            .ended_with(113)
            .says(&["invalid token", "was revoked"]);
        vault.seal();
        with("k", vault.token())
            .ended_with(111)
            .says(&["have it unsealed"]);
    }
}
