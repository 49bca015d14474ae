use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::http::roots::LazyRoots;
use crate::http::{Proxies, Settings};
use crate::proof::certificate::Certificate;
use crate::proof::trust::Validity;
use crate::proof::trust::root::TimestampAuthority;
use crate::proof::trust::signing_config::Rule;
use crate::secret::Secrets;
use crate::service::FaultKind;
use crate::support::registry::{Action, Answer, When};
use crate::support::runtime;
use crate::support::services::stand_in::{Recorded, StandIn};
use crate::support::timestamp_authority::{Authority, Recipe};

/// Authorities by HTTP, and who trusts them.
#[derive(Default)]
struct Scene {
    root: Vec<TimestampAuthority>,
    fronts: Vec<StandIn>,
}

type Change = fn(&Authority, &mut Recipe);

fn right(_: &Authority, _: &mut Recipe) {}

impl Scene {
    fn of(changes: &[Change]) -> Self {
        let mut scene = Self::default();
        for change in changes {
            let authority = Authority::new();
            scene.trust(&authority);
            scene.fronts.push(authority.serve(*change));
        }
        scene
    }

    fn trust(&mut self, authority: &Authority) {
        let read = |der: &Vec<u8>| Certificate::from_der(der).unwrap();
        self.root.push(TimestampAuthority {
            url: format!("https://tsa{}.example", self.root.len()),
            certificates: authority.certificates.iter().map(read).collect(),
            valid: Validity::default(),
            operator: None,
        });
    }

    /// Asks by `rule`, and gives the URLs of the authorities that stamped.
    fn stamp(&self, rule: Rule) -> Result<Vec<String>, ServiceError> {
        let service = |front: &StandIn| Service {
            url: format!("{}/timestamp", front.url()).parse().unwrap(),
            version: 1,
            operator: front.url(),
        };
        let choice = Choice {
            rule,
            services: self.fronts.iter().map(service).collect(),
        };
        let root = TrustedRoot {
            authorities: Vec::new(),
            logs: Vec::new(),
            ct_logs: None,
            timestamp_authorities: self.root.clone(),
        };
        let client = Client::new(Settings {
            roots: LazyRoots::new(None, None),
            proxies: Proxies::default(),
            secrets: Secrets::default(),
            user_agent: "tests".to_owned(),
            retry_budget: Duration::ZERO,
            time: Duration::from_secs(60),
            until: Instant::now() + Duration::from_secs(60),
        });
        let digest = Sha256::digest(b"stamped").into();
        let stamped = runtime().block_on(stamp(&client, &choice, &root, &digest));
        Ok(stamped?.into_iter().map(|one| one.authority).collect())
    }

    /// How often each was asked.
    fn asked(&self) -> Vec<usize> {
        self.fronts
            .iter()
            .map(|front| front.recorded().len())
            .collect()
    }
}

fn urls(indexes: &[usize]) -> Vec<String> {
    let url = |index: &usize| format!("https://tsa{index}.example");
    indexes.iter().map(url).collect()
}

fn fails(front: &StandIn, status: u16) {
    front.inject(When::every("POST", ""), Action::Answer(Answer::new(status)));
}

/// EVD-27
#[test]
fn an_authority_is_asked_by_its_whole_url_with_a_query() {
    let scene = Scene::of(&[right]);
    assert_eq!(scene.stamp(Rule::Any).unwrap(), urls(&[0]));
    scene.stamp(Rule::Any).unwrap();
    let asked = scene.fronts[0].recorded();
    assert_eq!(asked[0].target, "/timestamp");
    assert_eq!(asked[0].method, "POST");
    let kind = asked[0].header("content-type");
    assert_eq!(kind, Some("application/timestamp-query"));
    // With another nonce each time.
    assert_ne!(asked[0].body, asked[1].body);
    assert_eq!(asked[0].body[..56], asked[1].body[..56]);
}

/// EVD-28
#[test]
fn the_rule_says_how_many_have_to_stamp() {
    for (rule, expected) in [
        (Rule::All, &[0, 1, 2][..]),
        (Rule::Any, &[0]),
        (Rule::Exact(2), &[0, 1]),
    ] {
        let scene = Scene::of(&[right, right, right]);
        assert_eq!(scene.stamp(rule).unwrap(), urls(expected), "{rule:?}");
        let asked: usize = scene.asked().iter().sum();
        assert_eq!(asked, expected.len(), "{rule:?}");
    }
}

/// EVD-28
#[test]
fn another_is_asked_in_place_of_one_that_fails() {
    let others = |_: &Authority, recipe: &mut Recipe| recipe.imprint[0] ^= 1;
    for (rule, expected) in [
        (Rule::Any, Some(urls(&[2]))),
        (Rule::Exact(1), Some(urls(&[2]))),
        (Rule::Exact(2), None),
        (Rule::All, None),
    ] {
        let scene = Scene::of(&[right, others, right]);
        fails(&scene.fronts[0], 400);
        assert_eq!(scene.stamp(rule).ok(), expected, "{rule:?}");
    }
}

/// EVD-98
#[test]
fn an_authority_that_is_asked_twice_vouches_once() {
    for (rule, expected) in [(Rule::Exact(2), Some(urls(&[0, 1]))), (Rule::All, None)] {
        let (mut scene, authority) = (Scene::default(), Arc::new(Authority::new()));
        scene.trust(&authority);
        for _address in 0..2 {
            let authority = Arc::clone(&authority);
            let answer = move |body: &[u8]| authority.answer(&Recipe::of_query(body));
            let front = move |asked: &Recorded| Answer::new(200).body(REPLY, answer(&asked.body));
            scene.fronts.push(StandIn::start(front));
        }
        let another = Authority::new();
        scene.trust(&another);
        scene.fronts.push(another.serve(right));
        assert_eq!(scene.stamp(rule).ok(), expected, "{rule:?}");
    }
}

/// EVD-29
#[test]
fn answers_that_do_not_hold_are_the_authoritys_fault() {
    let with = |change: Change, words: &str| {
        let error = Scene::of(&[change]).stamp(Rule::All).unwrap_err();
        assert_eq!(error.kind(), FaultKind::Witness);
        let text = error.to_string();
        assert!(text.contains(words), "{text}, not {words}");
        assert!(
            text.starts_with("the timestamp authority `127.0.0.1`: POST"),
            "{text}"
        );
    };
    with(|_, recipe| recipe.imprint[0] ^= 1, "of something else");
    with(|_, recipe| recipe.nonce = None, "its nonce is not ours");
    with(
        |_, recipe| {
            recipe.status = 2;
            recipe.words = Some("no \u{1b}[31mtime".to_owned());
        },
        "status 2; it says `no ",
    );
    with(
        |_, recipe| recipe.is_signature_right = false,
        "signature is wrong",
    );
}

/// EVD-29
#[test]
fn an_authority_that_nobody_trusts_is_named() {
    let mut scene = Scene::of(&[right]);
    scene.root = Scene::of(&[right]).root;
    let error = scene.stamp(Rule::Any).unwrap_err();
    assert!(matches!(error.trouble, Trouble::Unproven { .. }), "{error}");
}

/// EVD-29
#[test]
fn what_is_no_timestamp_is_said_to_be_none() {
    let page = StandIn::start(|_| Answer::new(200).body("text/html", "<html>"));
    let scene = Scene {
        root: Scene::of(&[right]).root,
        fronts: vec![page],
    };
    let error = scene.stamp(Rule::Any).unwrap_err();
    assert!(error.to_string().contains("it is no timestamp"), "{error}");
    for status in [302, 400, 401, 404, 500] {
        let scene = Scene::of(&[right]);
        fails(&scene.fronts[0], status);
        let error = scene.stamp(Rule::Any).unwrap_err();
        assert_eq!(error.kind(), FaultKind::Witness, "{status} {error}");
    }
    let long = StandIn::start(|_| Answer::new(200).body("a/b", vec![0x30; MAX_LENGTH + 1]));
    let scene = Scene {
        root: Vec::new(),
        fronts: vec![long],
    };
    let error = scene.stamp(Rule::Any).unwrap_err();
    assert_eq!(error.kind(), FaultKind::Witness);
}

/// EVD-27
#[test]
fn an_answer_may_say_that_it_was_made() {
    let authority = Authority::new();
    let certificates = authority.certificates.clone();
    let made = StandIn::start(move |asked| {
        let answer = authority.answer(&Recipe::of_query(&asked.body));
        Answer::new(201).body(REPLY, answer)
    });
    let mut scene = Scene::of(&[right]);
    let read = |der: &Vec<u8>| Certificate::from_der(der).unwrap();
    scene.root[0].certificates = certificates.iter().map(read).collect();
    scene.fronts = vec![made];
    assert_eq!(scene.stamp(Rule::Any).unwrap(), urls(&[0]));
}
