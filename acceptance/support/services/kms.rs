//! Emulators of AWS KMS; they check no signatures of requests.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Caller, Service};
use crate::support::served::Served;

const READY_WITHIN: Duration = Duration::from_secs(60);
pub const REGION: &str = "eu-west-1";

/// The emulator's maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// Lists PSS before PKCS#1, and knows no Ed25519. It listens at all addresses.
    LocalKms,
    /// Lists PKCS#1 first, and knows Ed25519.
    Ministack,
}

impl Emulator {
    pub const ALL: [Self; 2] = [Self::LocalKms, Self::Ministack];

    pub fn service(self) -> Service {
        match self {
            Self::LocalKms => Service::LocalKms,
            Self::Ministack => Service::Ministack,
        }
    }

    fn command(self, port: u16, folder: &Path) -> Command {
        let mut command = self.service().command();
        match self {
            Self::LocalKms => command
                .env("PORT", port.to_string())
                .env("KMS_REGION", REGION)
                .env("KMS_DATA_PATH", folder.join("data")),
            Self::Ministack => command
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", "127.0.0.1")
                .env("MINISTACK_REGION", REGION)
                // It would listen at 8883, for everybody.
                .env("IOT_MTLS_ENABLED", "0"),
        };
        command.env("HOME", folder).current_dir(folder);
        command
    }
}

/// A running emulator.
pub struct Kms {
    served: Served,
    caller: Caller,
}

impl Kms {
    pub fn start(emulator: Emulator) -> Self {
        let caller = |port| caller(&format!("http://127.0.0.1:{port}"));
        let served = Served::start(
            READY_WITHIN,
            |port, folder| emulator.command(port, folder),
            |port| {
                let answer = ask(&caller(port), "ListKeys", &json!({}));
                answer.is_some_and(|(status, _)| status == 200)
            },
        );
        let caller = caller(served.port());
        Self { served, caller }
    }

    /// `http://127.0.0.1:<port>`, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.served.host())
    }

    /// The variables of a client that uses it.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAACCEPTANCE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-acceptance".to_owned()),
        ]
    }

    /// Does `TrentService.<operation>`.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn must(&self, operation: &str, asked: &Value) -> Value {
        let (status, value) = ask(&self.caller, operation, asked).expect("an answer");
        assert_eq!(status, 200, "{operation}: {value}");
        value
    }

    /// A key that signs: `ECC_NIST_P256`, `RSA_2048`, `ECC_NIST_EDWARDS25519`, …;
    /// its ARN.
    pub fn create_key(&self, spec: &str) -> String {
        self.create(&json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" }))
    }

    /// A key as `CreateKey` is asked for it; its ARN.
    pub fn create(&self, asked: &Value) -> String {
        let made = self.must("CreateKey", asked);
        let arn = made["KeyMetadata"]["Arn"].as_str();
        arn.expect("a key's ARN").to_owned()
    }

    /// `name` is without `alias/`.
    pub fn create_alias(&self, name: &str, key: &str) {
        // local-kms knows keys by their id alone here.
        let id = key.rsplit('/').next().expect("an ARN");
        let asked = json!({ "AliasName": format!("alias/{name}"), "TargetKeyId": id });
        self.must("CreateAlias", &asked);
    }

    pub fn disable(&self, key: &str) {
        self.must("DisableKey", &json!({ "KeyId": key }));
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub fn public_key(&self, key: &str) -> Vec<u8> {
        let answer = self.must("GetPublicKey", &json!({ "KeyId": key }));
        let public = answer["PublicKey"].as_str().expect("a public key");
        STANDARD.decode(public).expect("base64")
    }
}

/// A signature that is none: emulators read its scope alone.
pub(super) fn scope(region: &str, service: &str) -> String {
    let scope = format!("AKIAACCEPTANCE/20260101/{region}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

pub(super) fn caller(url: &str) -> Caller {
    Caller::of(url)
        .showing("Authorization", &scope(REGION, "kms"))
        .showing("Content-Type", "application/x-amz-json-1.1")
}

pub(super) fn ask(caller: &Caller, operation: &str, asked: &Value) -> Option<(u16, Value)> {
    let caller = caller.clone();
    let caller = caller.showing("X-Amz-Target", &format!("TrentService.{operation}"));
    caller.ask("POST", "/", asked)
}
