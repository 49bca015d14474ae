use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::secret::Secrets;

fn fixture(name: &str) -> Value {
    let path = format!("{}/testdata/proof/trust/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A trusted root and a signing config beside a `cosign.toml`.
struct Given {
    root: Value,
    config: Value,
    format: &'static str,
    key: &'static str,
}

impl Given {
    /// Both made by cosign, with a rule that every format can satisfy.
    fn new() -> Self {
        let mut config = fixture("cosign3/signing-config.json");
        config["rekorTlogConfig"] = json!({"selector": "ANY"});
        Self {
            root: fixture("cosign3/trusted-root.json"),
            config,
            format: "bundle",
            key: "key = \"k\"",
        }
    }

    fn read(&self) -> Result<Services, WitnessesError> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &Value| {
            fs::write(folder.path().join(name), value.to_string()).unwrap();
        };
        write("root.json", &self.root);
        write("services.json", &self.config);
        let text = format!(
            "[[configs]]\n{}\nformat = \"{}\"\ntrusted-root = \"root.json\"\n\
             signing-config = \"services.json\"\n",
            self.key, self.format
        );
        let config = CosignConfig::parse(&folder.path().join("c.toml"), text.as_bytes()).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        let variables = Variables::new(
            |_| None,
            Secrets::default(),
            crate::file::Files::until(until),
        );
        // The certificates of the fixtures' authority of timestamps are that young.
        let now = "2026-12-01T00:00:00Z".parse().unwrap();
        let mut reader = Reader::new(&config, &variables, now);
        let witnesses = reader.of(&config.configs()[0])?;
        Ok(witnesses.unwrap().services.clone())
    }
}

fn hosts(choice: &Choice) -> Vec<&str> {
    let services = choice.services.iter();
    services.map(|s| s.url.host_str().unwrap()).collect()
}

#[test]
fn files_of_one_instance_name_those_who_vouch() {
    let services = Given::new().read().unwrap();
    let logs = services.logs.unwrap();
    assert_eq!(hosts(&logs), ["log.example.com", "localhost"]);
    assert_eq!(hosts(&services.timestamps.unwrap()), ["tsa.local"]);
    assert!(services.authority.is_some());
}

/// EVD-57
#[test]
fn a_service_that_nobody_trusts_is_not_asked() {
    // Where any will do, the others are.
    let mut given = Given::new();
    given.root["tlogs"][1]["baseUrl"] = json!("log.example.com:443/path");
    given.root["tlogs"][1]["publicKey"]["validFor"]["end"] = json!("2025-06-01T00:00:00Z");
    assert_eq!(hosts(&given.read().unwrap().logs.unwrap()), ["localhost"]);
    for rule in [
        json!({"selector": "ALL"}),
        json!({"selector": "EXACT", "count": 2}),
    ] {
        given.config["rekorTlogConfig"] = rule;
        let error = given.read().unwrap_err();
        let list = List::Logs;
        assert!(matches!(error, WitnessesError::Untrusted { list: found, .. } if found == list));
    }
    let mut given = Given::new();
    given.root["timestampAuthorities"] = json!([]);
    let error = given.read().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the trusted root has nothing that is valid now for `http://tsa.local/api/v1/timestamp` \
         of `tsaUrls`"
    );
}

#[test]
fn a_root_may_know_a_service_by_another_host() {
    let mut given = Given::new();
    given.root["timestampAuthorities"][0]["uri"] = json!("https://inside.cluster/");
    assert!(given.read().is_ok());
    // In another case.
    given.root["timestampAuthorities"][0]["uri"] = json!("http://TSA.local");
    given.root["timestampAuthorities"][0]["validFor"]["end"] = json!("2025-01-01T00:00:00Z");
    assert!(matches!(
        given.read(),
        Err(WitnessesError::Untrusted { .. })
    ));
}

/// EVD-98
#[test]
fn several_services_have_to_be_several_witnesses() {
    let log = |url: &str| {
        json!({
            "url": url, "majorApiVersion": 2, "operator": url,
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        })
    };
    let (all, two) = (
        json!({"selector": "ALL"}),
        json!({"selector": "EXACT", "count": 2}),
    );
    let any = json!({"selector": "ANY"});
    let (one, again) = ("http://log3.example.com:1", "http://LOG3.example.com:2");
    let other = "http://log2.example.com";
    let elsewhere = "http://127.0.0.1:1";
    let read = |rule: &Value, urls: &[&str], root: &Value| {
        let mut given = Given::new();
        given.config["rekorTlogConfig"] = rule.clone();
        given.config["rekorTlogUrls"] = urls.iter().map(|url| log(url)).collect();
        given.root = root.clone();
        given
            .read()
            .map(|services| services.logs.unwrap().services.len())
    };
    let root = Given::new().root;
    assert_eq!(read(&all, &[one, other], &root).unwrap(), 2);
    assert_eq!(read(&any, &[one, again], &root).unwrap(), 2);
    assert_eq!(read(&two, &[one, again, other], &root).unwrap(), 2);
    // The answer will tell which one it is.
    assert_eq!(read(&all, &[one, elsewhere], &root).unwrap(), 2);
    let mut alone = root.clone();
    alone["tlogs"].as_array_mut().unwrap().drain(..2);
    for (rule, urls, root) in [
        (&all, &[one, again, other][..], &root),
        (&two, &[one, again], &root),
        (&all, &[one, elsewhere], &alone),
    ] {
        let error = read(rule, urls, root).unwrap_err();
        assert!(matches!(error, WitnessesError::Twice { .. }), "{error}");
    }
}

/// EVD-58
#[test]
fn entries_of_version_2_have_no_place_at_tags() {
    let mut given = Given::new();
    given.format = "legacy";
    let logs = given.read().unwrap().logs.unwrap();
    assert_eq!(hosts(&logs), ["rekor.local"]);
    given.config["rekorTlogUrls"][0]["majorApiVersion"] = json!(2);
    assert!(matches!(given.read(), Err(WitnessesError::OnlyV2)));
    given.format = "both";
    assert_eq!(given.read().unwrap().logs.unwrap().services.len(), 2);
}

/// EVD-97
#[test]
fn tags_have_room_for_one_timestamp() {
    let mut given = Given::new();
    given.config["tsaUrls"] = json!(["a.example", "b.example"].map(|operator| json!({
        "url": "http://localhost/stamp", "majorApiVersion": 1, "operator": operator,
        "validFor": {"start": "2020-01-01T00:00:00Z"},
    })));
    given.config["tsaConfig"] = json!({"selector": "ALL"});
    let mut another = given.root["timestampAuthorities"][0].clone();
    another["uri"] = json!("http://another.local");
    given.root["timestampAuthorities"]
        .as_array_mut()
        .unwrap()
        .push(another);
    given.read().unwrap();
    given.format = "both";
    let error = given.read().unwrap_err();
    assert!(matches!(
        error,
        WitnessesError::ManyAtTags {
            list: List::Timestamps,
            wanted: 2
        }
    ));
    given.config["tsaConfig"] = json!({"selector": "ANY"});
    given.read().unwrap();
}

/// EVD-59: cosign verifies no entry of a certificate without a time.
#[test]
fn a_logged_certificate_needs_somebody_who_knows_the_time() {
    let mut given = Given::new();
    given.config["tsaUrls"] = json!([]);
    assert!(given.read().is_ok());
    given.key = "key = \"k\"\ncertificate = \"c.pem\"";
    assert!(matches!(given.read(), Err(WitnessesError::NoTime)));
    given.config["rekorTlogUrls"] = json!([]);
    assert!(given.read().is_ok());
}

/// EVD-59
#[test]
fn an_identity_needs_an_authority_and_somebody_who_knows_the_time() {
    let mut given = Given::new();
    given.key = "oidc-provider = \"ambient\"";
    assert!(matches!(given.read(), Err(WitnessesError::Plain(_))));
    given.config["caUrls"][0]["url"] = json!("https://fulcio.local");
    assert!(given.read().is_ok());
    given.config["tsaUrls"] = json!([]);
    assert!(matches!(given.read(), Err(WitnessesError::NoTime)));
    given.format = "legacy";
    assert!(given.read().is_ok());
    given.config["caUrls"][0]["validFor"]["end"] = json!("2025-01-01T00:00:00Z");
    assert!(matches!(given.read(), Err(WitnessesError::NoAuthority)));
    given.key = "key = \"k\"";
    assert!(given.read().is_ok());
}

/// EVD-57
#[test]
fn an_authority_that_nobody_trusts_is_refused_for_identities_alone() {
    let mut expired = Given::new();
    expired.root["certificateAuthorities"][0]["validFor"]["end"] = json!("2025-01-01T00:00:00Z");
    let mut unknown = Given::new();
    unknown.root["certificateAuthorities"] = json!([]);
    for given in [&mut expired, &mut unknown] {
        assert!(given.read().unwrap().authority.is_none());
        given.key = "oidc-provider = \"ambient\"";
        assert!(matches!(
            given.read(),
            Err(WitnessesError::Untrusted {
                list: List::Authorities,
                ..
            })
        ));
    }
}

#[test]
fn files_of_other_kinds_are_refused() {
    let mut given = Given::new();
    std::mem::swap(&mut given.root, &mut given.config);
    assert!(matches!(
        given.read(),
        Err(WitnessesError::TrustedRoot { .. })
    ));
    given.root = fixture("cosign3/trusted-root.json");
    assert!(matches!(
        given.read(),
        Err(WitnessesError::SigningConfig { .. })
    ));
    let mut given = Given::new();
    given.config["tsaConfig"] = Value::Null;
    assert!(matches!(given.read(), Err(WitnessesError::Select { .. })));
}
