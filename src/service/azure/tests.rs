use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::*;
use crate::secret::{Secrets, Voice};

fn found(variables: &[(&str, &str)]) -> Result<Arc<AzureIdentity>, ServiceError> {
    let variables: Vec<(String, OsString)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect();
    let lookup = move |name: &str| {
        let mut known = variables.iter();
        let (_, value) = known.find(|(other, _)| other == name)?;
        Some(value.clone())
    };
    let until = Instant::now() + Duration::from_secs(60);
    AzureIdentity::of(&Variables::new(
        lookup,
        Secrets::default(),
        crate::file::Files::until(until),
    ))
}

fn vault() -> Audience {
    Audience {
        resource: "https://vault.azure.net".to_owned(),
        tenant: Some("t".to_owned()),
        authority: Some("login.microsoftonline.us".to_owned()),
    }
}

#[test]
fn an_application_of_the_environment_needs_three_variables() {
    let all = [
        ("AZURE_CLIENT_SECRET", "s"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
    ];
    assert!(
        found(&all)
            .unwrap_or_else(|error| panic!("{error}"))
            .application
            .is_some()
    );
    for lacking in 1..3 {
        let mut some = all.to_vec();
        let (name, _) = some.remove(lacking);
        let identity = found(&some).unwrap_or_else(|error| panic!("{error}"));
        assert!(identity.application.is_none());
        let (source, why) = identity.tried.last().unwrap();
        assert_eq!(
            (*source, why.as_str()),
            ("AZURE_CLIENT_SECRET", &*format!("{name} is not set"))
        );
    }
}

#[test]
fn a_certificate_is_named_as_not_supported() {
    let certificate = found(&[("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem")]);
    let identity = certificate.unwrap_or_else(|error| panic!("{error}"));
    let refused = ("AZURE_CLIENT_CERTIFICATE_PATH", "not supported".to_owned());
    assert!(identity.tried.contains(&refused));
    assert!(
        identity
            .variables
            .secrets()
            .scrubbed("/c.pem", Voice::Theirs, &[])
            == "/c.pem"
    );
}

#[test]
fn a_service_names_a_known_cloud_alone_and_the_user_any() {
    let url = |variables: &[(&str, &str)], named: &str| {
        let identity = found(variables).unwrap_or_else(|error| panic!("{error}"));
        let audience = Audience {
            authority: Some(named.to_owned()),
            ..vault()
        };
        let url = identity.authority.token_url("t", &audience);
        url.unwrap_or_else(|error| panic!("{error}")).to_string()
    };
    let path = "/t/oauth2/v2.0/token";
    let public = format!("https://login.microsoftonline.com{path}");
    assert_eq!(url(&[], "login.evil.example"), public);
    let government = format!("https://login.microsoftonline.us{path}");
    assert_eq!(url(&[], "login.microsoftonline.us"), government);
    let china = [("AZURE_ENVIRONMENT", "AzureChinaCloud")];
    let expected = format!("https://login.chinacloudapi.cn{path}");
    assert_eq!(url(&china, "login.microsoftonline.us"), expected);
    let own = [("AZURE_AUTHORITY_HOST", "https://127.0.0.1:8/")];
    assert_eq!(url(&own, "x"), format!("https://127.0.0.1:8{path}"));
    let odd = found(&[("AZURE_ENVIRONMENT", "Mooncake")]);
    assert!(odd.is_err_and(|error| error.to_string().contains("AZURE_ENVIRONMENT")));
    let plain = found(&[("AZURE_AUTHORITY_HOST", "http://login.example")]);
    assert!(plain.is_err_and(|error| error.to_string().contains("TLS")));
}

#[test]
fn metadata_is_asked_for_near_by_alone() {
    let pod = |url: &str| found(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)]);
    assert!(pod("http://169.254.169.254").is_ok());
    assert!(pod("http://example.com").is_err());
    let endpoint = [
        ("IDENTITY_ENDPOINT", "http://10.0.0.1/"),
        ("IDENTITY_HEADER", "h"),
    ];
    assert!(found(&endpoint).is_err());
}

#[test]
fn a_tenant_is_a_name_and_no_path() {
    for name in [
        "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "contoso.onmicrosoft.com",
    ] {
        assert!(is_tenant(name), "{name}");
    }
    for name in ["", "a/b", "..", "-x", "a b", "a?b", &"a".repeat(300)] {
        assert!(!is_tenant(name), "{name}");
    }
}
