use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata/proof/trust"]
        .iter()
        .collect();
    fs::read(folder.join(name)).unwrap()
}

fn made_by_cosign() -> Value {
    serde_json::from_slice(&fixture("cosign3/signing-config.json")).unwrap()
}

fn parsed(config: &Value) -> Result<SigningConfig, SigningConfigError> {
    SigningConfig::parse(config.to_string().as_bytes())
}

fn selected(config: &Value) -> Result<Services, SelectError> {
    parsed(config).unwrap().select(noon(), RekorVersions::All)
}

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn urls(choice: &Choice) -> Vec<&str> {
    choice.services.iter().map(|s| s.url.as_str()).collect()
}

/// A service of version 1, by its start and operator.
fn service(url: &str, start: &str, operator: &str) -> Value {
    json!({
        "url": url,
        "majorApiVersion": 1,
        "validFor": {"start": start},
        "operator": operator
    })
}

#[test]
fn the_configs_of_the_public_instance_are_read() {
    for (name, version, log) in [
        (
            "public-good/signing_config.v0.2.json",
            1,
            "https://rekor.sigstore.dev/",
        ),
        (
            "public-good/signing_config_rekor_v2.v0.2.json",
            2,
            "https://log2025-1.rekor.sigstore.dev/",
        ),
    ] {
        let config = SigningConfig::parse(&fixture(name)).unwrap();
        let services = config.select(noon(), RekorVersions::All).unwrap();
        let authority = services.authority.unwrap();
        assert_eq!(authority.url.as_str(), "https://fulcio.sigstore.dev/");
        let logs = services.logs.unwrap();
        assert_eq!((logs.rule, urls(&logs)), (Rule::Any, vec![log]));
        assert_eq!(logs.services[0].version, version);
        let timestamps = services.timestamps.unwrap();
        let stamp = "https://timestamp.sigstore.dev/api/v1/timestamp";
        assert_eq!(urls(&timestamps), [stamp]);
    }
}

/// EVD-52
#[test]
fn only_services_of_the_highest_version_are_taken() {
    let logs = selected(&made_by_cosign()).unwrap().logs.unwrap();
    assert_eq!(logs.rule, Rule::Exact(2));
    assert_eq!(
        urls(&logs),
        ["https://log.example.com/", "http://localhost:5720/"]
    );
    // A later version is no reason to leave those out that are known.
    let mut config = made_by_cosign();
    config["rekorTlogUrls"][1]["majorApiVersion"] = json!(3);
    config["rekorTlogUrls"][2]["majorApiVersion"] = json!("0");
    config["rekorTlogConfig"] = json!({"selector": "ALL"});
    let logs = selected(&config).unwrap().logs.unwrap();
    assert_eq!(urls(&logs), ["http://rekor.local/"]);
}

#[test]
fn a_signatory_that_stores_at_tags_uses_version_1() {
    let mut config = made_by_cosign();
    config["rekorTlogConfig"] = json!({"selector": 2});
    let config = parsed(&config).unwrap();
    let logs = config.select(noon(), RekorVersions::OnlyV1).unwrap().logs;
    assert_eq!(urls(&logs.unwrap()), ["http://rekor.local/"]);
}

/// EVD-53
#[test]
fn services_are_valid_from_their_start_to_their_end() {
    let mut config = made_by_cosign();
    config["tsaUrls"][0]["validFor"] =
        json!({"start": "2026-06-01T12:00:00Z", "end": "2026-06-01T12:00:00Z"});
    let at = |time: &str| {
        let services = parsed(&config).unwrap();
        let services = services.select(time.parse().unwrap(), RekorVersions::All);
        services.map(|services| urls(&services.timestamps.unwrap()).len())
    };
    assert_eq!(at("2026-06-01T12:00:00Z"), Ok(1));
    let none = Err(SelectError::NoneValid(List::Timestamps));
    assert_eq!(at("2026-06-01T12:00:00.000000001Z"), none);
    assert_eq!(at("2026-06-01T11:59:59Z"), none);
}

/// EVD-54
#[test]
fn of_each_operator_the_newest_service_is_taken() {
    let mut config = made_by_cosign();
    config["tsaUrls"] = json!([
        service("http://old/", "2024-01-01T00:00:00Z", "one"),
        service("http://new/", "2026-01-01T00:00:00Z", "one"),
        service("http://second/", "2026-01-01T00:00:00Z", "one"),
        service("http://future/", "2027-01-01T00:00:00Z", "one"),
        service("http://other/", "2025-01-01T00:00:00Z", "two"),
    ]);
    let timestamps = selected(&config).unwrap().timestamps.unwrap();
    assert_eq!(urls(&timestamps), ["http://new/", "http://other/"]);
    assert_eq!(timestamps.wanted(), 2);
    config["caUrls"] = config["tsaUrls"].clone();
    let authority = selected(&config).unwrap().authority.unwrap();
    assert_eq!(authority.url.as_str(), "http://new/");
}

#[test]
fn a_config_says_how_many_services_are_asked() {
    let select = |rule: Value| {
        let mut config = made_by_cosign();
        config["tsaConfig"] = rule;
        selected(&config).map(|services| services.timestamps.unwrap().wanted())
    };
    assert_eq!(select(json!({"selector": "ANY", "count": 7})), Ok(1));
    assert_eq!(select(json!({"selector": "EXACT", "count": 1})), Ok(1));
    let list = List::Timestamps;
    let too_few = SelectError::TooFew {
        list,
        wanted: 2,
        there: 1,
    };
    assert_eq!(
        select(json!({"selector": "EXACT", "count": 2})),
        Err(too_few)
    );
    for rule in [Value::Null, json!({}), json!({"selector": 0})] {
        assert_eq!(select(rule), Err(SelectError::NoRule(list)));
    }
    for rule in [
        json!({"selector": "EXACT"}),
        json!({"selector": "EXACT", "count": 0}),
        json!({"selector": "SOME"}),
    ] {
        let mut config = made_by_cosign();
        config["tsaConfig"] = rule;
        let error = parsed(&config).unwrap_err();
        assert!(matches!(error, SigningConfigError::Rule { .. }), "{error}");
    }
}

#[test]
fn a_config_may_name_no_service_at_all() {
    let config = json!({"mediaType": MEDIA_TYPE});
    assert_eq!(selected(&config), Ok(Services::default()));
}

#[test]
fn an_expired_certificate_authority_is_none() {
    let mut config = made_by_cosign();
    config["caUrls"][0]["validFor"]["end"] = json!("2025-01-01T00:00:00Z");
    assert_eq!(selected(&config).unwrap().authority, None);
}

/// EVD-50
#[test]
fn other_versions_are_refused() {
    for media_type in [
        "application/vnd.dev.sigstore.signingconfig.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
        "",
    ] {
        let mut config = made_by_cosign();
        config["mediaType"] = json!(media_type);
        let error = SigningConfigError::MediaType(media_type.to_owned());
        assert_eq!(parsed(&config), Err(error));
    }
}

#[test]
fn urls_are_those_of_services() {
    for (list, url, is_read) in [
        ("tsaUrls", "http://t/?td=sha384", true),
        ("caUrls", "https://f/a", true),
        ("caUrls", "https://f/?a=b", false),
        ("caUrls", "https://u:p@f/", false),
        ("rekorTlogUrls", "https://f/#a", false),
        ("rekorTlogUrls", "rekor.sigstore.dev", false),
        ("tsaUrls", "ftp://t/", false),
        ("tsaUrls", "", false),
    ] {
        let mut config = made_by_cosign();
        config[list][0]["url"] = json!(url);
        let config = parsed(&config);
        let is_refused = matches!(config, Err(SigningConfigError::Url { .. }));
        assert_eq!((config.is_ok(), is_refused), (is_read, !is_read), "{url}");
    }
}

#[test]
fn a_config_is_bounded() {
    let long = vec![b' '; MAX_LENGTH + 1];
    assert_eq!(
        SigningConfig::parse(&long),
        Err(SigningConfigError::TooLong)
    );
    let mut config = made_by_cosign();
    config["caUrls"] = vec![config["caUrls"][0].clone(); MAX_ENTRIES + 1].into();
    assert_eq!(
        parsed(&config),
        Err(SigningConfigError::TooMany(List::Authorities))
    );
}
