//! The smallest client of a service: a test sets up the service with it.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity};
use serde_json::Value;

use crate::support::runtime;

/// Shows the same headers with each request. No retries, no proxy, no roots but
/// those that it is given.
#[derive(Clone)]
pub struct Caller {
    url: String,
    authority: Option<String>,
    identity: Option<String>,
    headers: HeaderMap,
}

impl Caller {
    /// Of the service at `http(s)://host:port`.
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            authority: None,
            identity: None,
            headers: HeaderMap::new(),
        }
    }

    /// Trusts this authority (PEM) alone.
    pub fn trusting(mut self, authority: &str) -> Self {
        self.authority = Some(authority.to_owned());
        self
    }

    /// Shows a certificate and has its key (PEM).
    pub fn identified_by(mut self, [certificate, key]: [&str; 2]) -> Self {
        self.identity = Some(format!("{certificate}{key}"));
        self
    }

    pub fn showing(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header's name");
        let value = HeaderValue::from_str(value).expect("ASCII");
        self.headers.insert(name, value);
        self
    }

    /// Status and body; nothing if the connection broke.
    pub fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Option<(u16, Bytes)> {
        let request = self
            .client()
            .request(method.parse().expect("a method"), self.url.clone() + path)
            .headers(self.headers.clone())
            .body(body.into());
        runtime().block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.bytes().await.ok()?))
        })
    }

    /// As [`call`](Self::call), with JSON both ways; `null` if there is none.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, bytes) = self.call(method, path, body)?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// The answer to what must succeed.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        let (status, value) = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {value}"
        );
        value
    }

    fn client(&self) -> Client {
        let roots = self.authority.iter();
        let roots = roots.map(|pem| Certificate::from_pem(pem.as_bytes()).expect("PEM"));
        let mut client = Client::builder().no_proxy().tls_certs_only(roots);
        if let Some(identity) = &self.identity {
            client = client.identity(Identity::from_pem(identity.as_bytes()).expect("PEM"));
        }
        client.build().expect("a client")
    }
}
