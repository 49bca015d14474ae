//! Certificates of one's own, from a private PKI: what is stored, and which real
//! cosign accepts it by which flags.

mod refused;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::CertificateParams;
use rcgen::SanType;
use rcgen::date_time_ymd;
use serde_json::Value;

use crate::support::cosign::{Cosign, Printed};
use crate::support::elsewhere::seeded;
use crate::support::images::Image;
use crate::support::needs::{Need, all_three, is_here};
use crate::support::objects::{Layer, attachment, of_list};
use crate::support::pki::{Pki, SUBJECT};
use crate::support::programs::{Programs, SIGN};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const KEY: &str = "p256-cosign3";
const KEYS: [&str; 5] = [
    KEY,
    "p384-imported-cosign3",
    "p521-imported-cosign3",
    "rsa2048-imported-cosign3",
    "ed25519-imported-cosign3",
];
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";

/// The files by which somebody trusts these certificates, the first issuer first.
fn trusting(certificates: &str) -> Files {
    let url = "https://authority.example";
    let authority = Listed::new(Role::CertificateAuthority, url, certificates);
    Files::of(&[authority], Rule::Any)
}

/// The flags for certificates of a private PKI without a log.
const PRIVATE: [&str; 5] = [
    "--certificate-oidc-issuer-regexp=.*",
    "--insecure-ignore-sct",
    "--insecure-ignore-tlog",
    "--private-infrastructure",
    "--allow-insecure-registry",
];

fn verify(cosign: Cosign, command: &str, flags: &[&str], reference: &str) -> Printed {
    verify_as(cosign, SUBJECT, command, flags, reference)
}

fn verify_as(
    cosign: Cosign,
    name: &str,
    command: &str,
    flags: &[&str],
    reference: &str,
) -> Printed {
    let mut arguments = vec![command, "--certificate-identity", name];
    arguments.extend(PRIVATE);
    if command == "verify-attestation" {
        arguments.extend(["--type", "cyclonedx"]);
    }
    arguments.extend(flags);
    arguments.push(reference);
    cosign.run(&arguments, &[])
}

struct Signed {
    registry: Registry,
    image: Image,
    reference: String,
}

fn run(registry: &Registry, image: &Image, config: &Config) -> Outcome {
    Signer::of(image, registry.host())
        .config(config.clone())
        .run()
}

impl Signed {
    fn by(config: &Config) -> Self {
        let (registry, image) = seeded();
        run(&registry, &image, config).succeeded();
        Self {
            reference: image.reference(registry.host()),
            registry,
            image,
        }
    }

    fn again(&self, config: &Config) -> Outcome {
        self.registry.forget_exchanges();
        run(&self.registry, &self.image, config)
    }

    fn layers(&self, kind: &str) -> Vec<Layer> {
        let tag = self.image.attached(kind);
        let there = attachment(&self.registry, self.image.repository(), &tag);
        there.expect("a tag").layers
    }

    /// The verification material of each bundle.
    fn materials(&self) -> Vec<Value> {
        let bundle = |entry: &Value| {
            let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
            let repository = self.image.repository();
            let manifest = Registry::manifest(&self.registry, repository, &digest(entry));
            let layer = digest(&manifest.unwrap().json()["layers"][0]);
            let bytes = self.registry.blob(repository, &layer).unwrap();
            let bundle: Value = serde_json::from_slice(&bytes).unwrap();
            bundle["verificationMaterial"].clone()
        };
        of_list(&self.registry, &self.image)
            .iter()
            .map(bundle)
            .collect()
    }
}

fn with_files(key: &str, leaf: &str, chain: Option<&str>) -> Config {
    let config = Config::key(key).set("certificate", leaf);
    match chain {
        Some(chain) => config.set("certificate-chain", chain),
        None => config,
    }
}

/// EVD-7
#[test]
fn at_a_tag_a_certificate_is_verified_by_roots_chain_and_trusted_root() {
    let pki = Pki::new();
    let trusted = trusting(&pki.pem("chain.pem"));
    let [roots, between, chain] =
        ["root.pem", "intermediate.pem", "chain.pem"].map(|name| pki.path(name));
    let with_roots = ["--ca-roots", &roots];
    let with_both = ["--ca-roots", &roots, "--ca-intermediates", &between];
    let with_chain = ["--certificate-chain", &chain];
    let with_trusted = ["--trusted-root", trusted.trusted_root()];
    let leaf = pki.leaf(KEY);
    for (issuers, roots_suffice) in [
        (Some("chain.pem"), true),
        (Some("intermediate.pem"), true),
        (None, false),
    ] {
        let path = issuers.map(|name| pki.path(name));
        let signed = Signed::by(&with_files(KEY, &leaf, path.as_deref()));
        for cosign in all_three() {
            for command in ["verify", "verify-attestation"] {
                let verify = |flags: &[&str]| verify(cosign, command, flags, &signed.reference);
                match roots_suffice {
                    true => verify(&with_roots).accepted(),
                    false => verify(&with_roots).refused(),
                };
                verify(&with_both).accepted();
                verify(&with_chain).accepted();
                // 2.6.4 takes no trusted root for an attestation at a tag.
                if (cosign, command) != (Cosign::V2, "verify-attestation") {
                    verify(&with_trusted).accepted();
                }
            }
            // The key alone still is enough.
            cosign.verify(KEY, &signed.reference, &[]).accepted();
        }
        let pems = issuers.map(|name| match name {
            "chain.pem" => pki.pem("chain.pem"),
            name => pki.pem(name).repeat(2),
        });
        for layer in [signed.layers("sig"), signed.layers("att")].concat() {
            let annotation = |name| layer.annotations.get(name).map(String::as_str);
            assert_eq!(annotation(CERTIFICATE), Some(&*read(&leaf)));
            assert_eq!(annotation(CHAIN), pems.as_deref());
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// EVD-7
#[test]
fn keys_of_every_kind_have_certificates_in_both_forms() {
    let pki = Pki::new();
    let (issuers, root) = (
        trusting(&pki.pem("chain.pem")),
        trusting(&pki.pem("root.pem")),
    );
    let with_issuers = ["--trusted-root", issuers.trusted_root()];
    for key in KEYS {
        let config = with_files(key, &pki.leaf(key), Some(&pki.path("chain.pem")));
        let tags = Signed::by(&config);
        let bundles = Signed::by(&config.clone().set("format", "bundle"));
        for cosign in all_three() {
            for signed in [&tags, &bundles] {
                verify(cosign, "verify", &with_issuers, &signed.reference).accepted();
            }
            // A bundle has the leaf alone.
            let with_root = ["--trusted-root", root.trusted_root()];
            verify(cosign, "verify", &with_root, &bundles.reference).refused();
            let command = "verify-attestation";
            verify(cosign, command, &with_issuers, &bundles.reference).accepted();
        }
        for material in bundles.materials() {
            let names: Vec<&String> = material.as_object().unwrap().keys().collect();
            assert_eq!(names, ["certificate"], "{key}");
        }
        tags.again(&config).succeeded().says(&["Nothing to write"]);
        let config = config.set("format", "bundle");
        bundles
            .again(&config)
            .succeeded()
            .says(&["Nothing to write"]);
    }
}

/// EVD-8
#[test]
fn a_chain_in_a_bundle_is_a_second_bundle_for_newer_cosigns() {
    let pki = Pki::new();
    let (issuers, root) = (
        trusting(&pki.pem("chain.pem")),
        trusting(&pki.pem("root.pem")),
    );
    let (with_issuers, with_root) = (
        ["--trusted-root", issuers.trusted_root()],
        ["--trusted-root", root.trusted_root()],
    );
    let config = with_files(KEY, &pki.leaf(KEY), Some(&pki.path("chain.pem")))
        .set("format", "bundle")
        .set_raw("bundle-certificate-chain", "true");
    let signed = Signed::by(&config);
    let reference = &signed.reference;
    for cosign in all_three() {
        for command in ["verify", "verify-attestation"] {
            verify(cosign, command, &with_issuers, reference).accepted();
            verify(cosign, command, &with_root, reference).refused();
            if cosign == Cosign::V3_1_3 {
                let flags = [&with_root[..], &["--allow-certificate-chain"]].concat();
                verify(cosign, command, &flags, reference).accepted();
            }
        }
    }
    let count = |material: &Value| {
        let chain = &material["x509CertificateChain"]["certificates"];
        chain.as_array().map(Vec::len)
    };
    let mut counts: Vec<_> = signed.materials().iter().map(count).collect();
    counts.sort_unstable();
    // Of the image and of two documents: the leaf, and the leaf with its issuer.
    assert_eq!(counts, [None, None, None, Some(2), Some(2), Some(2)]);
    signed
        .again(&config)
        .succeeded()
        .says(&["Nothing to write"]);
}

/// EVD-6
#[test]
fn a_renewed_certificate_stands_beside_the_signature_that_is_there() {
    let pki = Pki::new();
    let chain = pki.path("chain.pem");
    let issuers = trusting(&pki.pem("chain.pem"));
    let old = with_files(KEY, &pki.leaf(KEY), Some(&chain)).set("format", "both");
    let signed = Signed::by(&old);
    let other = |parameters: &mut CertificateParams| {
        let name = "https://example.com/other".try_into().unwrap();
        parameters.subject_alt_names = vec![SanType::URI(name)];
    };
    let new = with_files(KEY, &pki.leaf_with(KEY, other), Some(&chain)).set("format", "both");
    signed.again(&new).succeeded();
    for name in [SUBJECT, "https://example.com/other"] {
        for cosign in all_three() {
            let flags = ["--trusted-root", issuers.trusted_root()];
            verify_as(cosign, name, "verify", &flags, &signed.reference).accepted();
        }
    }
    signed.again(&new).succeeded().says(&["Nothing to write"]);
    let signature = |layer: &Layer| layer.signature().to_owned();
    let signatures: Vec<String> = signed.layers("sig").iter().map(signature).collect();
    assert_eq!(signatures.len(), 2);
    assert_eq!(signatures[0], signatures[1]);
}

/// EVD-6, EVD-90
#[test]
fn a_certificate_is_added_to_signatures_that_have_none() {
    let pki = Pki::new();
    let issuers = trusting(&pki.pem("chain.pem"));
    let plain = Config::key(KEY).set("format", "both");
    let signed = Signed::by(&plain);
    let config = with_files(KEY, &pki.leaf(KEY), Some(&pki.path("chain.pem")));
    let config = config.set("format", "both");
    signed.again(&config).succeeded();
    let flags = ["--trusted-root", issuers.trusted_root()];
    for cosign in all_three() {
        for command in ["verify", "verify-attestation"] {
            verify(cosign, command, &flags, &signed.reference).accepted();
        }
        // The bundles without a certificate are there still.
        cosign.verify_both(KEY, &signed.reference).accepted();
    }
    for (kind, count) in [("sig", 1), ("att", 2)] {
        let layers = signed.layers(kind);
        let certified = layers
            .iter()
            .filter(|layer| layer.annotations.contains_key(CERTIFICATE));
        assert_eq!((certified.count(), layers.len()), (count, count), "{kind}");
    }
    assert_eq!(signed.materials().len(), 6);
    signed
        .again(&config)
        .succeeded()
        .says(&["Nothing to write"]);
}

/// EVD-9
#[test]
fn the_certificate_of_a_program_is_stored_too() {
    let (pki, programs) = (Pki::new(), Programs::new());
    let issuers = trusting(&pki.pem("chain.pem"));
    let leaf = pki.issue(&programs.path("public.pub"), |_| {});
    let script = programs.script("sign", SIGN).display().to_string();
    let config = Config::none()
        .set_raw("program", &format!("[{script:?}]"))
        .set("certificate", &leaf)
        .set("certificate-chain", &pki.path("chain.pem"))
        .set("format", "both");
    let signed = Signed::by(&config);
    for cosign in all_three() {
        for command in ["verify", "verify-attestation"] {
            let flags = ["--trusted-root", issuers.trusted_root()];
            verify(cosign, command, &flags, &signed.reference).accepted();
        }
    }
    programs.forget();
    signed
        .again(&config)
        .succeeded()
        .says(&["Nothing to write"]);
    assert!(programs.lines("asked").is_empty());
}

/// EVD-5
#[test]
fn a_certificate_may_be_der_and_lack_a_use() {
    let pki = Pki::new();
    let pem = read(&pki.leaf_with(KEY, |leaf| leaf.extended_key_usages.clear()));
    let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
    let leaf = pki.write("leaf.der", der);
    let signed = Signed::by(&with_files(KEY, &leaf, Some(&pki.path("chain.pem"))));
    let layer = signed.layers("sig").remove(0);
    assert_eq!(layer.annotations.get(CERTIFICATE), Some(&pem));
    for cosign in all_three() {
        let roots = pki.path("root.pem");
        verify(cosign, "verify", &["--ca-roots", &roots], &signed.reference).accepted();
    }
}

/// So many seconds from now, since 1970.
fn in_seconds(seconds: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Duration::from_secs(now.as_secs() + seconds)
}

/// A certificate of seconds, and the files of a timestamp authority.
fn short_lived(pki: &Pki, end: Duration) -> String {
    pki.leaf_with(KEY, |leaf| {
        leaf.not_after = date_time_ymd(1970, 1, 1) + end;
    })
}

/// EVD-6, EVD-10
#[test]
fn a_certificate_that_has_expired_stands_with_signatures_that_were_stamped_before() {
    const NEED: Witness = Witness::TimestampAuthority;
    if is_here(Need::Witness(NEED)) {
        let (pki, witnesses) = (Pki::new(), Witnesses::of(&[NEED]));
        let url = "https://authority.example";
        let authority = Listed::new(Role::CertificateAuthority, url, pki.pem("chain.pem"));
        let listed = [vec![authority], witnesses.listed(&[NEED])].concat();
        let files = Files::of(&listed, Rule::Any);
        let end = in_seconds(20);
        let config = with_files(KEY, &short_lived(&pki, end), Some(&pki.path("chain.pem")))
            .set("format", "both")
            .set("trusted-root", files.trusted_root())
            .set("signing-config", files.signing_config());
        let signed = Signed::by(&config);
        let (registry, other) = seeded();
        while in_seconds(0) <= end {
            std::thread::sleep(Duration::from_millis(100));
        }
        let stamped = [
            "--trusted-root",
            files.trusted_root(),
            "--use-signed-timestamps",
        ];
        for cosign in all_three() {
            for command in ["verify", "verify-attestation"] {
                verify(cosign, command, &stamped, &signed.reference).accepted();
                verify(cosign, command, &stamped[..2], &signed.reference).refused();
            }
        }
        witnesses.front(NEED).forget();
        signed
            .again(&config)
            .succeeded()
            .says(&["Nothing to write"]);
        // Nobody could say that a new signature is older than that.
        run(&registry, &other, &config)
            .ended_with(115)
            .says(&["the certificate is valid from"]);
        registry.stored_nothing();
        assert!(witnesses.front(NEED).recorded().is_empty());
    }
}

/// EVD-10: whoever can write the tag can hang our own signature beside what is no
/// certificate.
#[test]
fn what_is_no_certificate_beside_our_signature_does_not_end_the_run() {
    const NEED: Witness = Witness::TimestampAuthority;
    if is_here(Need::Witness(NEED)) {
        let (pki, witnesses) = (Pki::new(), Witnesses::of(&[NEED]));
        let files = witnesses.files(&[NEED], Rule::Any);
        let config = with_files(KEY, &pki.leaf(KEY), Some(&pki.path("chain.pem")))
            .set("trusted-root", files.trusted_root())
            .set("signing-config", files.signing_config());
        let signed = Signed::by(&config);
        let (registry, image) = (&signed.registry, &signed.image);
        let tag = image.attached("sig");
        let mut stored = registry.manifest(image.repository(), &tag).unwrap();
        let mut json = stored.json();
        json["layers"][0]["annotations"][CERTIFICATE] =
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".into();
        stored.bytes = json.to_string().into();
        let digest = registry.store_manifest(image.repository(), stored);
        registry.tag(image.repository(), &tag, &digest);
        signed.again(&config).succeeded();
        assert_eq!(signed.layers("sig").len(), 2);
        let roots = pki.path("root.pem");
        let flags = ["--ca-roots", &roots];
        for cosign in all_three() {
            verify(cosign, "verify", &flags, &signed.reference).accepted();
        }
    }
}
