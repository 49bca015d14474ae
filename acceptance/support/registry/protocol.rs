//! The distribution API (distribution-spec v1.1) on the registry's contents.

use bytes::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::call::{Call, Route};
use super::contents::{Contents, Stored, matches, sha256};
use super::settings::Switch;
use super::state::{Registry, lock};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Registry {
    /// A blob, or the part of it that `Range: bytes=N-` or `bytes=N-M` names.
    fn get_blob(&self, contents: &Contents, call: &Call, route: &Route) -> Answer {
        let Some(bytes) = contents.blob(route.repository, route.rest) else {
            return Answer::error(404, "BLOB_UNKNOWN", "blob unknown");
        };
        let range: Option<(usize, Option<usize>)> = call
            .header("range")
            .filter(|_| self.0.settings.ranges == Switch::On)
            .and_then(|range| {
                let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                Some((first.parse().ok()?, last.parse().ok()))
            });
        let (status, bytes) = match range {
            None => (200, bytes),
            Some((first, last)) if first < bytes.len() => {
                let end = last.map_or(bytes.len(), |last| bytes.len().min(last + 1));
                (206, bytes.slice(first..end))
            }
            Some(_) => return Answer::new(416),
        };
        Answer::new(status)
            .with("docker-content-digest", route.rest)
            .body("application/octet-stream", bytes)
    }

    /// Handles a call that nothing went wrong with.
    pub(super) fn handle(&self, call: &Call) -> Answer {
        if call.path == "/token" {
            return self.give_token(call);
        }
        if let Some(refusal) = self.refusal(call) {
            return refusal;
        }
        if call.path == "/v2/" {
            return Answer::json(200, &serde_json::json!({}));
        }
        let Some(route) = call.route() else {
            return Answer::new(404);
        };
        let mut contents = lock(&self.0.contents);
        match (call.method.as_str(), route.kind) {
            ("GET" | "HEAD", "manifests") => get_manifest(&contents, &route),
            ("PUT", "manifests") => self.put_manifest(&mut contents, call, &route),
            ("GET" | "HEAD", "blobs") => self.get_blob(&contents, call, &route),
            ("DELETE", "manifests" | "blobs") => {
                let removed = contents.remove(route.repository, route.rest);
                Answer::new(if removed { 202 } else { 404 })
            }
            ("POST", "blobs/uploads") => self.open_upload(&mut contents, call, &route),
            (_, "blobs/uploads") => upload(&mut contents, call, &route),
            ("GET", "tags") => {
                let tags = contents.tags(route.repository);
                let list = serde_json::json!({ "name": route.repository, "tags": tags });
                Answer::json(200, &list)
            }
            ("GET", "referrers") if self.0.settings.referrers == Switch::On => {
                let referrers = contents.referrers(route.repository, route.rest);
                let manifests: Vec<_> = referrers.iter().map(describe).collect();
                let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
                Answer::new(200).body(INDEX, index.to_string())
            }
            _ => Answer::error(404, "NOT_FOUND", "no such endpoint"),
        }
    }

    fn put_manifest(&self, contents: &mut Contents, call: &Call, route: &Route) -> Answer {
        let invalid = |message: &str| Answer::error(400, "MANIFEST_INVALID", message);
        let Ok(manifest) = serde_json::from_slice::<Value>(&call.body) else {
            return invalid("not JSON");
        };
        let media_type = call.header("content-type").unwrap_or_default().to_owned();
        let said = manifest["mediaType"].as_str().unwrap_or(&media_type);
        if media_type.is_empty() || said != media_type {
            return invalid("the media type is not the one of the request");
        }
        if let Some(missing) = first_missing(contents, route.repository, &manifest) {
            return Answer::error(400, "MANIFEST_BLOB_UNKNOWN", &missing);
        }
        let digest = sha256(&call.body);
        let is_digest = route.rest.contains(':');
        if is_digest && route.rest != digest {
            return Answer::error(400, "DIGEST_INVALID", "the bytes have another digest");
        }
        let before = contents.tagged(route.repository, route.rest);
        let moves = before.is_some_and(|before| before != digest);
        if moves && self.0.settings.immutable_tags == Switch::On {
            return Answer::error(400, "TAG_INVALID", "the tag is immutable");
        }
        let bytes = call.body.clone();
        contents.store_manifest(route.repository, Stored { media_type, bytes });
        if !is_digest {
            contents.tag(route.repository, route.rest, &digest);
        }
        let location = format!("/v2/{}/manifests/{digest}", route.repository);
        let mut answer = Answer::new(201)
            .with("location", location)
            .with("docker-content-digest", digest);
        if let (Some(subject), Switch::On) = (
            manifest["subject"]["digest"].as_str(),
            self.0.settings.referrers,
        ) {
            answer.set("oci-subject", subject);
        }
        answer
    }

    fn open_upload(&self, contents: &mut Contents, call: &Call, route: &Route) -> Answer {
        let repository = route.repository;
        if let (Some(digest), Switch::On) = (call.query("mount"), self.0.settings.mount) {
            let from = call.query("from").unwrap_or_default();
            let bytes = contents.blob(from, digest);
            if let Some(bytes) = bytes.filter(|_| self.may_pull(call, from)) {
                contents.store_blob_as(repository, digest, bytes);
                return blob_created(repository, digest);
            }
        }
        if let (Some(digest), Switch::On) = (call.query("digest"), self.0.settings.single_post) {
            return store_blob(contents, repository, digest, call.body.clone());
        }
        let id = contents.open_upload(repository);
        session(contents, repository, &id, 202)
    }
}

fn get_manifest(contents: &Contents, route: &Route) -> Answer {
    let Some(stored) = contents.manifest(route.repository, route.rest) else {
        return Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let digest = stored.digest();
    Answer::new(200)
        .with("etag", format!("\"{digest}\""))
        .with("docker-content-digest", digest)
        .body(&stored.media_type, stored.bytes)
}

/// The digest of the first blob or manifest that a manifest needs and the
/// repository lacks.
fn first_missing(contents: &Contents, repository: &str, manifest: &Value) -> Option<String> {
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    let digest = |descriptor: &Value| descriptor["digest"].as_str().map(str::to_owned);
    let config = manifest.get("config").cloned();
    let blobs = config.into_iter().chain(list("layers"));
    let missing_blob = blobs
        .filter_map(|blob| digest(&blob))
        .find(|digest| contents.blob(repository, digest).is_none());
    let missing_manifest = || {
        let children = list("manifests");
        let mut digests = children.iter().filter_map(digest);
        digests.find(|digest| contents.manifest(repository, digest).is_none())
    };
    missing_blob.or_else(missing_manifest)
}

pub(super) fn describe(stored: &Stored) -> Value {
    let manifest = stored.json();
    let artifact_type = match &manifest["artifactType"] {
        Value::Null => manifest["config"]["mediaType"].clone(),
        artifact_type => artifact_type.clone(),
    };
    let mut descriptor = serde_json::json!({
        "mediaType": stored.media_type,
        "size": stored.bytes.len(),
        "digest": stored.digest(),
        "artifactType": artifact_type,
    });
    if let Some(annotations) = manifest.get("annotations") {
        descriptor["annotations"] = annotations.clone();
    }
    descriptor
}

/// `GET`, `PATCH`, `PUT` and `DELETE` of an upload session.
fn upload(contents: &mut Contents, call: &Call, route: &Route) -> Answer {
    let (repository, id) = (route.repository, route.rest);
    let unknown = || Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "upload session unknown");
    let Some(step) = contents.upload_step(repository, id) else {
        return unknown();
    };
    if call.query("_state") != Some(step.to_string().as_str()) && call.method != "DELETE" {
        return Answer::error(400, "BLOB_UPLOAD_INVALID", "not the last answer's location");
    }
    match call.method.as_str() {
        "GET" => session(contents, repository, id, 204),
        "DELETE" => {
            contents.close_upload(repository, id);
            Answer::new(204)
        }
        "PATCH" => {
            let expected = contents.upload_length(repository, id).unwrap_or_default();
            let range = call
                .header("content-range")
                .and_then(|r| r.split('-').next());
            if range.is_some_and(|start| start != expected.to_string()) {
                return Answer::error(416, "BLOB_UPLOAD_INVALID", "out of order");
            }
            contents.append(repository, id, &call.body);
            session(contents, repository, id, 202)
        }
        "PUT" => {
            let Some(digest) = call.query("digest") else {
                return Answer::error(400, "DIGEST_INVALID", "no digest");
            };
            contents.append(repository, id, &call.body);
            let bytes = contents.close_upload(repository, id).unwrap_or_default();
            store_blob(contents, repository, digest, bytes)
        }
        _ => Answer::error(405, "UNSUPPORTED", "method not allowed"),
    }
}

/// Where a session stands and where its next step goes.
fn session(contents: &mut Contents, repository: &str, id: &str, status: u16) -> Answer {
    let step = contents.upload_step(repository, id).unwrap_or_default();
    let length = contents.upload_length(repository, id).unwrap_or_default();
    Answer::new(status)
        .with(
            "location",
            format!("/v2/{repository}/blobs/uploads/{id}?_state={step}"),
        )
        .with("range", format!("0-{}", length.saturating_sub(1)))
        .with("docker-upload-uuid", id)
}

fn store_blob(contents: &mut Contents, repository: &str, digest: &str, bytes: Bytes) -> Answer {
    if !matches(digest, &bytes) {
        return Answer::error(400, "DIGEST_INVALID", "the bytes have another digest");
    }
    contents.store_blob_as(repository, digest, bytes);
    blob_created(repository, digest)
}

fn blob_created(repository: &str, digest: &str) -> Answer {
    Answer::new(201)
        .with("location", format!("/v2/{repository}/blobs/{digest}"))
        .with("docker-content-digest", digest)
}
