use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::claims::Granted;
use super::*;
use crate::proof::certificate::Name;
use crate::secret::{Secrets, Voice};
use crate::service::FaultKind;

const NOW: i64 = 1_780_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn variables(set: &[(&str, &str)]) -> Variables {
    let pairs = set
        .iter()
        .map(|(k, v)| ((*k).to_owned(), OsString::from(v)));
    let set: HashMap<_, _> = pairs.collect();
    let until = Instant::now() + Duration::from_secs(10);
    Variables::new(
        move |name| set.get(name).cloned(),
        Secrets::default(),
        crate::file::Files::until(until),
    )
}

/// A token that is good, but for these claims; `null` takes one away.
fn jwt(changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://issuer.example", "sub": "somebody", "aud": "sigstore", "exp": NOW + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("eyJhbGciOiJub25lIn0.{claims}.c2ln")
}

fn read(token: &str) -> Result<SigstoreToken, &'static str> {
    SigstoreToken::read(token.as_bytes(), &variables(&[]), now())
}

/// EVD-60
#[test]
fn a_token_is_for_sigstore_and_has_not_expired() {
    for changes in [
        json!({}),
        json!({"aud": ["other", "sigstore"]}),
        json!({"exp": NOW as f64 + 0.5 + 1.0}),
    ] {
        assert_eq!(read(&jwt(&changes)).err(), None, "{changes}");
    }
    for (changes, reason) in [
        (json!({"exp": NOW}), "it has expired"),
        (json!({"exp": null}), "it does not say when it expires"),
        (json!({"exp": 1e300}), "it does not say when it expires"),
        (
            json!({"aud": "sts.amazonaws.com"}),
            "it is for another audience than `sigstore`",
        ),
        (
            json!({"aud": null}),
            "it is for another audience than `sigstore`",
        ),
        (json!({"iss": ""}), "it names no issuer and subject"),
        (json!({"sub": 7}), "it names no issuer and subject"),
    ] {
        assert_eq!(read(&jwt(&changes)).err(), Some(reason), "{changes}");
    }
    for text in ["e30.e30", "e30.e30.e30.e30", "e30.W10.e30", "a.!.b"] {
        assert_eq!(read(text).err(), Some("it is no JSON Web Token"), "{text}");
    }
    for text in ["", "a b", "\u{e9}"] {
        assert_eq!(read(text).err(), Some("it is no token"), "{text}");
    }
    let long = format!("e30.{}.e30", "A".repeat(40_000));
    assert_eq!(read(&long).err(), Some("it is no token"));
}

fn names(claims: &Value) -> Vec<Granted> {
    let token = read(&jwt(claims)).unwrap();
    claims::names_of(token.identity()).to_vec()
}

/// EVD-61
#[test]
fn names_are_those_that_the_authority_makes_of_the_claims() {
    let uri = |name: &str| vec![Granted::Exactly(Name::Uri(name.to_owned()))];
    let path = |path: &str| vec![Granted::AtAnyHost(path.to_owned())];
    const GITHUB: &str = "https://token.actions.githubusercontent.com";
    for (claims, expected) in [
        (
            json!({"iss": GITHUB, "sub": "repo:acme/app:ref:refs/heads/main",
                   "job_workflow_ref": "acme/app/.github/workflows/b.yml@refs/heads/main"}),
            uri("https://github.com/acme/app/.github/workflows/b.yml@refs/heads/main"),
        ),
        (
            json!({"ci_config_ref_uri": "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main",
                   "email": "e@example.com", "email_verified": true}),
            uri("https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main"),
        ),
        (
            json!({"iss": format!("{GITHUB}/acme"), "job_workflow_ref": "acme/app/b.yml@main"}),
            uri("https://github.com/acme/app/b.yml@main"),
        ),
        // GitHub Enterprise Server.
        (
            json!({"iss": "https://github.example/_services/token",
                   "job_workflow_ref": "acme/app/b.yml@main"}),
            path("acme/app/b.yml@main"),
        ),
        (
            json!({"iss": "https://agent.buildkite.com",
                   "organization_slug": "acme", "pipeline_slug": "app"}),
            uri("https://buildkite.com/acme/app"),
        ),
        (
            json!({"organization_slug": "acme", "pipeline_slug": "app"}),
            path("acme/app"),
        ),
        (
            json!({"kubernetes.io": {"namespace": "build", "serviceaccount": {"name": "kpack"}}}),
            uri("https://kubernetes.io/namespaces/build/serviceaccounts/kpack"),
        ),
        (
            json!({"sub": "spiffe://acme.example/app"}),
            uri("spiffe://acme.example/app"),
        ),
        (
            json!({"email": "e@example.com", "email_verified": true}),
            vec![Granted::Exactly(Name::Email("e@example.com".to_owned()))],
        ),
        (
            json!({"email": "e@example.com", "email_verified": false}),
            vec![],
        ),
        (json!({}), vec![]),
    ] {
        assert_eq!(names(&claims), expected, "{claims}");
    }
}

/// EVD-61: as Go writes URLs, whose table is in [`super::written_url`].
#[test]
fn names_are_percent_encoded_as_those_of_certificates() {
    let at = |host: &str, path: &str| {
        let name = format!("https://{host}/acme/app/{path}");
        Granted::Exactly(Name::Uri(name))
    };
    for (of_claim, of_name, of_path) in [
        (
            "my build.yml@refs/heads/main",
            "my%20build.yml@refs/heads/main",
            None,
        ),
        (
            "b.yml@refs/heads/fix/\u{fc}",
            "b.yml@refs/heads/fix/%C3%BC",
            None,
        ),
        ("b.yml@refs/heads/<x>", "b.yml@refs/heads/%3Cx%3E", None),
        ("b.yml@refs/heads/a%20b", "b.yml@refs/heads/a%20b", None),
        // By Fulcio's two types for GitHub.
        (
            "b.yml@refs/heads/fix#12",
            "b.yml@refs/heads/fix#12",
            Some("b.yml@refs/heads/fix%2312"),
        ),
        // No URL.
        ("b.yml@refs/heads/100%", "b.yml@refs/heads/100%", None),
    ] {
        let claim = format!("acme/app/{of_claim}");
        let joined = of_path.map(|path| at("github.com", path));
        let github = json!({
            "iss": "https://token.actions.githubusercontent.com", "job_workflow_ref": claim,
        });
        let expected = [at("github.com", of_name)]
            .into_iter()
            .chain(joined.clone());
        assert_eq!(names(&github), expected.collect::<Vec<_>>());
        let any = Granted::AtAnyHost(format!("acme/app/{of_name}"));
        assert!(any.is(&Name::Uri(format!(
            "https://github.example/acme/app/{of_name}"
        ))));
        let expected = [any].into_iter().chain(joined);
        let server = json!({ "job_workflow_ref": claim });
        assert_eq!(names(&server), expected.collect::<Vec<_>>());
        let gitlab = json!({ "ci_config_ref_uri": format!("gitlab.com/{claim}") });
        assert_eq!(names(&gitlab), [at("gitlab.com", of_name)]);
        let subject = json!({ "sub": format!("https://issuer.example/{claim}") });
        assert_eq!(names(&subject), [at("issuer.example", of_name)]);
    }
}

fn provider(
    provider: TokenProvider,
    set: &[(&str, &str)],
) -> (Variables, Result<ClosedToken, ServiceError>) {
    let variables = variables(set);
    let found = ClosedToken::find(&IdentityToken::Provider(provider), &variables, now());
    (variables, found)
}

fn message(outcome: Result<ClosedToken, ServiceError>) -> String {
    let error = outcome.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), FaultKind::Key, "{error}");
    error.to_string()
}

#[test]
fn a_token_in_a_variable_is_a_secret_from_then_on() {
    let token = jwt(&json!({}));
    let set = [(VARIABLE, token.as_str())];
    let (variables, found) = provider(TokenProvider::Variable, &set);
    let Ok(ClosedToken::Held(held)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(held.identity().issuer(), "https://issuer.example");
    let shown = variables.secrets().scrubbed(&token, Voice::Theirs, &[]);
    assert!(!shown.contains(&token), "{shown}");
    assert!(!format!("{held:?}").contains(&token));
}

#[test]
fn what_is_in_place_of_a_token_is_hidden_and_not_repeated() {
    let set = [(VARIABLE, "hunter2-canary")];
    let (variables, found) = provider(TokenProvider::Variable, &set);
    assert_eq!(
        message(found),
        "identity tokens from `envvar`: `SIGSTORE_ID_TOKEN` cannot be used: it is no JSON Web Token"
    );
    let shown = variables
        .secrets()
        .scrubbed("hunter2-canary", Voice::Theirs, &[]);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_token_in_a_file_may_end_with_a_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, format!("{}\n", jwt(&json!({})))).unwrap();
    let find = |path: &Path| {
        let source = IdentityToken::File(path.to_owned());
        ClosedToken::find(&source, &variables(&[]), now())
    };
    assert!(matches!(find(&path), Ok(ClosedToken::Held(_))));
    fs::write(&path, jwt(&json!({"exp": NOW - 1}))).unwrap();
    let words = message(find(&path));
    assert!(words.ends_with("cannot be used: it has expired"), "{words}");
    let words = message(find(&folder.path().join("absent")));
    assert!(
        words.starts_with("identity tokens from `identity-token`: cannot read"),
        "{words}"
    );
}

#[test]
fn a_provider_that_is_not_there_is_named_with_what_it_lacks() {
    let (_, found) = provider(TokenProvider::GitHubActions, &[]);
    assert_eq!(
        message(found),
        "identity tokens from `github-actions`: no credentials were found; looked at github-actions \
         (`ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN` are not set)"
    );
}

/// EVD-62
#[test]
fn ambient_is_the_first_source_in_cosigns_order() {
    let token = jwt(&json!({}));
    let github = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://h/?a=b"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
    ];
    let variable = [(VARIABLE, token.as_str())];
    let buildkite = [
        ("BUILDKITE_JOB_ID", "j"),
        ("BUILDKITE_AGENT_ACCESS_TOKEN", "t"),
    ];
    let find = |set: &[(&str, &str)]| provider(TokenProvider::Ambient, set).1.unwrap();
    let asked = |closed: &ClosedToken| match closed {
        ClosedToken::Asked { provider, .. } => provider.name,
        ClosedToken::Held(_) => "held",
    };
    let all = [&github[..], &variable, &buildkite].concat();
    assert_eq!(asked(&find(&all)), "buildkite-agent");
    let some = [&github[..], &variable].concat();
    assert_eq!(asked(&find(&some)), "held");
    assert_eq!(asked(&find(&github)), "github-actions");
}

#[test]
fn a_provider_is_shown_its_secret_by_tls_alone() {
    for (url, is_taken) in [
        ("https://h/x?api-version=2.0", true),
        ("http://127.0.0.1:1/", true),
        ("http://h/", false),
        ("h", false),
    ] {
        let set = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
        ];
        let (_, found) = provider(TokenProvider::GitHubActions, &set);
        assert_eq!(found.is_ok(), is_taken, "{url}");
    }
}
