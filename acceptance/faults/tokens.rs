//! Credentials and tokens: hosts that see them, and how often (`spec/faults.md`).

use std::time::Duration;

use serde_json::json;

use super::KEY;
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Access, Action, Answer, Auth, Registry, Settings, Switch, When};
use crate::support::signer::Signer;

/// `robot:pass`
pub(super) const ROBOT: &str = "Basic cm9ib3Q6cGFzcw==";

pub(super) fn bearer(image: &Image) -> Registry {
    guarded(image, Auth::bearer("pass"))
}

pub(super) fn guarded(image: &Image, auth: Auth) -> Registry {
    let registry = Registry::with(Settings {
        auth,
        ..Settings::default()
    });
    image.seed(&registry);
    registry
}

pub(super) fn plain() -> Image {
    Image::recorded("no-sbom-layer")
}

pub(super) fn signer(image: &Image, registry: &Registry) -> Signer {
    let signer = Signer::of(image, registry.host()).key(KEY);
    signer.credential(registry.host(), ROBOT)
}

fn tokens(registry: &Registry) -> usize {
    registry.exchanges().of("GET", "/token").len()
}

fn challenge(registry: &Registry) -> String {
    format!(
        r#"Bearer realm="http://{}/token",service="acceptance""#,
        registry.host()
    )
}

fn unauthorized(registry: &Registry) -> Answer {
    Answer::error(401, "UNAUTHORIZED", "expired").with("www-authenticate", challenge(registry))
}

#[track_caller]
pub(super) fn is_signed(registry: &Registry, image: &Image) {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
}

/// Case 19. WIRE-10
#[test]
fn case_19_a_token_costs_two_requests() {
    let image = plain();
    let counts = [Auth::None, Auth::bearer("pass")].map(|auth| {
        let registry = guarded(&image, auth);
        let signer = Signer::of(&image, registry.host()).key_without_sbom(KEY);
        let signer = signer.credential(registry.host(), ROBOT);
        signer.arguments(&["-settle", "0"]).run().succeeded();
        registry.exchanges().len()
    });
    assert_eq!(counts, [8, 10]);
}

/// Case 20. WIRE-11
#[test]
fn case_20_a_token_that_ends_during_the_run_is_renewed_once() {
    for (method, part) in [
        ("GET", "/blobs/sha256"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", ".sig"),
        ("GET", ".sig"),
        ("PUT", ".att"),
    ] {
        let image = Image::recorded("one-document");
        let registry = bearer(&image);
        registry.inject(
            When::first(method, part),
            Action::Answer(unauthorized(&registry)),
        );
        signer(&image, &registry).run().succeeded();
        assert_eq!(tokens(&registry), 2, "{:?}", registry.exchanges());
        is_signed(&registry, &image);
    }
}

/// Case 21, F. WIRE-11
#[test]
fn case_21_a_401_that_stays_costs_two_tokens_at_most() {
    let image = plain();
    let registry = bearer(&image);
    registry.inject(
        When::every("*", "/v2/"),
        Action::Answer(unauthorized(&registry)),
    );
    let run = signer(&image, &registry).run().ended_with(113);
    run.says(&["in CNB_REGISTRY_AUTH", image.repository()])
        .does_not_say(&["robot"]);
    assert!(tokens(&registry) <= 2, "{:?}", registry.exchanges());
    assert!(
        registry.exchanges().len() <= 14,
        "{:?}",
        registry.exchanges()
    );
}

/// Case 22, F: registries say it with 401 and 403.
#[test]
fn case_22_a_repository_that_may_only_be_read_is_named_before_anything_is_put() {
    for auth in [Auth::None, Auth::basic("pass"), Auth::bearer("pass")] {
        let has_tokens = matches!(auth, Auth::Bearer { .. });
        let image = plain();
        let access = [(image.repository().to_owned(), Access::ReadOnly)].into();
        let registry = Registry::with(Settings {
            auth,
            access,
            ..Settings::default()
        });
        image.seed(&registry);
        let run = signer(&image, &registry).run().ended_with(113);
        let run = run.says(&["no write access to", image.repository(), " as "]);
        assert_eq!(run.stdout.contains("pull,push"), has_tokens);
        registry.stored_nothing();
        assert!(tokens(&registry) <= 2, "{:?}", registry.exchanges());
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// Case 22: a token that was just fetched is refused, and not doubted.
#[test]
fn case_22_a_403_for_a_new_token_is_final() {
    let image = plain();
    let registry = bearer(&image);
    registry.inject(
        When::every("POST", "/blobs/uploads/"),
        Action::error(403, "DENIED"),
    );
    signer(&image, &registry)
        .run()
        .ended_with(113)
        .says(&["the password for", "DENIED"]);
    let all = registry.exchanges();
    assert_eq!(tokens(&registry), 1, "{all:?}");
    assert_eq!(all.of("POST", "/blobs/uploads/").len(), 2, "{all:?}");
}

/// Case 20, as some registries say it (ECR).
#[test]
fn case_20_a_403_for_an_old_token_is_asked_once_more_with_a_new_one() {
    let image = plain();
    let registry = bearer(&image);
    registry.inject(
        When::first("GET", ".sig"),
        Action::Delay(Duration::from_secs(6)),
    );
    let when = When::first("PUT", "/blobs/uploads/").times(1);
    registry.inject(when, Action::error(403, "DENIED"));
    signer(&image, &registry).run().succeeded();
    assert_eq!(tokens(&registry), 2, "{:?}", registry.exchanges());
    is_signed(&registry, &image);
}

/// Case 22: however old the token was.
#[test]
fn case_22_a_403_that_stays_costs_two_tokens_at_most() {
    let image = plain();
    let registry = bearer(&image);
    registry.inject(
        When::first("GET", ".sig"),
        Action::Delay(Duration::from_secs(6)),
    );
    registry.inject(
        When::every("PUT", "/blobs/uploads/"),
        Action::error(403, "DENIED"),
    );
    signer(&image, &registry).run().ended_with(113);
    assert_eq!(tokens(&registry), 2, "{:?}", registry.exchanges());
    assert!(
        registry.exchanges().of("PUT", "").len() <= 4,
        "{:?}",
        registry.exchanges()
    );
}

/// Case 23, F. SIG-23
#[test]
fn case_23_one_of_ten_repositories_that_may_not_be_written_keeps_all_ten_untouched() {
    let names: Vec<_> = (0..10)
        .map(|number| format!("team/app-{number}:v1"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let image = plain().named(&names);
    let access = [("team/app-7".to_owned(), Access::ReadOnly)].into();
    let auth = Auth::bearer("pass");
    let registry = Registry::with(Settings {
        auth,
        access,
        ..Settings::default()
    });
    image.seed(&registry);
    signer(&image, &registry)
        .run()
        .ended_with(113)
        .says(&["team/app-7"]);
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0);
    for repository in image.repositories() {
        assert_eq!(registry.tags(repository), ["v1"]);
    }
}

/// Case 28: forms of a token that must do.
#[test]
fn case_28_odd_but_usable_tokens_are_used() {
    let forms: [fn(&str) -> String; 7] = [
        |token| json!({ "token": token, "expires_in": "300" }).to_string(),
        |token| json!({ "access_token": token }).to_string(),
        |token| json!({ "token": token, "expires_in": 0 }).to_string(),
        |token| json!({ "token": token, "expires_in": -1 }).to_string(),
        |token| json!({ "token": token, "expires_in": 1e300 }).to_string(),
        |token| json!({ "token": token, "access_token": "", "more": [1] }).to_string(),
        |token| format!("\n {{\"token\":\"{token}\", \"issued_at\": \"yesterday\"}} "),
    ];
    for form in forms {
        let image = plain();
        let registry = bearer(&image);
        registry.inject(
            When::every("GET", "/token"),
            Action::change(move |answer| {
                let parsed: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                answer.body = form(parsed["token"].as_str().unwrap()).into();
            }),
        );
        signer(&image, &registry).run().succeeded();
        assert_eq!(tokens(&registry), 1, "{:?}", registry.exchanges());
        is_signed(&registry, &image);
    }
}

/// Case 28, F: answers of a token service that hold none.
#[test]
fn case_28_a_token_service_without_a_usable_token_is_named() {
    let huge = format!(r#"{{"token":"{}"}}"#, "x".repeat(1 << 20));
    for body in [
        "",
        "{}",
        "[]",
        r#"{"token":""}"#,
        r#"{"token":7}"#,
        "{\"token\":\"a\\nb\"}",
        &huge,
    ] {
        let image = plain();
        let registry = bearer(&image);
        let answer = Answer::new(200).body("application/json", body.to_owned());
        registry.inject(When::every("GET", "/token"), Action::Answer(answer));
        let run = signer(&image, &registry).run().ended_with(111);
        run.says(&["the token service", "gave no token"])
            .does_not_say(&["xxxx"]);
        assert!(registry.exchanges().writes().is_empty());
    }
}

/// Case 28: a length that lies is not believed, and no memory set aside for it.
#[test]
fn case_28_a_token_of_a_gibibyte_is_not_read() {
    let image = plain();
    let registry = bearer(&image);
    registry.inject(
        When::every("GET", "/token"),
        Action::change(|answer| {
            answer.set("content-length", (1_u64 << 30).to_string());
        }),
    );
    signer(&image, &registry)
        .run()
        .ended_with(111)
        .says(&["larger than"]);
}

/// Case 29.
#[test]
fn case_29_the_challenge_is_found_among_odd_ones() {
    let image = plain();
    for make in [
        |realm: &str| format!("Negotiate, Basic realm=\"x\", Bearer realm=\"{realm}\""),
        |realm: &str| format!("Bearer   realm=\"{realm}\",  service=\"x\""),
        |realm: &str| format!("bEaReR service=\"a \\\"b\\\"\" , realm=\"{realm}\",error=\"x\""),
        |realm: &str| format!("Bearer realm=\"{realm}\",x=\"{}\"", "y".repeat(12_000)),
    ] {
        let registry = bearer(&image);
        let value = make(&format!("http://{}/token", registry.host()));
        registry.inject(
            When::first("GET", "/manifests/v1"),
            Action::change(move |answer| {
                answer.set("www-authenticate", value.clone());
            }),
        );
        signer(&image, &registry).run().succeeded();
        is_signed(&registry, &image);
    }
}

/// Case 29, F: what cannot be answered is not guessed at.
#[test]
fn case_29_challenges_that_cannot_be_answered_are_access_denied() {
    let image = plain();
    let long = format!(
        "Bearer realm=\"http://127.0.0.1/{}\"",
        "y".repeat(100 << 10)
    );
    for value in [
        "Negotiate",
        "Bearer",
        "Digest realm=\"x\", nonce=\"y\"",
        "\"",
        &long,
    ] {
        let registry = bearer(&image);
        let value = value.to_owned();
        registry.inject(
            When::every("*", "/v2/"),
            Action::change(move |answer| {
                answer.set("www-authenticate", value.clone());
            }),
        );
        signer(&image, &registry).run().ended_with(113);
        assert_eq!(tokens(&registry), 0);
        let shown = registry.exchanges().filter(|e| e.authorization.is_some());
        assert!(shown.is_empty(), "{shown:?}");
    }
}

/// The answers of a registry that hides its refusals.
fn hides(registry: &Registry, part: &str, answer: fn() -> Answer) {
    let hide = Action::change(move |refusal| {
        if refusal.status == 401 {
            *refusal = answer();
        }
    });
    registry.inject(When::every("*", part), hide);
}

/// A repository that is hidden from who is nobody; only `/v2/` says how to sign
/// in. WIRE-15
#[test]
fn a_hidden_repository_is_asked_for_at_v2_once() {
    let answers: [fn() -> Answer; 3] = [
        || Answer::error(404, "NAME_UNKNOWN", "no such repository"),
        || Answer::error(403, "DENIED", "no"),
        || Answer::error(401, "UNAUTHORIZED", "no"),
    ];
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        for answer in answers {
            let image = plain();
            let registry = guarded(&image, auth.clone());
            hides(&registry, &format!("/v2/{}", image.repository()), answer);
            signer(&image, &registry).run().succeeded();
            is_signed(&registry, &image);
            let all = registry.exchanges();
            let greetings = all.filter(|e| e.path() == "/v2/");
            assert_eq!(greetings.len(), 1, "{all:?}");
            assert!(greetings.iter().all(|e| e.authorization.is_none()));
            assert!(tokens(&registry) <= 1, "{all:?}");
            let bare = all.filter(|e| e.authorization.is_none() && e.target.contains("/v2/"));
            assert_eq!(bare.len(), 2, "{all:?}");
        }
    }
}

/// Everybody may read, and a refusal to write does not say how to sign in.
#[test]
fn a_registry_that_refuses_writing_alone_is_asked_at_v2_once() {
    let answers: [fn() -> Answer; 2] = [
        || Answer::error(403, "DENIED", "no"),
        || Answer::error(404, "NAME_UNKNOWN", "no such repository"),
    ];
    for answer in answers {
        let image = plain();
        let registry = Registry::with(Settings {
            auth: Auth::bearer("pass"),
            public_pull: Switch::On,
            ..Settings::default()
        });
        image.seed(&registry);
        hides(&registry, "/blobs/uploads/", answer);
        signer(&image, &registry).run().succeeded();
        is_signed(&registry, &image);
        let greetings = registry.exchanges().filter(|e| e.path() == "/v2/");
        assert_eq!(greetings.len(), 1, "{:?}", registry.exchanges());
    }
}

/// Where nothing is hidden, or nobody has credentials, nothing more is asked.
/// WIRE-15
#[test]
fn v2_is_asked_only_where_it_can_help() {
    let image = plain();
    let greetings = |registry: &Registry| registry.exchanges().filter(|e| e.path() == "/v2/").len();
    for auth in [Auth::None, Auth::basic("pass"), Auth::bearer("pass")] {
        let registry = guarded(&image, auth);
        signer(&image, &registry).run().succeeded();
        assert_eq!(greetings(&registry), 0, "{:?}", registry.exchanges());
    }
    for status in [403, 404] {
        let registry = guarded(&image, Auth::None);
        registry.inject(When::every("*", "/v2/"), Action::error(status, "NO"));
        let run = Signer::of(&image, registry.host()).key(KEY).run();
        assert_ne!(run.code, Some(0));
        assert_eq!(greetings(&registry), 0, "{:?}", registry.exchanges());
    }
}

/// A repository that stays hidden after signing in is absent, or refused, as it says.
#[test]
fn a_repository_that_is_not_there_costs_one_question_and_one_token() {
    let image = plain();
    let registry = bearer(&image);
    let nothing = Action::error(404, "NAME_UNKNOWN");
    let part = format!("/v2/{}", image.repository());
    registry.inject(When::every("*", part), nothing);
    signer(&image, &registry).run().ended_with(114);
    let greetings = registry.exchanges().filter(|e| e.path() == "/v2/");
    assert_eq!(greetings.len(), 1, "{:?}", registry.exchanges());
    assert_eq!(tokens(&registry), 1, "{:?}", registry.exchanges());
}
