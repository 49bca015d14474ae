//! Fulcio, with a root of its own in memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::certificate_log::CertificateLog;
use super::files::Role;
use super::forward::{Forward, Upstream};
use super::issuer::{Identity, Issuer};
use super::server::{Name, Place, Server};
use super::witness::Witness;
use crate::support::served::{Served, free_port};
use crate::support::services::Caller;

const READY_WITHIN: Duration = Duration::from_secs(30);
const ROOTS: &str = "/api/v2/trustBundle";

/// The log for its certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logging {
    Shared,
    Nowhere,
}

pub fn start() -> Server {
    start_with(Logging::Shared)
}

pub fn start_unlogged() -> Server {
    start_with(Logging::Nowhere)
}

fn start_with(logging: Logging) -> Server {
    let command = |port, folder: &Path| command(port, folder, logging);
    let served = Served::start(READY_WITHIN, command, |port| {
        let caller = Caller::of(&format!("http://127.0.0.1:{port}"));
        let answer = caller.call("GET", ROOTS, "");
        answer.is_some_and(|(status, _)| status == 200)
    });
    let upstream = Upstream::Port(served.port());
    let name = |role, place, pem: &str| Name {
        role,
        place,
        pem: pem.to_owned(),
    };
    let mut names = vec![name(
        Role::CertificateAuthority,
        Place::Front(""),
        &certificates(&upstream),
    )];
    if logging == Logging::Shared {
        let log = CertificateLog::shared();
        let place = Place::Elsewhere(log.url());
        names.push(name(Role::CertificateLog, place, log.public()));
    }
    let issuer = Issuer::shared().url(Identity::Email);
    names.push(name(Role::Issuer, Place::Elsewhere(issuer), ""));
    Server::new(upstream, names, served)
}

fn command(port: u16, folder: &Path, logging: Logging) -> Command {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a folder of our own");
        path
    };
    let issuers = Issuer::shared().configuration();
    let log = CertificateLog::shared();
    let mut command = Command::new(Witness::Authority.path());
    command.args(["serve", "--ca", "ephemeralca"]);
    command.args(["--host", "127.0.0.1", "--grpc-host", "127.0.0.1"]);
    command
        .arg("--config-path")
        .arg(file("issuers.yaml", &issuers));
    let socket = folder.join("socket");
    command.arg("--legacy-unix-domain-socket").arg(socket);
    for (flag, port) in [
        ("--port", port),
        ("--grpc-port", free_port()),
        ("--metrics-port", free_port()),
    ] {
        command.arg(flag).arg(port.to_string());
    }
    match logging {
        Logging::Shared => {
            let key = file("log.pem", log.public());
            command.arg(format!("--ct-log-url={}", log.url()));
            command.arg("--ct-log-public-key-path").arg(key);
        }
        Logging::Nowhere => {
            command.arg("--ct-log-url=");
        }
    }
    command
}

/// Its chain (PEM), which is new at each start.
fn certificates(upstream: &Upstream) -> String {
    let answer = Forward::to(upstream).get(ROOTS);
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let chain = answer["chains"][0]["certificates"].as_array();
    let chain = chain.expect("a chain").iter().map(Value::as_str);
    chain.map(|pem| pem.expect("PEM")).collect()
}
