//! A registry seen through HTTP, with the smallest client that pushes images
//! and reads objects back. Plain HTTP, no retries; what it shows of itself is
//! always the same.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response};

use super::registry::{Stored, sha256};
use super::runtime;

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

pub struct Remote {
    host: String,
    client: Client,
}

impl Remote {
    pub fn new(host: &str) -> Self {
        Self::with(host, HeaderMap::new())
    }

    fn with(host: &str, headers: HeaderMap) -> Self {
        let client = Client::builder().no_proxy().tls_certs_only([]);
        let client = client.default_headers(headers).build();
        Self {
            host: host.to_owned(),
            client: client.expect("a client without TLS roots"),
        }
    }

    /// The same with an `Authorization`.
    pub fn showing(self, authorization: &str) -> Self {
        let value = HeaderValue::from_str(authorization).expect("ASCII");
        Self::with(&self.host, [(AUTHORIZATION, value)].into_iter().collect())
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http://") {
            return path.to_owned();
        }
        format!("http://{}{path}", self.host)
    }

    fn send(&self, method: Method, path: &str, media_type: &str, body: Bytes) -> Response {
        let request = self
            .client
            .request(method, self.url(path))
            .header("accept", MANIFESTS)
            .header("content-type", media_type)
            .body(body);
        let answer = runtime().block_on(request.send());
        answer.unwrap_or_else(|error| panic!("{}: {error}", self.host))
    }

    fn get(&self, path: &str) -> Option<(String, Bytes)> {
        let answer = self.send(Method::GET, path, "", Bytes::new());
        if answer.status() == 404 {
            return None;
        }
        assert_eq!(answer.status(), 200, "GET {path}");
        let media_type = answer.headers().get("content-type");
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let body = runtime().block_on(answer.bytes()).expect("a whole body");
        Some((media_type, body))
    }

    /// Whether the registry answers.
    pub fn is_ready(&self) -> bool {
        let request = self.client.get(self.url("/v2/"));
        runtime()
            .block_on(request.send())
            .is_ok_and(|answer| answer.status() == 200)
    }

    pub fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        let (media_type, bytes) = self.get(&format!("/v2/{repository}/manifests/{name}"))?;
        Some(Stored { media_type, bytes })
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        let (_, bytes) = self.get(&format!("/v2/{repository}/blobs/{digest}"))?;
        Some(bytes)
    }

    pub fn put_blob(&self, repository: &str, bytes: &Bytes) {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let session = self.send(
            Method::POST,
            &path,
            "application/octet-stream",
            Bytes::new(),
        );
        let location = session.headers()["location"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        let separator = if location.contains('?') { '&' } else { '?' };
        let path = format!("{location}{separator}digest={}", sha256(bytes));
        let answer = self.send(
            Method::PUT,
            &path,
            "application/octet-stream",
            bytes.clone(),
        );
        assert_eq!(answer.status(), 201, "PUT {path}");
    }

    pub fn put_manifest(&self, repository: &str, name: &str, stored: &Stored) {
        assert_eq!(
            self.try_put_manifest(repository, name, stored),
            201,
            "{repository} {name}"
        );
    }

    /// Removes a tag or a manifest, if it is there.
    pub fn remove(&self, repository: &str, name: &str) {
        let path = format!("/v2/{repository}/manifests/{name}");
        let answer = self.send(Method::DELETE, &path, "", Bytes::new());
        assert!([202, 404].contains(&answer.status().as_u16()), "{path}");
    }

    /// The status of the registry's answer.
    pub fn try_put_manifest(&self, repository: &str, name: &str, stored: &Stored) -> u16 {
        let path = format!("/v2/{repository}/manifests/{name}");
        let answer = self.send(Method::PUT, &path, &stored.media_type, stored.bytes.clone());
        answer.status().as_u16()
    }
}
