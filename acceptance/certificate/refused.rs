//! Certificates and chains that are refused before anything is signed.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

use super::{KEY, run, with_files};
use crate::support::elsewhere::seeded;
use crate::support::pki::Pki;
use crate::support::signer::Config;

/// EVD-5, EVD-6
#[test]
fn a_certificate_that_would_not_be_accepted_is_refused_before_anything_is_signed() {
    let (pki, other) = (Pki::new(), Pki::new());
    let unfit = Pki::with(|intermediate| intermediate.is_ca = IsCa::ExplicitNoCa);
    let chain = pki.path("chain.pem");
    let garbage = pki.write("garbage.pem", "no certificate");
    let many = pki.write("long.pem", vec![b'x'; 64 * 1024 + 1]);
    let for_servers = |leaf: &mut CertificateParams| {
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let expired = |leaf: &mut CertificateParams| leaf.not_after = date_time_ymd(2025, 2, 1);
    let early = |leaf: &mut CertificateParams| leaf.not_before = date_time_ymd(4000, 1, 1);
    let good = pki.leaf(KEY);
    let (registry, image) = seeded();
    let mut chain_alone = Config::key(KEY);
    chain_alone = chain_alone.set("certificate-chain", &chain);
    for (config, words) in [
        (
            with_files("ed25519-imported-cosign3", &good, Some(&chain)),
            "is of another key than",
        ),
        (chain_alone, "is a chain without a `certificate`"),
        (
            with_files(KEY, "absent.pem", None),
            "cannot read the certificate of `configs[0]`",
        ),
        (
            with_files(KEY, &good, Some("absent.pem")),
            "cannot read the certificate chain of",
        ),
        (with_files(KEY, &garbage, None), "neither in PEM nor in DER"),
        (with_files(KEY, &many, None), "it has more than 65536 bytes"),
        (
            with_files(KEY, &good, Some(&garbage)),
            "neither in PEM nor in DER",
        ),
        (
            with_files(KEY, &good, Some(&other.path("chain.pem"))),
            "a signature in the chain is wrong",
        ),
        (
            with_files(KEY, &good, Some(&pki.path("root.pem"))),
            "does not lead from the certificate to a trusted root",
        ),
        (
            with_files(KEY, &pki.leaf_with(KEY, for_servers), Some(&chain)),
            "is not for code signing",
        ),
        (
            with_files(KEY, &pki.leaf_with(KEY, for_servers), None),
            "is not for code signing",
        ),
        (
            with_files(KEY, &pki.leaf_with(KEY, expired), Some(&chain)),
            "the certificate is valid from 2025-01-01T00:00:00Z to 2025-02-01T00:00:00Z, not at",
        ),
        (
            with_files(KEY, &pki.leaf_with(KEY, early), None),
            "is valid from 4000-01-01",
        ),
        (
            with_files(KEY, &unfit.leaf(KEY), Some(&unfit.path("chain.pem"))),
            "may not issue it",
        ),
    ] {
        run(&registry, &image, &config)
            .ended_with(115)
            .says(&[words, "`configs[0]`", "hint: "]);
    }
    registry.stored_nothing();
    let program = Config::none()
        .set_raw("program", "[\"/bin/true\"]")
        .set("certificate", &good);
    run(
        &registry,
        &image,
        &program.set("certificate-chain", &other.path("chain.pem")),
    )
    .ended_with(115);
    registry.stored_nothing();
}

/// EVD-8
#[test]
fn a_chain_for_bundles_without_a_chain_or_bundles_is_refused() {
    let pki = Pki::new();
    let (registry, image) = seeded();
    let chain = pki.path("chain.pem");
    for (config, words) in [
        (
            with_files(KEY, &pki.leaf(KEY), None).set("format", "both"),
            "needs `certificate-chain` beside it",
        ),
        (
            with_files(KEY, &pki.leaf(KEY), Some(&chain)),
            "needs `format = \"bundle\"` beside it",
        ),
    ] {
        let config = config.set_raw("bundle-certificate-chain", "true");
        run(&registry, &image, &config)
            .ended_with(3)
            .says(&[words, "hint: "]);
    }
    registry.was_not_asked();
}
