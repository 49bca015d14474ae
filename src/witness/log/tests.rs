use std::time::Instant;

use futures_util::future::join_all;

use super::*;
use crate::envelope::dsse::HashedPayload;
use crate::http::roots::LazyRoots;
use crate::http::{Proxies, Settings};
use crate::oci::Content;
use crate::proof::entry::EntryVerifier;
use crate::proof::key::VerifyingKey;
use crate::proof::trust::Validity;
use crate::proof::trust::root::LogKey;
use crate::proof::trust::signing_config::Rule;
use crate::secret::Secrets;
use crate::service::FaultKind;
use crate::signature::{Hash, PublicKey, Signature};
use crate::support::registry::{Action, Answer, When};
use crate::support::runtime;
use crate::support::witnesses::log_stand_in::{Fault, LogStandIn};

const POST: &str = "log/entries";

/// The entries of a signature, and those that logs say they have.
type Outcome = (Result<Vec<LogEntry>, ServiceError>, Vec<Claimed>);

/// Logs by HTTP, and who trusts them.
struct Scene {
    logs: Vec<LogStandIn>,
    version: u32,
    late: Duration,
}

impl Scene {
    fn of(version: u32, count: usize) -> Self {
        Self {
            logs: (0..count).map(|_| LogStandIn::start()).collect(),
            version,
            late: LATE,
        }
    }

    fn log(&self) -> &LogStandIn {
        &self.logs[0]
    }

    fn root(&self) -> TrustedRoot {
        let log = |log: &LogStandIn| {
            let (_, key) = pem_rfc7468::decode_vec(log.listed(2).pem.as_bytes()).unwrap();
            let key = VerifyingKey::from_der(&key).unwrap();
            LogKey {
                base_url: log.server().url(),
                id: key.public_key().sha256().to_vec(),
                checkpoint_id: None,
                key,
                hash: Hash::Sha256,
                valid: Validity::default(),
                operator: None,
            }
        };
        TrustedRoot {
            authorities: Vec::new(),
            logs: self.logs.iter().map(log).collect(),
            ct_logs: None,
            timestamp_authorities: Vec::new(),
        }
    }

    fn choice(&self, rule: Rule) -> Choice {
        let service = |log: &LogStandIn| Service {
            url: log.server().url().parse().unwrap(),
            version: self.version,
            operator: log.server().url(),
        };
        Choice {
            rule,
            services: self.logs.iter().map(service).collect(),
        }
    }

    fn enter_by(&self, rule: Rule, some: &[Loggable]) -> Vec<Outcome> {
        self.enter_in(&self.choice(rule), some)
    }

    fn enter_in(&self, choice: &Choice, some: &[Loggable]) -> Vec<Outcome> {
        let client = Client::new(Settings {
            roots: LazyRoots::new(None, None),
            proxies: Proxies::default(),
            secrets: Secrets::default(),
            user_agent: "tests".to_owned(),
            retry_budget: Duration::from_secs(3),
            time: Duration::from_secs(60),
            until: Instant::now() + Duration::from_secs(60),
        });
        let root = self.root();
        let mut logs = Logs::of(some.iter().map(|_| choice));
        logs.late = self.late;
        let all = some.iter().map(|one| async {
            let claims = Claims::default();
            let entered = logs.enter(&client, choice, &root, one, &claims).await;
            (entered, claims.claimed())
        });
        runtime().block_on(join_all(all))
    }

    fn enter(&self, signature: &Loggable) -> Result<LogEntry, ServiceError> {
        let mut outcomes = self.enter_by(Rule::Any, std::slice::from_ref(signature));
        let mut entries = outcomes.remove(0).0?;
        assert_eq!(entries.len(), 1);
        Ok(entries.remove(0))
    }

    /// How many new entries each was asked for.
    fn posts(&self) -> Vec<usize> {
        let posts = |log: &LogStandIn| log.server().asked("POST", POST).len();
        self.logs.iter().map(posts).collect()
    }
}

/// A signature, told from others by its number.
fn signature(number: u8, message: SignedMessage) -> Loggable {
    let pem = include_bytes!("../../../testdata/keys/p256-cosign3.pub");
    let (_, key) = pem_rfc7468::decode_vec(pem).unwrap();
    Loggable {
        hash: Hash::Sha256,
        digest: vec![number; 32],
        signature: Signature::new(vec![number; 70]),
        verifier: EntryVerifier::of_key(&PublicKey::from_der(key)).unwrap(),
        message,
    }
}

fn payload(number: u8) -> Loggable {
    signature(number, SignedMessage::Payload)
}

fn envelope(number: u8, length: usize) -> Loggable {
    let payload = Content::from(vec![b'x'; length]);
    let hashed = HashedPayload::read(payload.clone()).unwrap();
    let envelope = hashed.envelope(&Signature::new(vec![number; 70]));
    signature(number, SignedMessage::Envelope { envelope, payload })
}

/// EVD-36, EVD-31
#[test]
fn a_signature_comes_back_as_an_entry_that_holds() {
    for version in [1, 2] {
        let scene = Scene::of(version, 1);
        for (index, signature) in [payload(1), envelope(2, 100_000)].iter().enumerate() {
            let entry = scene.enter(signature).unwrap();
            assert_eq!(entry.log(), scene.log().server().url());
            let stored = entry.to_bundle_json().unwrap();
            let again = LogEntry::read_bundle_json(&stored, signature, &scene.root()).unwrap();
            assert_eq!(again, entry);
            let in_tree = if version == 1 { 1001 } else { 1 } + index as u64;
            assert_eq!(entry.index(), in_tree);
            if let Some(annotation) = entry.to_annotation() {
                LogEntry::read_annotation(&annotation, signature, &scene.root()).unwrap();
            }
        }
        assert_eq!(scene.posts(), [2]);
    }
}

/// EVD-37, EVD-38
#[test]
fn a_signature_that_a_log_has_already_is_read_from_there() {
    for (version, before) in [(1, 0), (2, 0), (2, 300), (2, 520)] {
        let scene = Scene::of(version, 1);
        scene.log().grow(before);
        for signature in [payload(1), envelope(2, 10)] {
            let first = scene.enter(&signature).unwrap();
            scene.log().grow(40);
            let entries = scene.log().bodies().len();
            let second = scene.enter(&signature).unwrap();
            assert_eq!(scene.log().bodies().len(), entries);
            assert_eq!(
                (first.index(), first.time()),
                (second.index(), second.time())
            );
            let stored = second.to_bundle_json().unwrap();
            LogEntry::read_bundle_json(&stored, &signature, &scene.root()).unwrap();
        }
    }
}

/// EVD-37
#[test]
fn a_tile_that_is_left_in_full_alone_does_as_well() {
    let scene = Scene::of(2, 1);
    scene.log().grow(100);
    let signature = payload(1);
    scene.enter(&signature).unwrap();
    let note = scene.log().server().asked("GET", "checkpoint");
    assert!(note.is_empty());
    // The tree grows between checkpoint and tiles.
    let log = scene.log().clone();
    let grow = Action::after(move || log.grow(200));
    let when = When::first("GET", "checkpoint");
    scene.log().server().inject(when, grow);
    scene.enter(&signature).unwrap();
    let tiles = scene.log().server().asked("GET", "tile");
    let statuses: Vec<_> = tiles
        .iter()
        .map(|tile| (tile.path(), tile.status))
        .collect();
    let expected = [
        ("/api/v2/tile/0/000.p/102", Some(404)),
        ("/api/v2/tile/0/000", Some(200)),
    ];
    assert_eq!(statuses, expected);
}

/// EVD-29, EVD-39: also after a failure what stands in a log is known.
#[test]
fn an_answer_that_does_not_hold_is_a_failure_of_the_log() {
    for version in [1, 2] {
        for fault in Fault::ALL {
            if (version, fault) == (2, Fault::AnotherPromise) {
                continue;
            }
            let scene = Scene::of(version, 1);
            scene.log().suffer(fault);
            let (outcome, claimed) = scene.enter_by(Rule::Any, &[payload(1)]).remove(0);
            let error = outcome.unwrap_err();
            let kind = error.kind();
            assert_eq!(kind, FaultKind::Witness, "{fault:?} {:?}", error);
            let is_claimed = match fault {
                Fault::ConflictPastCheckpoint => version == 2,
                Fault::ConflictWithoutPlace
                | Fault::Frozen
                | Fault::TooLarge
                | Fault::Refused
                | Fault::Garbage => false,
                _ => true,
            };
            let expected = usize::from(is_claimed);
            assert_eq!(claimed.len(), expected, "{version} {fault:?}");
        }
    }
}

/// EVD-37: a log that lies about where the entry stands.
#[test]
fn another_entry_at_the_index_is_refused() {
    let scene = Scene::of(2, 1);
    scene.enter(&payload(1)).unwrap();
    let conflict = Answer::new(409).with("x-log-index", "0");
    let when = When::first("POST", POST);
    scene.log().server().inject(when, Action::Answer(conflict));
    let error = scene.enter(&payload(1)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("another signature"), "{text}");
}

/// EVD-40
#[test]
fn a_frozen_log_is_asked_at_most_twice() {
    for version in [1, 2] {
        let scene = Scene::of(version, 1);
        scene.log().suffer(Fault::Frozen);
        // However slow it is.
        let slow = Action::Delay(Duration::from_millis(400));
        scene.log().server().inject(When::every("POST", POST), slow);
        let all: Vec<_> = (0..12).map(payload).collect();
        for outcome in scene.enter_by(Rule::Any, &all) {
            let error = outcome.0.unwrap_err().to_string();
            assert!(error.contains("frozen"), "{error}");
        }
        assert!(scene.posts()[0] <= 2, "{:?}", scene.posts());
    }
}

/// EVD-41
#[test]
fn signatures_are_entered_at_the_same_time() {
    let scene = Scene::of(2, 1);
    let slow = Duration::from_millis(700);
    let server = scene.log().server();
    server.inject(When::every("POST", POST), Action::Delay(slow));
    let all: Vec<_> = (0..8).map(payload).collect();
    let began = Instant::now();
    let outcomes = scene.enter_by(Rule::Any, &all);
    assert!(outcomes.iter().all(|(outcome, _)| outcome.is_ok()));
    // One after the other they would take 5.6 s.
    assert!(began.elapsed() < slow * 4, "{:?}", began.elapsed());
}

/// EVD-42
#[test]
fn as_many_logs_are_asked_as_the_rule_wants() {
    for (rule, posts) in [
        (Rule::Any, [1, 0, 0]),
        (Rule::Exact(2), [1, 1, 0]),
        (Rule::All, [1, 1, 1]),
    ] {
        let scene = Scene::of(2, 3);
        let mut outcomes = scene.enter_by(rule, &[payload(1)]);
        let entries = outcomes.remove(0).0.unwrap();
        assert_eq!(
            (entries.len(), scene.posts()),
            (posts.iter().sum(), posts.to_vec())
        );
    }
}

/// EVD-42, EVD-39
#[test]
fn another_log_takes_the_place_of_one_that_fails() {
    for (rule, found) in [
        (Rule::Any, Ok(vec![1])),
        (Rule::Exact(2), Ok(vec![1, 2])),
        (Rule::All, Err(2)),
    ] {
        let scene = Scene::of(2, 3);
        scene.log().suffer(Fault::WrongRoot);
        let (outcome, claimed) = scene.enter_by(rule, &[payload(1)]).remove(0);
        let url = |number: &usize| scene.logs[*number].server().url();
        // The entry in the first is there for ever, too.
        let log = format!("{}/", url(&0));
        assert!(claimed.contains(&Claimed { log, index: 1 }), "{claimed:?}");
        match (outcome, found) {
            (Ok(entries), Ok(expected)) => {
                let found: Vec<_> = entries.iter().map(LogEntry::log).collect();
                assert_eq!(found, expected.iter().map(url).collect::<Vec<_>>());
                assert_eq!(claimed.len(), expected.len() + 1);
            }
            (Err(_), Err(entered)) => assert_eq!(claimed.len(), entered + 1),
            (outcome, _) => panic!("{rule:?}: {outcome:?}"),
        }
    }
}

/// EVD-98, EVD-39: one log at two addresses is one witness.
#[test]
fn a_log_that_is_asked_twice_vouches_once() {
    for version in [1, 2] {
        let mut scene = Scene::of(version, 1);
        scene.logs.push(scene.logs[0].clone());
        let localhost = |url: &str| url.replace("127.0.0.1", "localhost");
        let mut choice = scene.choice(Rule::All);
        choice.services[1].url = localhost(choice.services[1].url.as_str()).parse().unwrap();
        let (outcome, claimed) = scene.enter_in(&choice, &[payload(1)]).remove(0);
        let error = outcome.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("it is the same witness as `http://"),
            "{text}"
        );
        assert_eq!(claimed.len(), 2, "{text}");
    }
}

/// EVD-40: two are no more than a question and one of them.
#[test]
fn a_log_of_few_signatures_is_asked_nothing_else() {
    for version in [1, 2] {
        for (count, posts) in [(2, 2), (3, 4)] {
            let scene = Scene::of(version, 1);
            let some: Vec<_> = (0..count).map(payload).collect();
            let outcomes = scene.enter_by(Rule::Any, &some);
            assert!(outcomes.iter().all(|(outcome, _)| outcome.is_ok()));
            assert_eq!(scene.posts(), [posts]);
        }
    }
}

/// EVD-39, EVD-42: what a log says it has is known, also if it takes long to prove it.
#[test]
fn an_entry_of_a_log_that_is_late_is_known() {
    let mut scene = Scene::of(2, 2);
    let first = scene.enter(&payload(1)).unwrap();
    scene.late = Duration::from_millis(200);
    let slow = Action::Delay(Duration::from_secs(20));
    let when = When::every("GET", "checkpoint");
    scene.log().server().inject(when, slow);
    let (outcome, claimed) = scene.enter_by(Rule::Any, &[payload(1)]).remove(0);
    let [log, other] = [0, 1].map(|number: usize| scene.logs[number].server().url());
    let entries = outcome.unwrap();
    let found: Vec<_> = entries.iter().map(LogEntry::log).collect();
    assert_eq!(found, [&*other]);
    let (log, index) = (format!("{log}/"), first.index());
    assert_eq!(claimed[0], Claimed { log, index });
    assert_eq!(claimed.len(), 2);
}

/// EVD-39: a log of version 1 says the name of an entry, and no index.
#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let scene = Scene::of(1, 1);
    scene.enter(&payload(1)).unwrap();
    let failing = Action::status(400);
    let when = When::every("GET", "log/entries");
    scene.log().server().inject(when, failing);
    let error = scene.enter(&payload(1)).unwrap_err();
    let asked = scene.log().server().asked("GET", "log/entries");
    let text = error.to_string();
    assert!(text.contains(asked[0].path()), "{text}");
}

/// EVD-40: 503 is a reason to ask again.
#[test]
fn a_log_with_too_much_to_do_is_asked_again() {
    for version in [1, 2] {
        let scene = Scene::of(version, 1);
        let busy = Answer::new(503).body("text/plain", "reached max pushback; retry");
        let when = When::first("POST", POST);
        scene.log().server().inject(when, Action::Answer(busy));
        scene.enter(&payload(1)).unwrap();
        assert_eq!(scene.posts(), [2]);
    }
}

/// EVD-43
#[test]
fn a_document_that_a_log_will_not_take_is_not_sent() {
    let scene = Scene::of(1, 1);
    let length = usize::try_from(LONGEST_V1).unwrap();
    let signature = envelope(1, length / 4 * 3);
    let error = scene.enter(&signature).unwrap_err();
    assert!(
        matches!(error.trouble, Trouble::Oversized { .. }),
        "{error}"
    );
    assert_eq!(scene.posts(), [0]);
    let scene = Scene::of(2, 1);
    scene.enter(&signature).unwrap();
}

/// EVD-35
#[test]
fn a_key_that_a_log_refuses_is_not_sent() {
    let scene = Scene::of(2, 1);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = rcgen::PublicKeyData::subject_public_key_info(&key);
    let signature = Loggable {
        verifier: EntryVerifier::of_key(&PublicKey::from_der(key)).unwrap(),
        ..payload(1)
    };
    let error = scene.enter(&signature).unwrap_err();
    assert!(matches!(error.trouble, Trouble::Unfit { .. }), "{error}");
    assert_eq!(scene.posts(), [0]);
}

/// EVD-37: an entry may come into the tree after the next checkpoint only.
#[test]
fn an_entry_behind_the_checkpoint_is_waited_for() {
    let scene = Scene::of(2, 1);
    let earlier = scene.enter(&payload(1)).unwrap().to_bundle_json().unwrap();
    let earlier: serde_json::Value = serde_json::from_str(&earlier).unwrap();
    let old = earlier
        .pointer("/inclusionProof/checkpoint/envelope")
        .unwrap();
    let old = Answer::new(200).body("text/plain", old.as_str().unwrap().to_owned());
    let first = scene.enter(&payload(2)).unwrap();
    let server = scene.log().server();
    server.inject(When::first("GET", "checkpoint"), Action::Answer(old));
    let again = scene.enter(&payload(2)).unwrap();
    assert_eq!(again.index(), first.index());
    assert_eq!(server.asked("GET", "checkpoint").len(), 2);
}

/// EVD-38: another process may be entering the signature at this moment.
#[test]
fn an_entry_that_is_not_readable_yet_is_waited_for() {
    let scene = Scene::of(1, 1);
    let first = scene.enter(&payload(1)).unwrap();
    let server = scene.log().server();
    server.inject(When::first("GET", "entries"), Action::status(404));
    assert_eq!(scene.enter(&payload(1)).unwrap().index(), first.index());
    assert_eq!(server.asked("GET", "entries").len(), 2);
}
