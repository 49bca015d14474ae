//! Where credentials come from, how tokens are fetched with them, and where
//! they never go.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, When};
use crate::support::signer::Signer;

const BASIC: &str = "Basic cm9ib3Q6cGFzcw==";
const WRONG: &str = "Basic cm9ib3Q6d3Jvbmc=";

/// An image behind user `robot` and password `pass`.
fn seeded(auth: Auth) -> (Registry, Image) {
    let registry = Registry::with(Settings {
        auth,
        ..Settings::default()
    });
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    (registry, image)
}

fn signer(registry: &Registry, image: &Image) -> Signer {
    Signer::of(image, registry.host()).key("p256-n32768-cosign-header")
}

/// A Docker configuration in the folder of the run; gives its folder.
fn docker_config(signer: &Signer, folder: &str, config: &serde_json::Value) -> String {
    let folder = signer.folder().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder.display().to_string()
}

fn auths(registry: &Registry, credential: &str) -> serde_json::Value {
    let credential = credential.strip_prefix("Basic ").unwrap();
    json!({ "auths": { registry.host(): { "auth": credential } } })
}

#[test]
fn a_docker_configuration_is_found_at_home_and_where_its_variable_says() {
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        let (registry, image) = seeded(auth);
        let signer = signer(&registry, &image);
        docker_config(&signer, ".docker", &auths(&registry, BASIC));
        signer.run().succeeded();
        docker_config(&signer, ".docker", &auths(&registry, WRONG));
        signer.run().ended_with(113);
        let elsewhere = docker_config(&signer, "elsewhere", &auths(&registry, BASIC));
        signer
            .environment("DOCKER_CONFIG", &elsewhere)
            .run()
            .succeeded();
    }
}

#[test]
fn base64_that_was_folded_is_one_credential() {
    let (registry, image) = seeded(Auth::basic("pass"));
    let signer = signer(&registry, &image);
    let config = json!({ "auths": { registry.host(): { "auth": "cm9ib3Q6\r\ncGFz cw==\n" } } });
    docker_config(&signer, ".docker", &config);
    signer.run().succeeded();
}

/// Each is no use in a way of its own; none counts as "no credentials".
/// SIG-70
#[test]
fn a_docker_configuration_that_cannot_be_used_is_named_with_its_reason() {
    let (registry, image) = seeded(Auth::basic("pass"));
    for (reason, make) in [
        ("it is a folder", "mkdir -p d/config.json"),
        ("is a file", "echo {} > d"),
        (
            "`.dockerconfigjson` beside it",
            "mkdir d; echo {} > d/.dockerconfigjson",
        ),
        ("`.dockercfg` beside it", "mkdir d; echo {} > d/.dockercfg"),
    ] {
        for is_named in [true, false] {
            let mut signer = signer(&registry, &image);
            let home = signer.folder().to_owned();
            let folder = if is_named { "d" } else { ".docker" };
            let script = make.replace(" d", &format!(" {folder}"));
            let made = std::process::Command::new("sh")
                .args(["-c", &script])
                .current_dir(&home)
                .status();
            assert!(made.unwrap().success());
            if is_named {
                let folder = home.join(folder).display().to_string();
                signer = signer.environment("DOCKER_CONFIG", &folder);
            }
            let run = signer.run();
            assert!(
                matches!(run.code, Some(3 | 113)),
                "{script}: {:?}",
                run.code
            );
            let path = home.join(folder).join("config.json");
            run.says(&[reason, path.to_str().unwrap()]);
            // A run that needs none of it is not held up by the files at home.
            if !is_named {
                signer.credential(registry.host(), BASIC).run().succeeded();
            }
        }
    }
}

#[test]
fn the_lifecycle_s_variable_wins_over_the_docker_configuration() {
    let (registry, image) = seeded(Auth::basic("pass"));
    let signer = signer(&registry, &image);
    docker_config(&signer, ".docker", &auths(&registry, WRONG));
    signer.credential(registry.host(), BASIC).run().succeeded();
}

#[test]
fn a_registry_that_the_variable_does_not_name_is_looked_up_in_the_docker_configuration() {
    let (registry, image) = seeded(Auth::basic("pass"));
    let signer = signer(&registry, &image);
    docker_config(&signer, ".docker", &auths(&registry, BASIC));
    signer.credential("other.example", WRONG).run().succeeded();
}

#[test]
fn a_credential_helper_is_asked() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    let signer = signer(&registry, &image);
    let helpers = json!({ "credHelpers": { registry.host(): "acceptance" } });
    docker_config(&signer, ".docker", &helpers);
    let helper = signer.folder().join("docker-credential-acceptance");
    let script = format!(
        "#!/bin/sh\nread host; test \"$1 $host\" = 'get {}' || exit 1\n\
         echo '{{\"Username\":\"robot\",\"Secret\":\"pass\"}}'\n",
        registry.host()
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", signer.folder().display());
    signer.environment("PATH", &path).run().succeeded();
}

#[test]
fn a_token_is_sent_as_it_is_and_not_exchanged() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    let token = registry.issue_token(image.repository());
    signer(&registry, &image)
        .credential(registry.host(), &format!("Bearer {token}"))
        .run()
        .succeeded();
    assert_eq!(
        registry.exchanges().filter(|e| e.path() == "/token").len(),
        0
    );
}

#[test]
fn an_identity_token_is_exchanged_by_post() {
    let Auth::Bearer {
        mut account,
        lifetime,
    } = Auth::bearer("pass")
    else {
        unreachable!()
    };
    account.identity = Some("identity".to_owned());
    let (registry, image) = seeded(Auth::Bearer { account, lifetime });
    signer(&registry, &image)
        .credential(registry.host(), "X-Identity identity")
        .run()
        .succeeded();
    assert_eq!(registry.exchanges().of("POST", "/token").len(), 1);
    assert_eq!(registry.exchanges().of("GET", "/token").len(), 0);
}

/// `spec/auth/oauth.md`, "Refresh token format": as the lifecycle does.
#[test]
fn a_token_service_that_takes_no_identity_token_is_asked_as_by_everybody() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    registry.inject(When::every("POST", "/token"), Action::status(404));
    let run = signer(&registry, &image)
        .credential(registry.host(), "X-Identity identity")
        .run()
        .ended_with(113);
    run.says(&["takes no identity tokens"]);
    let asked = registry.exchanges().of("GET", "/token");
    let showed = asked.filter(|asked| asked.authorization.is_some());
    assert!(!asked.is_empty() && showed.is_empty(), "{asked:?}");
}

/// As go-containerregistry does: an entry of Docker's configuration may have both.
#[test]
fn a_token_service_that_takes_no_identity_token_is_asked_by_the_login_beside_it() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    registry.inject(When::every("POST", "/token"), Action::status(404));
    let signer = signer(&registry, &image);
    let mut config = auths(&registry, BASIC);
    config["auths"][registry.host()]["identitytoken"] = "identity".into();
    docker_config(&signer, ".docker", &config);
    let run = signer.run().succeeded();
    run.says(&["takes no identity tokens", "by user and password"]);
    assert_eq!(registry.exchanges().of("POST", "/token").len(), 1);
}

/// A registry without a token service.
#[test]
fn a_login_beside_an_identity_token_is_shown_where_none_is_exchanged() {
    let (registry, image) = seeded(Auth::basic("pass"));
    let signer = signer(&registry, &image);
    let mut config = auths(&registry, BASIC);
    config["auths"][registry.host()]["identitytoken"] = "identity".into();
    docker_config(&signer, ".docker", &config);
    signer.run().succeeded();
}

#[test]
fn the_token_service_s_own_words_are_shown() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    let run = signer(&registry, &image)
        .credential(registry.host(), WRONG)
        .run()
        .ended_with(113);
    run.says(&[
        "incorrect username or password",
        &format!(
            "the password for `{}` in CNB_REGISTRY_AUTH",
            registry.host()
        ),
    ]);
}

/// SIG-72
#[test]
fn a_registry_that_denies_access_is_told_of_with_each_source_in_its_order() {
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        let (registry, image) = seeded(auth);
        let signer = signer(&registry, &image);
        let folder = signer.folder().to_str().unwrap().to_owned();
        let run = signer.environment("HOME", &folder).run().ended_with(113);
        run.says(&[
            "as anonymous (CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set; ",
            &format!("; `{folder}/.docker/config.json`: it is not there; "),
            "hint: give credentials for this registry",
        ]);
    }
}

/// SIG-72
#[test]
fn credentials_that_are_refused_are_not_asked_for_again() {
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        let is_basic = matches!(auth, Auth::Basic(_));
        let (registry, image) = seeded(auth);
        let signer = signer(&registry, &image).credential("other.example", BASIC);
        docker_config(&signer, ".docker", &auths(&registry, WRONG));
        let run = signer.run().ended_with(113);
        let host = registry.host();
        let run = run.says(&[
            &format!("as the password for `{host}` in `"),
            &format!(
                "(before it, CNB_REGISTRY_AUTH: no entry for `{host}`; DOCKER_AUTH_CONFIG: not set)"
            ),
            "hint: these credentials were refused",
        ]);
        let run = run.does_not_say(&["hint: give credentials"]);
        // Members that only a token has.
        assert_eq!(
            run.stdout.contains("repository:"),
            !is_basic,
            "{}",
            run.stdout
        );
    }
}

/// The registry says no before it says how to sign in.
#[test]
fn a_registry_that_refuses_without_asking_is_told_so() {
    let (registry, image) = seeded(Auth::None);
    registry.inject(When::every("*", "/v2/"), Action::error(403, "DENIED"));
    let run = signer(&registry, &image).credential(registry.host(), BASIC);
    run.run().ended_with(113).says(&[
        "as nobody (the registry did not say how to sign in)",
        "hint: the registry refuses without asking for credentials",
    ]);
    let run = signer(&registry, &image).run().ended_with(113);
    run.says(&["as anonymous (", "hint: give credentials for this registry"]);
}

/// WIRE-10
#[test]
fn nothing_is_shown_to_a_registry_that_does_not_ask() {
    let (registry, image) = seeded(Auth::None);
    signer(&registry, &image)
        .credential(registry.host(), BASIC)
        .run()
        .succeeded();
    assert!(
        registry
            .exchanges()
            .iter()
            .all(|e| e.authorization.is_none()),
        "{:?}",
        registry.exchanges()
    );
}

/// A redirect would carry the password to whoever the token service names.
/// WIRE-12
#[test]
fn redirects_of_a_token_service_are_not_followed() {
    let (registry, image) = seeded(Auth::bearer("pass"));
    let elsewhere = Registry::start();
    for status in [301, 302, 307, 308] {
        let target = format!("http://{}/token", elsewhere.host());
        let answer = Answer::new(status).with("location", target);
        registry.inject(When::first("GET", "/token"), Action::Answer(answer));
        let run = signer(&registry, &image)
            .credential(registry.host(), BASIC)
            .run();
        assert!(
            matches!(run.code, Some(111..=118)),
            "{status}: {:?}",
            run.code
        );
        assert!(
            elsewhere.exchanges().is_empty(),
            "{status}: {:?}",
            elsewhere.exchanges()
        );
    }
}

/// WIRE-12
#[test]
fn a_token_service_that_is_no_web_address_gets_nothing() {
    for realm in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/token",
        "//token",
        "",
        "http://[",
    ] {
        let (registry, image) = seeded(Auth::bearer("pass"));
        let challenge = format!(r#"Bearer realm="{realm}",service="acceptance""#);
        registry.inject(
            When::every("*", "/v2/"),
            Action::change(move |answer| answer.set("www-authenticate", challenge.clone())),
        );
        let run = signer(&registry, &image)
            .credential(registry.host(), BASIC)
            .run();
        assert!(
            matches!(run.code, Some(111..=118)),
            "{realm}: {:?}\n{}",
            run.code,
            run.stdout
        );
        assert!(
            registry
                .exchanges()
                .iter()
                .all(|e| e.authorization.is_none())
        );
    }
}

#[test]
fn challenges_in_any_spelling_are_understood() {
    for challenge in [
        r#"bearer REALM="http://{host}/token" , service=acceptance"#,
        r#"Negotiate, Bearer service="a, \"b\"",realm="http://{host}/token""#,
        r#"Bearer realm="http://{host}/token",service="acceptance",unknown="x",scope="repository:other:pull""#,
    ] {
        let (registry, image) = seeded(Auth::bearer("pass"));
        let challenge = challenge.replace("{host}", registry.host());
        registry.inject(
            When::every("*", "/v2/"),
            Action::change(move |answer| {
                if answer.status == 401 {
                    answer.set("www-authenticate", challenge.clone());
                }
            }),
        );
        signer(&registry, &image)
            .credential(registry.host(), BASIC)
            .run()
            .succeeded();
    }
}

#[test]
fn answers_of_a_token_service_that_are_none_end_the_run() {
    for body in [
        "",
        "{}",
        "not JSON",
        r#"{"token":7}"#,
        r#"{"token":""}"#,
        r#"{"token":"a\nb"}"#,
    ] {
        let (registry, image) = seeded(Auth::bearer("pass"));
        let answer = Answer::new(200).body("application/json", body);
        registry.inject(When::every("GET", "/token"), Action::Answer(answer));
        let run = signer(&registry, &image)
            .credential(registry.host(), BASIC)
            .run();
        assert!(
            matches!(run.code, Some(111..=118)),
            "{body}: {:?}\n{}",
            run.code,
            run.stdout
        );
        registry.stored_nothing();
    }
}
