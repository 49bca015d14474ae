//! The work of a front: it passes a request on to the server, or
//! answers it from the server's files.

use std::path::{Component, Path, PathBuf};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};

use crate::support::registry::Answer;
use crate::support::runtime;
use crate::support::services::stand_in::Recorded;

/// Headers that are of one connection, or that the next one writes anew.
const OWN: [&str; 5] = [
    "connection",
    "content-length",
    "date",
    "host",
    "transfer-encoding",
];

/// Where a server is reached.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket of this path.
    Socket(PathBuf),
    /// A port for writes, and a folder that holds what is read below a path.
    Folder {
        port: u16,
        folder: PathBuf,
        path: &'static str,
    },
}

pub struct Forward {
    upstream: Upstream,
    client: Client,
}

impl Forward {
    pub fn to(upstream: &Upstream) -> Self {
        let client = Client::builder().no_proxy();
        let client = match upstream {
            Upstream::Socket(path) => client.unix_socket(path.as_path()),
            Upstream::Port(_) | Upstream::Folder { .. } => client,
        };
        Self {
            upstream: upstream.clone(),
            client: client.build().expect("a client"),
        }
    }

    /// The server's answer; 502 if it is gone.
    pub fn pass(&self, asked: &Recorded) -> Answer {
        if let Upstream::Folder { folder, path, .. } = &self.upstream
            && asked.method == "GET"
            && let Some(file) = asked.path().strip_prefix(path)
        {
            return read(folder, file);
        }
        let method = asked.method.parse().expect("a method");
        let request = self.client.request(method, self.url(&asked.target));
        send(request.headers(headers(asked)).body(asked.body.clone()))
    }

    /// The server's answer to a question of the tests' own.
    pub fn get(&self, path: &str) -> Answer {
        send(self.client.get(self.url(path)))
    }

    fn url(&self, target: &str) -> String {
        match self.upstream {
            Upstream::Port(port) | Upstream::Folder { port, .. } => {
                format!("http://127.0.0.1:{port}{target}")
            }
            Upstream::Socket(_) => format!("http://localhost{target}"),
        }
    }
}

fn send(request: RequestBuilder) -> Answer {
    let answer = runtime().block_on(async { answer(request.send().await?).await });
    answer.unwrap_or_else(|error| {
        let text = format!("nobody answers: {error}");
        Answer::new(502).body("text/plain", text)
    })
}

fn headers(asked: &Recorded) -> HeaderMap {
    let all = asked.headers.iter();
    let shown = all.filter(|(name, _)| !OWN.contains(&name.as_str()));
    shown
        .filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect()
}

async fn answer(response: Response) -> reqwest::Result<Answer> {
    let mut answer = Answer::new(response.status().as_u16());
    for (name, value) in response.headers() {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !OWN.contains(&name.as_str()) {
            answer = answer.with(name.as_str(), text);
        }
    }
    answer.body = response.bytes().await?;
    Ok(answer)
}

/// A file of the folder, as any server of static files gives it.
fn read(folder: &Path, file: &str) -> Answer {
    let file = Path::new(file.trim_start_matches('/'));
    let is_below = file
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match std::fs::read(folder.join(file)) {
        Ok(bytes) if is_below => Answer::new(200).body("application/octet-stream", bytes),
        _ => Answer::new(404).body("text/plain", "404 page not found"),
    }
}
