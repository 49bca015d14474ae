//! The services that hold keys: ours record and answer as they are told, and real
//! cosign signs with those that are real.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::registry::{Action, Answer, When};
use crate::support::services::Caller;
use crate::support::services::stand_in::{Recorded, StandIn, Transport};

/// Repeats what it was asked.
fn echo(request: &Recorded) -> Answer {
    let body = json!({ "path": request.path(), "host": request.host() });
    Answer::json(200, &body)
}

#[test]
fn a_stand_in_records_requests_whole_and_answers_by_a_function() {
    let service = StandIn::start(echo);
    let caller = Caller::of(&service.url()).showing("X-Vault-Token", "t");
    let body = json!({ "input": "aGk=" });
    let answer = caller.must("PUT", "/v1/transit/sign/k?a=b%20c", &body);
    assert_eq!(
        answer,
        json!({ "path": "/v1/transit/sign/k", "host": "127.0.0.1" })
    );
    caller
        .call("POST", "/token", "grant_type=a%3Ab&x=")
        .unwrap();
    let recorded = service.recorded();
    assert_eq!(recorded.len(), 2);
    assert_eq!(
        (&*recorded[0].method, recorded[0].target.as_str()),
        ("PUT", "/v1/transit/sign/k?a=b%20c")
    );
    assert_eq!(recorded[0].query()["a"], "b c");
    assert_eq!(recorded[0].header("x-vault-token"), Some("t"));
    assert_eq!(recorded[0].json(), body);
    assert_eq!(recorded[0].status, Some(200));
    assert!(recorded[0].ended.unwrap() >= recorded[0].began);
    assert_eq!(recorded[1].form()["grant_type"], "a:b");
    assert_eq!(recorded[1].text(), "grant_type=a%3Ab&x=");
    assert_eq!(recorded[1].json(), Value::Null);
    service.forget();
    assert!(service.recorded().is_empty());
}

#[test]
fn a_stand_in_can_be_any_host_of_a_private_authority() {
    let service = StandIn::by(Transport::Https(&["*.vault.azure.net"]), echo);
    let caller = || Caller::of(&service.url());
    assert_eq!(caller().ask("GET", "/", &Value::Null), None);
    let trusting = caller().trusting(service.authority());
    trusting.must("GET", "/", &Value::Null);
    let mutual = StandIn::by(Transport::Mutual(&[]), echo);
    let trusting = || Caller::of(&mutual.url()).trusting(mutual.authority());
    assert_eq!(trusting().ask("GET", "/", &Value::Null), None);
    let known = trusting().identified_by(mutual.client());
    known.must("GET", "/", &Value::Null);
    assert_eq!(mutual.recorded().len(), 1);
}

#[test]
fn a_stand_in_s_faults_strike_when_they_were_asked_to() {
    let service = StandIn::start(echo);
    let caller = Caller::of(&service.url()).showing("X-Amz-Target", "TrentService.Sign");
    let status = || Some(caller.call("POST", "/", "{}")?.0);
    let throttled = Answer::json(400, &json!({ "__type": "ThrottlingException" }));
    service.inject(
        When::first("POST", "TrentService.Sign").after(1),
        Action::Answer(throttled.with("retry-after", "1")),
    );
    assert_eq!([status(), status(), status()], [200, 400, 200].map(Some));
    service.inject(When::first("*", "/"), Action::Cut);
    let second = When::first("*", "/").after(1);
    service.inject(second, Action::HandleThenCut);
    assert_eq!([status(), status(), status()], [None, None, Some(200)]);
    service.inject(When::first("*", "/"), Action::Truncate);
    assert_eq!(status(), None);
    service.inject(
        When::every("*", "/"),
        Action::Delay(Duration::from_millis(100)),
    );
    let start = Instant::now();
    assert_eq!(status(), Some(200));
    assert!(start.elapsed() >= Duration::from_millis(100));
    service.heal();
    assert_eq!(service.asked("POST", "TrentService.Sign").len(), 8);
    assert!(service.asked("GET", "TrentService").is_empty());
    assert!(service.asked("*", "TrentService.GetPublicKey").is_empty());
}
