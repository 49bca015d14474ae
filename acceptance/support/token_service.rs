//! A token service for registries that check tokens themselves: JSON Web Tokens
//! (RFC 7519) as CNCF distribution's `spec/auth/jwt.md` wants them, for one user.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::runtime;

/// The service that tokens are for, and their issuer.
pub const SERVICE: &str = "acceptance";
/// `robot:pass`
pub const ROBOT: &str = "Basic cm9ib3Q6cGFzcw==";

/// A running token service; it serves until the process ends.
pub struct TokenService {
    port: u16,
    key: Arc<EcdsaKeyPair>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl TokenService {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of our own");
        let port = listener.local_addr().expect("a bound socket").port();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let service = Self {
            port,
            key: Arc::new(key),
            asked: Arc::default(),
        };
        let (key, asked) = (service.key.clone(), service.asked.clone());
        let answer = move |uri: Uri, headers: HeaderMap| async move {
            if headers
                .get("authorization")
                .is_none_or(|shown| shown != ROBOT)
            {
                return (StatusCode::UNAUTHORIZED, String::new());
            }
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
            let scopes = query.filter(|(name, _)| name == "scope");
            let scopes: Vec<_> = scopes.map(|(_, scope)| scope.into_owned()).collect();
            let token = sign(&key, &scopes);
            asked.lock().expect("no panic").push(scopes);
            (
                StatusCode::OK,
                json!({ "token": token, "expires_in": 300 }).to_string(),
            )
        };
        let router = Router::new().route("/token", axum::routing::get(answer));
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            axum::serve(listener, router).await
        });
        service
    }

    /// Where it listens.
    #[cfg_attr(test, expect(dead_code, reason = "for the benchmark"))]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same, asked at another port that leads to it.
    #[cfg_attr(test, expect(dead_code, reason = "for the benchmark"))]
    pub fn shown_at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// By name: cosign 3 asks no token service at a private address.
    pub fn realm(&self) -> String {
        format!("http://localhost:{}/token", self.port)
    }

    /// The scopes of each token that was given out.
    pub fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().expect("no panic").clone()
    }

    /// A token without asking.
    pub fn token(&self, scopes: &[String]) -> String {
        sign(&self.key, scopes)
    }

    /// The public key, as a JSON Web Key Set (RFC 7517).
    pub fn key_set(&self) -> Value {
        // 4, x, y
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": SERVICE, "x": x, "y": y }
        ] })
    }
}

fn sign(key: &EcdsaKeyPair, scopes: &[String]) -> String {
    let access: Vec<Value> = scopes.iter().filter_map(|scope| access(scope)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let header = json!({ "typ": "JWT", "alg": "ES256", "kid": SERVICE });
    let claims = json!({
        "iss": SERVICE, "aud": SERVICE, "sub": "robot", "jti": now.to_string(),
        "iat": now, "nbf": now, "exp": now + 300, "access": access,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes());
    let signature = signature.expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// `<type>:<name>:<action>,…` as a claim.
fn access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<_> = actions.split(',').collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}
