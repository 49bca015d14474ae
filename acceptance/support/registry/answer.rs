//! The registry's answers, and the errors of distribution-spec v1.1.

use bytes::Bytes;

/// An answer before it goes out; faults may still change it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self.with("content-type", media_type)
    }

    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).body("application/json", value.to_string())
    }

    /// An error as the specification words it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let error = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
        Self::json(status, &error)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// Replaces a header, or adds it.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
    }
}
