//! Programs that speak sigstore's plugin protocol (sigstore v1.10
//! `pkg/signature/kms/cliplugin`): one process for each question, which is
//! JSON in an argument; the message comes on standard input.
//!
//! Implements KEY-111 to KEY-113, and for tokens KEY-151. The names and the
//! nesting of all members are the protocol's. The other side of it, as a program
//! of ours answers it, is `pkcs11::{request, answer}`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::{Mutex, Semaphore};

use super::found::FoundKey;
use super::message::{Prepared, Unsigned, each};
use super::programs::{pass_on, permits, processors};
use crate::child::{self, Bounds, Words};
use crate::keys::SignError;
use crate::keys::error::OpenError;
use crate::keys::public;
use crate::oci::Content;
use crate::secret::Secrets;
use crate::service::{
    PROGRAM_TIME, ServiceError, ServiceName, Trouble, Variables, last_words, quoted,
};

/// The version of the protocol, which is the first argument too.
/// sigstore's README calls it a number; it is this text.
const VERSION: &str = "v1";
/// The plugin for keys in tokens, and the variable of its PIN.
const TOKENS: &str = "pkcs11";
const PIN: &str = "COSIGN_PKCS11_PIN";
/// SHA-256 among Go's `crypto.Hash`.
/// It goes with every question, as cosign's does: a message without a digest is
/// to be hashed by it.
const SHA256: u8 = 5;
/// KEY-113. An answer is a public key or one signature.
const BOUNDS: Bounds = Bounds {
    time: PROGRAM_TIME,
    answer: 64 * 1024,
};

/// A plugin that was found.
pub(super) struct ClosedPlugin(PluginSigner);

/// A plugin, and the name that it knows the key by.
pub(super) struct PluginSigner {
    name: ServiceName,
    program: PathBuf,
    /// Behind `NAME://`. It stands in an argument, which other users of the machine
    /// see: no secret is in it (KEY-116).
    resource: String,
    secrets: Secrets,
    /// One for each program of the run that runs.
    permits: Arc<Semaphore>,
    /// Held while the program runs, by keys of which only one may be asked at a
    /// time.
    turn: Option<Arc<Mutex<()>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PluginQuestion<'a> {
    init_options: InitOptions<'a>,
    method_name: &'static str,
    #[serde(flatten)]
    method: PluginMethod,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitOptions<'a> {
    /// RFC 3339. The program is killed then, if it has not ended.
    ctx_deadline: &'a str,
    protocol_version: &'static str,
    #[serde(rename = "keyResourceID")]
    key_resource_id: &'a str,
    hash_func: u8,
    rpc_options: RpcOptions,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct RpcOptions {
    /// Always empty, as cosign sends it.
    key_version: &'static str,
    remote_verification: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum PluginMethod {
    #[serde(rename_all = "camelCase")]
    PublicKey { public_key_options: PluginOptions },
    #[serde(rename_all = "camelCase")]
    SignMessage { sign_options: SignOptions },
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct PluginOptions {
    rpc_options: RpcOptions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignOptions {
    rpc_options: RpcOptions,
    message_options: PluginMessageOptions,
}

#[derive(Serialize)]
struct PluginMessageOptions {
    /// Base64; null for a key that signs messages. cosign 2.6 sends null for every
    /// key, cosign 3 a digest, so that plugins know both.
    digest: Option<String>,
}

/// An answer. Members that are not asked for are ignored. One that is lacking is an
/// error here; Go's side of the protocol panics.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PluginAnswer {
    error_message: Option<String>,
    public_key: Option<PluginPublicKey>,
    sign_message: Option<SignMessageAnswer>,
}

/// Base64 of PEM: Go's `[]byte` in JSON.
#[derive(Deserialize)]
struct PluginPublicKey {
    #[serde(rename = "publicKeyPEM")]
    public_key_pem: String,
}

/// Base64 of the signature.
#[derive(Deserialize)]
struct SignMessageAnswer {
    signature: String,
}

impl ClosedPlugin {
    /// Looks for `sigstore-kms-<name>` in `PATH`. No process is started.
    pub(super) fn find(
        name: &str,
        resource: &str,
        variables: &Variables,
    ) -> Result<Self, OpenError> {
        Self::find_in(&variables.program_path(), name, resource, variables)
    }

    /// Looks for the program of tokens in `PATH`, and then beside this program
    /// (KEY-151). That program takes the PIN from its environment by itself; it is
    /// read here so that no output repeats it.
    pub(super) fn find_for_token(resource: &str, variables: &Variables) -> Result<Self, OpenError> {
        let path = variables.program_path();
        let beside = std::env::current_exe().ok();
        let beside = beside.as_deref().and_then(Path::parent).map(PathBuf::from);
        let folders = std::env::split_paths(&path).chain(beside);
        let path = std::env::join_paths(folders).unwrap_or(path.clone());
        let _remembered = variables.secret(PIN);
        let Self(mut key) = Self::find_in(&path, TOKENS, resource, variables)?;
        // A card has one user at a time, and libraries count on that: SoftHSM shows
        // no token to a second process for a moment.
        key.turn = Some(variables.shared(TOKENS, || Ok::<_, OpenError>(Mutex::default()))?);
        Ok(Self(key))
    }

    fn find_in(
        path: &OsStr,
        name: &str,
        resource: &str,
        variables: &Variables,
    ) -> Result<Self, OpenError> {
        let service = ServiceName::Plugin(name.to_owned());
        let program = format!("sigstore-kms-{name}");
        let Some(program) = child::find(&program, path) else {
            return Err(service.failed(Trouble::NoProgram).into());
        };
        variables.files().note(&program, "a program");
        Ok(Self(PluginSigner {
            name: service,
            program,
            resource: resource.to_owned(),
            secrets: variables.secrets().clone(),
            permits: permits(variables),
            turn: None,
        }))
    }

    /// Asks for the public key, with nothing on standard input. The key is bound to
    /// no hash: each question names SHA-256.
    pub(super) async fn open(self) -> Result<(PluginSigner, FoundKey), OpenError> {
        let Self(key) = self;
        let method = PluginMethod::PublicKey {
            public_key_options: PluginOptions::default(),
        };
        let answer = key
            .ask("publicKey", method, &Content::from(Vec::new()))
            .await?;
        let pem = answer.public_key.map(|answer| answer.public_key_pem);
        let pem = pem.and_then(|pem| STANDARD.decode(pem).ok());
        let public = pem.and_then(|pem| public::public_key(&pem).ok());
        let public = public.ok_or_else(|| key.useless("publicKey", "it holds no public key"))?;
        let found = FoundKey {
            public,
            hash: None,
            version: None,
        };
        Ok((key, found))
    }
}

impl PluginSigner {
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        each(messages, processors(), |message| self.sign_one(message)).await
    }

    async fn sign_one(&self, prepared: &Prepared) -> Result<Vec<u8>, SignError> {
        let digest = prepared.prehash.as_deref();
        let method = PluginMethod::SignMessage {
            sign_options: SignOptions {
                rpc_options: RpcOptions::default(),
                message_options: PluginMessageOptions {
                    digest: digest.map(|digest| STANDARD.encode(digest)),
                },
            },
        };
        let message = &prepared.message.content;
        let answer = self.ask("signMessage", method, message).await?;
        let signature = answer.sign_message.map(|answer| answer.signature);
        let signature = signature.and_then(|signature| STANDARD.decode(signature).ok());
        let useless = || self.useless("signMessage", "it holds no signature");
        Ok(signature.ok_or_else(useless)?)
    }

    /// Runs the program for one question. The message is offered to it also where
    /// the digest is in the question, as cosign 3 does; a program that does not
    /// read it closes the pipe (KEY-112).
    async fn ask(
        &self,
        name: &'static str,
        method: PluginMethod,
        message: &Content,
    ) -> Result<PluginAnswer, ServiceError> {
        let _turn = match &self.turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        // Behind the turn: a plugin that waits for a card keeps no other program from
        // its work. The semaphore is never closed, so that this never fails.
        let _permit = self.permits.acquire().await.ok();
        let question = self.question(name, method);
        let mut command = Command::new(&self.program);
        command.args([VERSION, &question]);
        let answer = child::run(command, message, Words::Kept, BOUNDS).await;
        let answer = answer.map_err(|error| self.name.failed(error))?;
        pass_on(&self.name, &answer.words, &self.secrets);
        // The protocol ignores the exit status: a plugin that fails says so in
        // `errorMessage`, and one that says nothing has died.
        if answer.output.trim_ascii().is_empty() {
            let words = last_words(&answer.words, &self.secrets);
            return Err(self.name.failed(Trouble::Failed(words)));
        }
        self.read(name, &answer.output)
    }

    /// Reads an answer. One that is an error is the plugin's own word for its failure.
    fn read(&self, name: &'static str, output: &[u8]) -> Result<PluginAnswer, ServiceError> {
        let parsed = parse(output);
        let parsed =
            parsed.ok_or_else(|| self.useless(name, "it is not the JSON of the protocol"))?;
        match parsed.error_message.as_deref() {
            None | Some("") => Ok(parsed),
            Some(message) => {
                let words = quoted(message, &self.secrets);
                Err(self.name.failed(Trouble::Failed(words)))
            }
        }
    }

    fn question(&self, name: &'static str, method: PluginMethod) -> String {
        let deadline = Timestamp::now() + PROGRAM_TIME;
        let question = PluginQuestion {
            init_options: InitOptions {
                ctx_deadline: &deadline.to_string(),
                protocol_version: VERSION,
                key_resource_id: &self.resource,
                hash_func: SHA256,
                rpc_options: RpcOptions::default(),
            },
            method_name: name,
            method,
        };
        // Texts and numbers always are JSON, so that this never is the empty text.
        serde_json::to_string(&question).unwrap_or_default()
    }

    fn useless(&self, name: &str, reason: &'static str) -> ServiceError {
        let action = format!("`{name}`");
        self.name.failed(Trouble::Answer { action, reason })
    }
}

/// A plugin's answer, if it is one.
pub(super) fn parse(output: &[u8]) -> Option<PluginAnswer> {
    serde_json::from_slice(output).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from cosign v3.1.2, but for the deadline.
    #[test]
    fn the_question_is_that_of_the_protocol() {
        let key = PluginSigner {
            name: ServiceName::Plugin("x".to_owned()),
            program: PathBuf::new(),
            resource: "my/key id?x=1".to_owned(),
            secrets: Secrets::default(),
            permits: Arc::new(Semaphore::new(1)),
            turn: None,
        };
        let method = PluginMethod::SignMessage {
            sign_options: SignOptions {
                rpc_options: RpcOptions::default(),
                message_options: PluginMessageOptions {
                    digest: Some("YQ==".to_owned()),
                },
            },
        };
        let question = key.question("signMessage", method);
        let mut question: serde_json::Value = serde_json::from_str(&question).unwrap();
        let deadline = question["initOptions"]["ctxDeadline"].take();
        let deadline: Timestamp = deadline.as_str().unwrap().parse().unwrap();
        assert!(deadline > Timestamp::now());
        assert_eq!(
            question,
            serde_json::json!({
                "initOptions": {
                    "ctxDeadline": null,
                    "protocolVersion": "v1",
                    "keyResourceID": "my/key id?x=1",
                    "hashFunc": 5,
                    "rpcOptions": {"keyVersion": "", "remoteVerification": false},
                },
                "methodName": "signMessage",
                "signMessage": {"signOptions": {
                    "rpcOptions": {"keyVersion": "", "remoteVerification": false},
                    "messageOptions": {"digest": "YQ=="},
                }},
            })
        );
    }
}
