//! Trusted roots and signing configs that are refused, before anything is sent to
//! anybody.

use serde_json::{Value, json};

use crate::support::elsewhere::seeded;
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

/// The two files, and the lines of the config beside them.
struct Given {
    root: Value,
    config: Value,
    format: &'static str,
    key: Config,
}

fn fixture(name: &str) -> Value {
    let path = testdata("proof/trust/cosign3").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Given {
    /// Files by real cosign, whose services nobody runs.
    fn new() -> Self {
        Self {
            root: fixture("trusted-root.json"),
            config: fixture("signing-config.json"),
            format: "bundle",
            key: Config::key("p256-cosign3"),
        }
    }

    /// A run that must end with exit code 3, and has asked nobody.
    fn refused(self) -> Outcome {
        let (registry, image) = seeded();
        registry.forget_exchanges();
        let signer = Signer::of(&image, registry.host());
        let write = |name: &str, value: &Value| {
            std::fs::write(signer.folder().join(name), value.to_string()).unwrap();
        };
        write("root.json", &self.root);
        write("services.json", &self.config);
        let config = self
            .key
            .set("trusted-root", "root.json")
            .set("signing-config", "services.json")
            .set("format", self.format);
        let outcome = signer.config(config).run().ended_with(3);
        assert!(registry.exchanges().is_empty(), "{}", outcome.stdout);
        outcome.says(&[
            "nobody can vouch for `configs[0]`, at `",
            "cosign.toml:1:1`",
        ])
    }
}

type Change = fn(&mut Given);

/// EVD-50, EVD-51, EVD-53, EVD-57, EVD-98
#[test]
fn files_that_cannot_be_used_are_refused_with_their_remedy() {
    let cases: [(Change, &str, &str); 9] = [
        (
            |given| given.root = json!({"mediaType": "application/vnd.dev.sigstore.other"}),
            "it is no trusted root v0.1 or v0.2, but `application/vnd.dev.sigstore.other`",
            "cosign trusted-root create",
        ),
        (
            |given| given.root["tlogs"][0]["publicKey"]["validFor"] = Value::Null,
            "`tlogs[0]` has no `publicKey.validFor.start`",
            "cosign trusted-root create",
        ),
        (
            |given| given.config["mediaType"] = json!("application/vnd.dev.sigstore.old"),
            "it is no signing config v0.2, but `application/vnd.dev.sigstore.old`",
            "cosign signing-config create",
        ),
        (
            |given| given.config["tsaConfig"] = Value::Null,
            "it does not say how many of its `tsaUrls` are to be asked",
            "--tsa-config",
        ),
        (
            |given| {
                let end = json!("2025-01-01T00:00:00Z");
                given.config["tsaUrls"][0]["validFor"]["end"] = end;
            },
            "none of its `tsaUrls` is valid now",
            "validFor",
        ),
        (
            |given| given.config["rekorTlogConfig"]["count"] = json!(3),
            "it wants 3 of its `rekorTlogUrls`, and has 2 of different operators",
            "operator",
        ),
        (
            |given| given.root["timestampAuthorities"] = json!([]),
            "the trusted root has nothing that is valid now for `http://tsa.local/",
            "must be of the same instance",
        ),
        (
            |given| {
                for log in given.root["tlogs"].as_array_mut().unwrap() {
                    log["publicKey"]["validFor"]["end"] = json!("2025-06-01T00:00:00Z");
                }
            },
            "the trusted root has nothing that is valid now for `https://log.example.com/`",
            "must be of the same instance",
        ),
        (
            |given| {
                for log in given.config["rekorTlogUrls"].as_array_mut().unwrap() {
                    let operator = log["operator"].as_str().unwrap();
                    log["url"] = json!(format!("http://rekor.local/{operator}"));
                }
            },
            "of `rekorTlogUrls` is the same witness as `http://rekor.local/",
            "has to be another one",
        ),
    ];
    for (change, words, remedy) in cases {
        let mut given = Given::new();
        change(&mut given);
        given.refused().says(&[words, "hint: ", remedy]);
    }
}

/// EVD-58
#[test]
fn a_log_of_version_2_has_no_place_at_tags() {
    let mut given = Given::new();
    given.format = "legacy";
    given.config["rekorTlogUrls"][0]["majorApiVersion"] = json!(2);
    given.refused().says(&[
        "names only logs of version 2",
        "hint: write `format = \"bundle\"`",
    ]);
}

/// EVD-59
#[test]
fn an_identity_without_an_authority_or_a_proof_of_time_is_refused() {
    let keyless = || {
        let mut given = Given::new();
        given.key = Config::none().set("oidc-provider", "ambient");
        given.config["caUrls"][0]["url"] = json!("https://fulcio.local");
        given.config["rekorTlogConfig"] = json!({"selector": "ANY"});
        given
    };
    let mut given = keyless();
    given.config["caUrls"] = json!([]);
    given
        .refused()
        .says(&["names no certificate authority that can be asked now"]);
    let mut given = keyless();
    given.config["tsaUrls"] = json!([]);
    given
        .refused()
        .says(&["nobody would say when the certificate was used"]);
    let mut given = keyless();
    given.config["caUrls"][0]["url"] = json!("http://fulcio.local");
    given
        .refused()
        .says(&["would be shown an identity token without TLS"]);
}

/// EVD-55, EVD-56
#[test]
fn services_are_named_in_a_signing_config_alone() {
    for (lines, words) in [
        ("rekor-url = \"https://h/\"", "cosign signing-config create"),
        (
            "fulcio-url = \"https://h/\"",
            "cosign signing-config create",
        ),
        (
            "timestamp-certificate-chain = \"c\"",
            "cosign trusted-root create",
        ),
        (
            "signing-config = \"s\"",
            "`signing-config` needs `trusted-root`",
        ),
        (
            "identity-token = \"t\"\ntrusted-root = \"r\"\nsigning-config = \"s\"",
            "`identity-token` cannot stand beside `key`",
        ),
    ] {
        let (registry, image) = seeded();
        registry.forget_exchanges();
        Signer::of(&image, registry.host())
            .settings(&format!("[[configs]]\nkey = \"k\"\n{lines}\n"))
            .run()
            .ended_with(3)
            .says(&[words]);
        assert!(registry.exchanges().is_empty(), "{lines}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (registry, image) = seeded();
    let config = Config::key("p256-cosign3").set("trusted-root", "absent.json");
    Signer::of(&image, registry.host())
        .config(config)
        .run()
        .ended_with(3)
        .says(&[
            "cannot read `",
            "absent.json`",
            "hint: paths in cosign.toml",
        ]);
}
