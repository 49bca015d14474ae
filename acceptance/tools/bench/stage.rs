//! The scenery: CNCF distribution v3 with token authentication and its token
//! service, both behind lines that take time, and images that are pushed past
//! the lines.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::line::{Line, Traffic};
use crate::support::images::Image;
use crate::support::real::{Guard, RealRegistry};
use crate::support::remote::Remote;
use crate::support::token_service::{ROBOT, TokenService};

pub struct Stage {
    registry: RealRegistry,
    tokens: TokenService,
    to_registry: Line,
    to_tokens: Line,
    folder: TempDir,
    used: AtomicUsize,
}

impl Stage {
    pub fn start() -> Self {
        let tokens = TokenService::start();
        let address = tokens.address();
        let to_tokens = Line::to(move || address.clone());
        let tokens = tokens.shown_at(to_tokens.port());
        let registry = RealRegistry::distribution_behind(Guard::Tokens(&tokens, &[]));
        let address = registry.host().to_owned();
        let stage = Self {
            to_registry: Line::to(move || address.clone()),
            registry,
            tokens,
            to_tokens,
            folder: tempfile::tempdir().expect("a temporary folder"),
            used: AtomicUsize::new(0),
        };
        let basic = ROBOT.trim_start_matches("Basic ");
        let config = json!({ "auths": { stage.host(): { "auth": basic } } });
        std::fs::write(
            stage.docker_config().join("config.json"),
            config.to_string(),
        )
        .expect("a folder of our own");
        stage
    }

    /// The registry as clients see it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.to_registry.port())
    }

    /// The registry without a line before it.
    pub fn direct_host(&self) -> &str {
        self.registry.host()
    }

    /// For `DOCKER_CONFIG`.
    pub fn docker_config(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Forgets what was counted and sets the time that a round trip takes.
    pub fn reset(&self, round_trip: Duration) {
        self.to_registry.reset(round_trip);
        self.to_tokens.reset(round_trip);
    }

    pub fn traffic(&self) -> Traffic {
        self.to_registry.traffic().and(self.to_tokens.traffic())
    }

    /// The image in repositories that nobody has seen before, pushed.
    pub fn fresh(&self, image: &Image, repositories: usize) -> Image {
        let name = |_| format!("bench/{:06}:v1", self.used.fetch_add(1, Ordering::Relaxed));
        let names: Vec<String> = (0..repositories).map(name).collect();
        let image = image
            .clone()
            .named(&names.iter().map(String::as_str).collect::<Vec<_>>());
        image.push(&self.remote(&image));
        image
    }

    /// The registry, with the right to do everything with the image.
    pub fn remote(&self, image: &Image) -> Remote {
        let scopes = image.repositories().into_iter();
        let scopes: Vec<_> = scopes
            .map(|path| format!("repository:{path}:pull,push,delete"))
            .collect();
        let token = self.tokens.token(&scopes);
        Remote::new(self.direct_host()).showing(&format!("Bearer {token}"))
    }
}
