//! An issuer of identity tokens (OpenID Connect), which says who somebody is as
//! mail providers, CI services, clusters and SPIRE do, each below a path of its own.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::der::{contents, inside};
use crate::support::registry::Answer;
use crate::support::services::stand_in::{Recorded, StandIn};

/// The audience of tokens for sigstore.
pub const AUDIENCE: &str = "sigstore";
/// The bearer token that GitHub's runners show to get a token.
pub const RUNNER: &str = "token-of-the-runner";
const KEY_ID: &str = "acceptance";
/// Fulcio's settings for a GitHub Enterprise Server.
const SERVER: &str = "github-server";
const TRUST_DOMAIN: &str = "acceptance.example";

/// The subject of a token, by the kind of its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Email,
    GitHub,
    /// A workflow of a GitHub Enterprise Server.
    GitHubServer,
    GitLab,
    Buildkite,
    Kubernetes,
    Spiffe,
}

impl Identity {
    pub const ALL: [Self; 7] = [
        Self::Email,
        Self::GitHub,
        Self::GitHubServer,
        Self::GitLab,
        Self::Buildkite,
        Self::Kubernetes,
        Self::Spiffe,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::GitHub => "github",
            Self::GitHubServer => "_services",
            Self::GitLab => "gitlab",
            Self::Buildkite => "buildkite",
            Self::Kubernetes => "kubernetes",
            Self::Spiffe => "spiffe",
        }
    }

    /// The kind of the issuer, as Fulcio's configuration names it.
    fn kind(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::GitHub => "github-workflow",
            Self::GitHubServer => "ci-provider",
            Self::GitLab => "gitlab-pipeline",
            Self::Buildkite => "buildkite-job",
            Self::Kubernetes => "kubernetes",
            Self::Spiffe => "spiffe",
        }
    }

    /// The name in a certificate for this identity (SAN).
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "somebody@acceptance.example",
            Self::GitHub => {
                "https://github.com/acme/app/.github/workflows/build.yml@refs/heads/main"
            }
            Self::GitHubServer => {
                "https://github.acceptance.example/acme/app/.github/workflows/build.yml@refs/heads/main"
            }
            Self::GitLab => "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main",
            Self::Buildkite => "https://buildkite.com/acme/app",
            Self::Kubernetes => "https://kubernetes.io/namespaces/build/serviceaccounts/kpack",
            Self::Spiffe => "spiffe://acceptance.example/ns/build/sa/kpack",
        }
    }

    /// The claims that are the identity's own, as its issuer makes them.
    pub fn claims(self) -> Value {
        match self {
            Self::Email => json!({
                "sub": "CgkxMjM0NTY3ODkSBmdpdGh1Yg", "email": self.name(), "email_verified": true,
            }),
            Self::GitHub | Self::GitHubServer => json!({
                "sub": "repo:acme/app:ref:refs/heads/main",
                "job_workflow_ref": "acme/app/.github/workflows/build.yml@refs/heads/main",
                "job_workflow_sha": "5a1b", "sha": "5a1b", "ref": "refs/heads/main",
                "event_name": "push", "workflow": "build", "runner_environment": "github-hosted",
                "repository": "acme/app", "repository_id": "1", "repository_owner": "acme",
                "repository_owner_id": "2", "repository_visibility": "private",
                "workflow_ref": "acme/app/.github/workflows/build.yml@refs/heads/main",
                "workflow_sha": "5a1b", "run_id": "3", "run_attempt": "1",
            }),
            Self::GitLab => json!({
                "sub": "project_path:acme/app:ref_type:branch:ref:main",
                "project_path": "acme/app", "project_id": "1", "project_visibility": "private",
                "pipeline_source": "push", "pipeline_id": "2", "job_id": "3",
                "ci_config_ref_uri": "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main",
                "ci_config_sha": "5a1b", "sha": "5a1b", "ref": "main", "ref_type": "branch",
                "namespace_path": "acme", "namespace_id": "4",
                "runner_environment": "gitlab-hosted", "runner_id": 5,
            }),
            Self::Buildkite => json!({
                "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:5a1b:step:build",
                "organization_slug": "acme", "pipeline_slug": "app",
            }),
            Self::Kubernetes => json!({
                "sub": "system:serviceaccount:build:kpack",
                "kubernetes.io": {
                    "namespace": "build", "pod": { "name": "app-build-1-pod", "uid": "1" },
                    "serviceaccount": { "name": "kpack", "uid": "2" },
                },
            }),
            Self::Spiffe => json!({ "sub": self.name() }),
        }
    }
}

/// A running issuer.
pub struct Issuer {
    service: StandIn,
}

impl Issuer {
    /// The one of this process, which Fulcio believes.
    pub fn shared() -> &'static Self {
        static ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer {
            service: StandIn::start(answer),
        });
        &ISSUER
    }

    /// `iss` of the tokens about this identity.
    pub fn url(&self, identity: Identity) -> String {
        format!("{}/{}", self.service.url(), identity.path())
    }

    /// A token that is valid for five minutes.
    pub fn token(&self, identity: Identity) -> String {
        self.token_with(identity, &json!({}))
    }

    /// The same with these claims instead; `null` takes one away.
    pub fn token_with(&self, identity: Identity, claims: &Value) -> String {
        token(&self.url(identity), identity, claims)
    }

    /// The variables of a runner that asks here for GitHub's tokens.
    pub fn runner(&self) -> [(&'static str, String); 2] {
        let url = format!("{}/runner?api-version=2.0", self.service.url());
        [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNNER.to_owned()),
        ]
    }

    /// Fulcio's configuration for it, in YAML: in JSON the names are others.
    pub fn configuration(&self) -> String {
        let issuers = Identity::ALL.map(|identity| {
            let url = self.url(identity);
            let mut issuer = json!({
                "issuer-url": url, "client-id": AUDIENCE, "type": identity.kind(),
            });
            if identity == Identity::Spiffe {
                issuer["spiffe-trust-domain"] = TRUST_DOMAIN.into();
            }
            if identity == Identity::GitHubServer {
                issuer["ci-provider"] = SERVER.into();
            }
            (url, issuer)
        });
        let issuers: serde_json::Map<_, _> = issuers.into_iter().collect();
        let server = json!({
            "default-template-values": { "url": "https://github.acceptance.example" },
            "extension-templates": {},
            "subject-alternative-name-template": "{{ .url }}/{{ .job_workflow_ref }}",
        });
        let configuration = json!({
            "oidc-issuers": issuers, "ci-issuer-metadata": { SERVER: server },
        });
        serde_yaml_ng::to_string(&configuration).expect("YAML")
    }
}

fn answer(asked: &Recorded) -> Answer {
    let base = format!("http://{}", asked.header("host").unwrap_or_default());
    if asked.path() == "/runner" {
        let shown = asked.header("authorization").unwrap_or_default();
        if !shown.eq_ignore_ascii_case(&format!("bearer {RUNNER}")) {
            return Answer::new(401);
        }
        let (url, identity) = (format!("{base}/github"), Identity::GitHub);
        let claims = json!({ "aud": asked.query().get("audience") });
        return Answer::json(200, &json!({ "value": token(&url, identity, &claims) }));
    }
    match asked.path().trim_start_matches('/').split_once('/') {
        Some((path, ".well-known/openid-configuration")) => {
            let issuer = format!("{base}/{path}");
            let configuration = json!({
                "issuer": issuer, "jwks_uri": format!("{base}/{path}/keys"),
                "authorization_endpoint": format!("{issuer}/auth"),
                "token_endpoint": format!("{issuer}/token"),
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            });
            Answer::json(200, &configuration)
        }
        Some((_, "keys")) => Answer::json(200, &key_set()),
        _ => Answer::new(404),
    }
}

fn token(issuer: &str, identity: Identity, changes: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let mut claims = identity.claims();
    let common = json!({
        "iss": issuer, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300,
    });
    for more in [&common, changes] {
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
    }
    let all = claims.as_object_mut().expect("claims");
    all.retain(|_, value| !value.is_null());
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": KEY_ID });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key().public_modulus_len()];
    key()
        .sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        )
        .expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn key() -> &'static KeyPair {
    static KEY: LazyLock<KeyPair> =
        LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).expect("a key"));
    &KEY
}

/// The public key, as a JSON Web Key Set (RFC 7517).
fn key_set() -> Value {
    // RSAPublicKey (RFC 8017, A.1.1): modulus and exponent.
    let numbers = key().public_key().as_ref();
    let [modulus, exponent] = inside(numbers)[..] else {
        panic!("two numbers");
    };
    let number = |element| {
        let bytes = contents(element);
        // DER writes a zero before a number whose first bit is set.
        URL_SAFE_NO_PAD.encode(bytes.strip_prefix(&[0]).unwrap_or(bytes))
    };
    json!({ "keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
        "n": number(modulus), "e": number(exponent),
    }] })
}
