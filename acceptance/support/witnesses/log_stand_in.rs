//! A log that lets things go wrong: it keeps bodies as Rekor does, in a tree of its
//! own, and signs real checkpoints and promises, so that real cosign accepts what it
//! answers while nothing is wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files::{Listed, Role};
use crate::support::registry::Answer;
use crate::support::services::stand_in::{Recorded, StandIn};

type Node = [u8; 32];

/// The number of the tree of Rekor v1.
const TREE: u64 = 1_193_050_959_916_656_506;
const NAME: &str = "127.0.0.1";
/// The body of somebody else.
const ANOTHER: &str = r#"{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{}}"#;

/// The fault of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The checkpoint is signed over other text.
    BadSignature,
    /// The signed checkpoint has another root.
    WrongRoot,
    /// The signed checkpoint is of a log of another name.
    WrongOrigin,
    /// The checkpoint has lines that a log does not write.
    ExtraLines,
    /// The answer is the entry of something else, and holds.
    AnotherEntry,
    /// The promise is that of another entry.
    AnotherPromise,
    /// Everything is there already, nobody says where.
    ConflictWithoutPlace,
    /// Everything is there already, behind the end of the tree.
    ConflictPastCheckpoint,
    /// 405
    Frozen,
    /// 413
    TooLarge,
    /// 400
    Refused,
    /// 200 with something else.
    Garbage,
}

impl Fault {
    /// Those of which each must end a run.
    pub const ALL: [Self; 12] = [
        Self::BadSignature,
        Self::WrongRoot,
        Self::WrongOrigin,
        Self::ExtraLines,
        Self::AnotherEntry,
        Self::AnotherPromise,
        Self::ConflictWithoutPlace,
        Self::ConflictPastCheckpoint,
        Self::Frozen,
        Self::TooLarge,
        Self::Refused,
        Self::Garbage,
    ];
}

/// A log of Rekor v1 and v2 at once, which share the tree. A clone is the same one.
#[derive(Clone)]
pub struct LogStandIn {
    server: StandIn,
    shared: Arc<Shared>,
}

struct Shared {
    key: KeyPair,
    bodies: Mutex<Vec<Vec<u8>>>,
    fault: Mutex<Option<Fault>>,
}

impl LogStandIn {
    /// With one entry of somebody else.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            key: KeyPair::generate().expect("a key"),
            bodies: Mutex::new(vec![ANOTHER.as_bytes().to_vec()]),
            fault: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        Self {
            server: StandIn::start(move |asked| serving.answer(asked)),
            shared,
        }
    }

    /// The server, which has its requests and further faults.
    pub fn server(&self) -> &StandIn {
        &self.server
    }

    /// From now on, this is wrong.
    pub fn suffer(&self, fault: impl Into<Option<Fault>>) {
        *lock(&self.shared.fault) = fault.into();
    }

    /// As the files list it.
    pub fn listed(&self, version: u32) -> Listed {
        let pem = self.shared.key.public_key_pem();
        Listed::new(Role::Log(version), self.server.url(), pem)
    }

    /// The bodies of all entries, in the order of their indices.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.bodies).clone()
    }

    /// Entries of others, so that the tree has more than one tile.
    pub fn grow(&self, count: usize) {
        let mut bodies = lock(&self.shared.bodies);
        for _ in 0..count {
            let body = format!("{{\"number\":{}}}", bodies.len());
            bodies.push(body.into_bytes());
        }
    }
}

impl Shared {
    fn answer(&self, asked: &Recorded) -> Answer {
        let fault = *lock(&self.fault);
        let path = asked.path();
        match (asked.method.as_str(), path) {
            ("POST", _) if fault == Some(Fault::Frozen) => {
                Answer::new(405).body("text/plain", "This log has been frozen")
            }
            ("POST", _) if fault == Some(Fault::TooLarge) => Answer::json(
                413,
                &json!({"code": 413, "message": "Request Entity Too Large"}),
            ),
            ("POST", _) if fault == Some(Fault::Refused) => Answer::json(
                400,
                &json!({"code": 3, "message": "invalid hashedrekord request"}),
            ),
            ("POST", _) if fault == Some(Fault::Garbage) => {
                Answer::new(201).body("text/html", "<html>hello</html>")
            }
            ("POST", "/api/v2/log/entries") => self.enter(&body_v2(&asked.json()), 2, fault),
            ("POST", "/api/v1/log/entries") => self.enter(&body_v1(&asked.json()), 1, fault),
            ("GET", "/api/v2/checkpoint") => {
                Answer::new(200).body("text/plain", self.checkpoint(NAME, fault, &self.leaves()))
            }
            ("GET", _) => match path.strip_prefix("/api/v2/tile/") {
                Some(tile) => self.tile(tile),
                None => match path.strip_prefix("/api/v1/log/entries/") {
                    Some(uuid) => self.standing(uuid, fault),
                    None => Answer::new(404),
                },
            },
            _ => Answer::new(501),
        }
    }

    fn enter(&self, body: &[u8], version: u32, fault: Option<Fault>) -> Answer {
        let conflict = match version {
            2 => Answer::json(
                409,
                &json!({"code": 6, "message": "an equivalent entry exists"}),
            ),
            _ => Answer::json(
                409,
                &json!({"code": 409, "message": "an equivalent entry exists"}),
            ),
        };
        let index = {
            let mut bodies = lock(&self.bodies);
            let size = bodies.len();
            let known = bodies.iter().position(|known| known == body);
            match (fault, known, version) {
                (Some(Fault::ConflictWithoutPlace), ..) => return conflict,
                (Some(Fault::ConflictPastCheckpoint), _, 2) => {
                    return conflict.with("x-log-index", (size + 5).to_string());
                }
                (Some(Fault::ConflictPastCheckpoint), ..) => {
                    return conflict.with("location", place(&[0; 32]));
                }
                (_, Some(index), 2) => return conflict.with("x-log-index", index.to_string()),
                (_, Some(_), _) => return conflict.with("location", place(&leaf(body))),
                (_, None, _) => {}
            }
            bodies.push(body.to_vec());
            size
        };
        let index = match fault {
            Some(Fault::AnotherEntry) => 0,
            _ => index,
        };
        match version {
            2 => Answer::json(201, &self.entry_v2(index, fault)),
            _ => Answer::json(201, &self.entry_v1(index, fault)),
        }
    }

    fn entry_v2(&self, index: usize, fault: Option<Fault>) -> Value {
        let leaves = self.leaves();
        let path = path(index, &leaves);
        let hashes: Vec<String> = path.iter().map(|hash| STANDARD.encode(hash)).collect();
        json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": STANDARD.encode(self.id())},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": null,
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": STANDARD.encode(wrong_or_root(fault, &leaves)),
                "treeSize": leaves.len().to_string(),
                "hashes": hashes,
                "checkpoint": {"envelope": self.checkpoint(NAME, fault, &leaves)},
            },
            "canonicalizedBody": STANDARD.encode(self.body(index)),
        })
    }

    fn entry_v1(&self, index: usize, fault: Option<Fault>) -> Value {
        let leaves = self.leaves();
        let hashes: Vec<String> = path(index, &leaves).iter().map(hex::encode).collect();
        let body = STANDARD.encode(self.body(index));
        let (id, time) = (hex::encode(self.id()), 1_750_000_000);
        // Counted over all trees of the log.
        let number = index + 1000;
        let promised = match fault {
            Some(Fault::AnotherPromise) => number + 1,
            _ => number,
        };
        let promised =
            json!({"body": body, "integratedTime": time, "logID": id, "logIndex": promised});
        let promise = self
            .key
            .sign(promised.to_string().as_bytes())
            .expect("a signature");
        let origin = format!("{NAME} - {TREE}");
        let uuid = format!("{TREE:016x}{}", hex::encode(leaves[index]));
        json!({uuid: {
            "body": body,
            "integratedTime": time,
            "logID": id,
            "logIndex": number,
            "verification": {
                "inclusionProof": {
                    "checkpoint": self.checkpoint(&origin, fault, &leaves),
                    "hashes": hashes,
                    "logIndex": index,
                    "rootHash": hex::encode(wrong_or_root(fault, &leaves)),
                    "treeSize": leaves.len(),
                },
                "signedEntryTimestamp": STANDARD.encode(promise),
            },
        }})
    }

    fn standing(&self, uuid: &str, fault: Option<Fault>) -> Answer {
        let leaves = self.leaves();
        let known = |leaf: &Node| uuid.ends_with(&hex::encode(leaf));
        match leaves.iter().position(known) {
            Some(index) => Answer::json(200, &self.entry_v1(index, fault)),
            None => Answer::new(404),
        }
    }

    fn checkpoint(&self, origin: &str, fault: Option<Fault>, leaves: &[Node]) -> String {
        let name = origin.split(" - ").next().unwrap_or_default();
        let origin = match fault {
            Some(Fault::WrongOrigin) => origin.replace(NAME, "log.example"),
            _ => origin.to_owned(),
        };
        let (size, root) = (leaves.len(), STANDARD.encode(wrong_or_root(fault, leaves)));
        let mut text = format!("{origin}\n{size}\n{root}\n");
        let signed = match fault {
            Some(Fault::BadSignature) => "other text\n".to_owned(),
            // A log of Rekor v1 may sign more lines: there they are put in later.
            Some(Fault::ExtraLines) if origin == NAME => {
                text.push_str("more\n");
                text.clone()
            }
            _ => text.clone(),
        };
        let signature = self.key.sign(signed.as_bytes()).expect("a signature");
        if fault == Some(Fault::ExtraLines) && origin != NAME {
            text.push_str("more\n");
        }
        let line = STANDARD.encode([&self.id()[..4], &signature].concat());
        format!("{text}\n\u{2014} {name} {line}\n")
    }

    /// `<level>/<number>[.p/<width>]`, of a number with less than four digits. A full
    /// tile replaces the partial ones.
    fn tile(&self, path: &str) -> Answer {
        let (path, width) = path.split_once(".p/").unwrap_or((path, "256"));
        let (level, number) = path.split_once('/').expect("a level");
        let numbers = (level.parse::<u32>(), number.parse(), width.parse::<usize>());
        let (Ok(level), Ok(number), Ok(width)) = numbers else {
            return Answer::new(400);
        };
        let mut hashes = self.leaves();
        for _ in 0..level {
            hashes = hashes.chunks_exact(256).map(root).collect();
        }
        match hashes.chunks(256).nth(number) {
            Some(tile) if tile.len() == width => {
                Answer::new(200).body("application/octet-stream", tile.concat())
            }
            _ => Answer::new(404),
        }
    }

    fn id(&self) -> Node {
        Sha256::digest(self.key.subject_public_key_info()).into()
    }

    fn body(&self, index: usize) -> Vec<u8> {
        lock(&self.bodies)[index].clone()
    }

    fn leaves(&self) -> Vec<Node> {
        lock(&self.bodies).iter().map(|body| leaf(body)).collect()
    }
}

fn wrong_or_root(fault: Option<Fault>, leaves: &[Node]) -> Node {
    match fault {
        Some(Fault::WrongRoot) => [7; 32],
        _ => root(leaves),
    }
}

/// The body that Rekor v2 keeps.
fn body_v2(request: &Value) -> Vec<u8> {
    let request = &request["hashedRekordRequestV002"];
    let algorithm = match request["signature"]["verifier"]["keyDetails"].as_str() {
        Some("PKIX_ECDSA_P384_SHA_384") => "SHA2_384",
        Some("PKIX_ECDSA_P521_SHA_512") => "SHA2_512",
        _ => "SHA2_256",
    };
    let body = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {
            "data": {"algorithm": algorithm, "digest": request["digest"]},
            "signature": request["signature"],
        }},
    });
    body.to_string().into_bytes()
}

/// The body that Rekor v1 keeps.
fn body_v1(request: &Value) -> Vec<u8> {
    if request["kind"] != "dsse" {
        return request.to_string().into_bytes();
    }
    let content = &request["spec"]["proposedContent"];
    let text = content["envelope"].as_str().unwrap_or_default();
    let envelope: Value = serde_json::from_str(text).unwrap_or_default();
    let payload = envelope["payload"].as_str().unwrap_or_default();
    let payload = STANDARD.decode(payload).unwrap_or_default();
    let hash =
        |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex::encode(Sha256::digest(bytes))});
    let body = json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": hash(text.as_bytes()),
            "payloadHash": hash(&payload),
            "signatures": [{
                "signature": envelope["signatures"][0]["sig"],
                "verifier": content["verifiers"][0],
            }],
        },
    });
    body.to_string().into_bytes()
}

/// Where an entry of Rekor v1 is read.
fn place(leaf: &Node) -> String {
    format!("/api/v1/log/entries/{TREE:016x}{}", hex::encode(leaf))
}

fn leaf(body: &[u8]) -> Node {
    Sha256::new()
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into()
}

fn parent(left: &Node, right: &Node) -> Node {
    let hash = Sha256::new().chain_update([1]).chain_update(left);
    hash.chain_update(right).finalize().into()
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Node]) -> Node {
    match leaves {
        [] => Sha256::digest(b"").into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = halves(leaves);
            parent(&root(left), &root(right))
        }
    }
}

/// RFC 6962, section 2.1.1.
fn path(index: usize, leaves: &[Node]) -> Vec<Node> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = halves(leaves);
    let (mut below, beside) = match index < left.len() {
        true => (path(index, left), root(right)),
        false => (path(index - left.len(), right), root(left)),
    };
    below.push(beside);
    below
}

fn halves(leaves: &[Node]) -> (&[Node], &[Node]) {
    leaves.split_at(1 << (leaves.len() - 1).ilog2())
}

/// A panic in another test thread must not hide this one's failure.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
