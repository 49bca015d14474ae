//! Rekor v2: rekor-tiles, whose tree is a folder of files. It answers writes; reads
//! are for whoever serves the files, here the front.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::files::Role;
use super::forward::Upstream;
use super::server::{Name, Place, Server};
use super::witness::Witness;
use crate::support::served::{Served, free_port};
use crate::support::services::Caller;
use crate::support::services::pair::{Kind, Pair};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// The name of the log in its checkpoints, which verifiers take from its URL.
const HOST: &str = "localhost";

pub fn start() -> Server {
    start_with(&[])
}

/// One that another log has taken the place of.
pub fn start_frozen() -> Server {
    start_with(&["--read-only"])
}

fn start_with(flags: &[&str]) -> Server {
    let pair = Pair::generate(Kind::P256);
    let command = |port: u16, folder: &Path| {
        let (key, tree) = (folder.join("key.pem"), folder.join("tree"));
        std::fs::write(&key, pair.private()).expect("a folder of our own");
        std::fs::create_dir(&tree).expect("a folder of our own");
        let mut command = Command::new(Witness::LogV2.path());
        command.args(["serve", "--hostname", HOST, "--checkpoint-interval", "1s"]);
        command.args(flags);
        command.arg("--signer-filepath").arg(key);
        command.arg("--storage-dir").arg(tree);
        for (flag, port) in [
            ("--http-port", port),
            ("--grpc-port", free_port()),
            ("--http-metrics-port", free_port()),
        ] {
            command.arg(flag).arg(port.to_string());
        }
        command
    };
    let served = Served::start(READY_WITHIN, command, |port| {
        let caller = Caller::of(&format!("http://127.0.0.1:{port}"));
        let answer = caller.call("GET", "/healthz", "");
        answer.is_some_and(|(status, _)| status == 200)
    });
    let upstream = Upstream::Folder {
        port: served.port(),
        folder: served.folder().join("tree"),
        path: "/api/v2/",
    };
    let name = Name {
        role: Role::Log(2),
        place: Place::Named(HOST),
        pem: pair.public(),
    };
    Server::new(upstream, vec![name], served)
}
