//! Rekor v1: `rekor-server` before Trillian, whose tree is in PostgreSQL. No Redis:
//! nobody searches.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::files::Role;
use super::forward::Upstream;
use super::postgres::Postgres;
use super::server::{Name, Place, Server};
use super::witness::Witness;
use crate::support::cosign::run;
use crate::support::package;
use crate::support::served::Served;
use crate::support::services::Caller;
use crate::support::services::pair::{Kind, Pair};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// The name of the log in its checkpoints.
const HOST: &str = "localhost";

pub fn start() -> Server {
    let postgres = Postgres::start(&trillian("storage.sql"));
    let log_server = part("trillian_log_server", &postgres, &[]);
    let eager = ["--force_master", "--sequencer_interval=50ms"];
    let log_signer = part("trillian_log_signer", &postgres, &eager);
    let tree = tree(&log_server.host());
    let pair = Pair::generate(Kind::P256);
    let command = |port: u16, folder: &Path| {
        let key = folder.join("key.pem");
        std::fs::write(&key, pair.private()).expect("a folder of our own");
        let mut command = Command::new(Witness::LogV1.path());
        command.args(["serve", "--rekor_server.address", "127.0.0.1"]);
        command.args(["--rekor_server.hostname", HOST, "--port", &port.to_string()]);
        command.arg("--rekor_server.signer").arg(key);
        let trillian = log_server.port().to_string();
        command.args(["--trillian_log_server.port", &trillian]);
        command.args(["--trillian_log_server.tlog_id", &tree]);
        command.arg("--enable_retrieve_api=false");
        command
    };
    let served = Served::start(READY_WITHIN, command, |port| {
        let caller = Caller::of(&format!("http://127.0.0.1:{port}"));
        let answer = caller.call("GET", "/api/v1/log", "");
        answer.is_some_and(|(status, _)| status == 200)
    });
    let name = Name {
        role: Role::Log(1),
        place: Place::Named(HOST),
        pem: pair.public(),
    };
    let upstream = Upstream::Port(served.port());
    Server::new(
        upstream,
        vec![name],
        (served, log_signer, log_server, postgres),
    )
}

/// A file of Trillian's.
fn trillian(name: &str) -> PathBuf {
    package(".tools/trillian-v1.7.2").join(name)
}

/// A server of Trillian's, which listens for gRPC.
fn part(program: &str, postgres: &Postgres, more: &[&str]) -> Served {
    let command = |port, _: &Path| {
        let mut command = Command::new(trillian(program));
        command.args(["--storage_system=postgresql", "--quota_system=postgresql"]);
        command.arg(format!("--postgresql_uri={}", postgres.uri()));
        command.arg(format!("--rpc_endpoint=127.0.0.1:{port}"));
        command.args(["--http_endpoint=", "--logtostderr"]);
        command.args(more);
        command
    };
    Served::start(READY_WITHIN, command, |port| {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
}

/// A new tree; its id.
fn tree(host: &str) -> String {
    let admin = format!("--admin_server={host}");
    let printed = run(Command::new(trillian("createtree")), &[admin], &[]);
    printed.accepted().stdout.trim().to_owned()
}
