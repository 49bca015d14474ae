//! moto: STS, IAM, and a judge over signatures of requests (SigV4). Its KMS makes
//! no use of `MessageType` and hashes digests again: nobody can verify that.

use std::time::Duration;

use serde_json::{Value, json};

use super::kms::{self, REGION, scope};
use super::{Caller, Service};
use crate::support::served::Served;

const READY_WITHIN: Duration = Duration::from_secs(60);

pub struct Moto(Served);

impl Moto {
    /// It judges nobody yet.
    pub fn start() -> Self {
        let command = |port: u16, folder: &_| {
            let mut command = Service::Moto.command();
            command
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .env("HOME", folder)
                .env("MOTO_ACCOUNT_ID", "123456789012");
            command
        };
        Self(Served::start(READY_WITHIN, command, |port| {
            let caller = Caller::of(&format!("http://127.0.0.1:{port}"));
            let answer = caller.call("GET", "/moto-api/data.json", "");
            answer.is_some_and(|(status, _)| status == 200)
        }))
    }

    /// `http://127.0.0.1:<port>`, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.host())
    }

    /// A user who may do everything: the id of an access key and its secret.
    pub fn user(&self, name: &str) -> [String; 2] {
        self.iam("CreateUser", &[("UserName", name)]);
        self.allow("PutUserPolicy", "UserName", name);
        let made = self.iam("CreateAccessKey", &[("UserName", name)]);
        ["AccessKeyId", "SecretAccessKey"].map(|part| element(&made, part))
    }

    /// A role that may do everything, and that everybody may take; its ARN.
    pub fn role(&self, name: &str) -> String {
        let trust = statement(&json!({
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
        }));
        let fields = [("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        let made = self.iam("CreateRole", &fields);
        self.allow("PutRolePolicy", "RoleName", name);
        element(&made, "Arn")
    }

    /// A key that signs, by its `KeySpec`; its ARN.
    pub fn create_key(&self, spec: &str) -> String {
        let asked = json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" });
        let answer = kms::ask(&kms::caller(&self.url()), "CreateKey", &asked);
        let arn = &answer.expect("an answer").1["KeyMetadata"]["Arn"];
        arn.as_str().expect("a key's ARN").to_owned()
    }

    /// From now on a request must be signed well, by somebody who may ask it.
    pub fn judge(&self) {
        let caller = Caller::of(&self.url());
        let answer = caller.call("POST", "/moto-api/reset-auth", "0");
        assert_eq!(answer.map(|(status, _)| status), Some(200));
    }

    fn allow(&self, action: &str, whom: &str, name: &str) {
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let document = statement(&everything);
        let fields = [
            (whom, name),
            ("PolicyName", "all"),
            ("PolicyDocument", &document),
        ];
        self.iam(action, &fields);
    }

    fn iam(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("Action", action), ("Version", "2010-05-08")]);
        form.extend_pairs(fields);
        let caller = Caller::of(&self.url())
            .showing("Authorization", &scope("us-east-1", "iam"))
            .showing("Content-Type", "application/x-www-form-urlencoded");
        let answer = caller.call("POST", "/", form.finish());
        let (status, body) = answer.expect("an answer");
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 200, "{action}: {body}");
        body
    }

    /// The variables of a client that uses it as somebody.
    pub fn environment(&self, [id, secret]: &[String; 2]) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", id.clone()),
            ("AWS_SECRET_ACCESS_KEY", secret.clone()),
        ]
    }
}

/// A policy of one statement.
fn statement(statement: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The text of the first XML element of this name.
fn element(text: &str, name: &str) -> String {
    let text = text.split_once(&format!("<{name}>"));
    let text = text.and_then(|(_, rest)| rest.split_once("</"));
    text.expect("an element").0.to_owned()
}
