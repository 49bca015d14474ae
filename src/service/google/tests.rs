use std::ffi::OsString;
use std::time::Instant;

use super::*;
use crate::secret::Secrets;

fn found(variables: &[(&str, &str)]) -> Result<Arc<GoogleIdentity>, ServiceError> {
    let variables: Vec<(String, OsString)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect();
    let lookup = move |name: &str| {
        let mut known = variables.iter();
        known
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
    };
    let until = Instant::now() + std::time::Duration::from_secs(60);
    GoogleIdentity::of(&Variables::new(
        lookup,
        Secrets::default(),
        crate::file::Files::until(until),
    ))
}

#[test]
fn the_variable_comes_before_the_file_of_gcloud() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&folder).unwrap();
    let user = |client: &str| {
        format!(
            r#"{{"type":"authorized_user","client_id":"{client}","client_secret":"s",
                "refresh_token":"r","quota_project_id":"{client}"}}"#
        )
    };
    std::fs::write(folder.join(FILE), user("well-known")).unwrap();
    let own = home.path().join("own.json");
    std::fs::write(&own, user("own")).unwrap();
    let (home, own) = (home.path().to_str().unwrap(), own.to_str().unwrap());
    let project = |variables: &[(&str, &str)]| {
        let identity = found(variables).unwrap_or_else(|error| panic!("{error}"));
        identity.quota_project().map(str::to_owned)
    };
    assert_eq!(project(&[("HOME", home)]).as_deref(), Some("well-known"));
    let both = [("HOME", home), (VARIABLE, own)];
    assert_eq!(project(&both).as_deref(), Some("own"));
    let gcloud = [
        ("HOME", "/nowhere"),
        ("CLOUDSDK_CONFIG", folder.to_str().unwrap()),
    ];
    assert_eq!(project(&gcloud).as_deref(), Some("well-known"));
    assert_eq!(project(&[("HOME", "/nowhere")]), None);
    let billed = [("HOME", home), ("GOOGLE_CLOUD_QUOTA_PROJECT", "other")];
    assert_eq!(project(&billed).as_deref(), Some("other"));
}

#[test]
fn a_file_that_a_variable_names_has_to_be_there() {
    let missing = found(&[(VARIABLE, "/nowhere/at/all.json")]);
    let error = missing.err().expect("no such file");
    assert!(matches!(error.trouble, Trouble::File(_)), "{error}");
}

#[test]
fn other_types_are_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let refused = |content: &str| {
        std::fs::write(&path, content).unwrap();
        let found = found(&[(VARIABLE, path.to_str().unwrap())]);
        found.err().expect("it is refused").to_string()
    };
    for kind in [
        "gdch_service_account",
        "external_account_authorized_user",
        "\\u001b",
    ] {
        let error = refused(&format!(r#"{{"type":"{kind}"}}"#));
        assert!(error.contains("not supported"), "{error}");
        assert!(
            error.contains(if kind.len() > 6 { kind } else { "u{1b}" }),
            "{error}"
        );
    }
    let aws = r#"{"type":"external_account","audience":"a","subject_token_type":"t",
        "token_url":"https://sts.googleapis.com/v1/token",
        "credential_source":{"environment_id":"aws1"}}"#;
    assert!(refused(aws).contains("credential_source.environment_id"));
    let plain = r#"{"type":"authorized_user","client_id":"a","client_secret":"b",
        "refresh_token":"c","token_uri":"http://example.com/token"}"#;
    assert!(refused(plain).contains("token_uri"));
    assert!(refused("{").contains("no credentials file"));
}
