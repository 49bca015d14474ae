//! A server that stands in for a service of others: it records every request
//! whole, answers what a test's function says, and lets things go wrong.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::support::registry::{Action, Answer, Pace, Private, Switch, When};
use crate::support::registry::{cut, respond, run_hook};
use crate::support::runtime;

const BODY_LIMIT: usize = 256 << 20;

/// A request as it came, and how it ended.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The names are in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// When the whole of it had arrived.
    pub began: Instant,
    /// Absent while it runs, and when the connection was cut.
    pub status: Option<u16>,
    /// When its answer was ready to leave; absent as the status is.
    pub ended: Option<Instant>,
}

impl Recorded {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, decoded.
    pub fn query(&self) -> BTreeMap<String, String> {
        let query = self.target.split_once('?').map(|(_, query)| query);
        parse_form(query.unwrap_or_default().as_bytes())
    }

    /// The first header of this name, which is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The name that the client asked, without port. One server can stand in for
    /// many where a proxy leads there.
    pub fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        host.rsplit_once(':').map_or(host, |(name, _port)| name)
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        parse_form(&self.body)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The target, and the operation that AWS's JSON protocols name in a header.
    fn asked(&self) -> String {
        let operation = self.header("x-amz-target").unwrap_or_default();
        format!("{} {operation}", self.target)
    }
}

fn parse_form(bytes: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// How a stand-in is reached.
#[derive(Clone, Copy)]
pub enum Transport<'a> {
    Http,
    /// By a certificate of its own authority for `127.0.0.1`, `localhost` and
    /// these names, which may be wildcards.
    Https(&'a [&'a str]),
    /// The same, and clients must show a certificate of that authority.
    Mutual(&'a [&'a str]),
}

type Handler = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// A running stand-in; a clone is the same one. It serves until the process ends.
#[derive(Clone)]
pub struct StandIn(Arc<Shared>);

struct Shared {
    host: String,
    tls: Option<Private>,
    handler: Handler,
    faults: Mutex<Vec<(When, Action)>>,
    recorded: Mutex<Vec<Recorded>>,
}

impl StandIn {
    /// By plain HTTP on a free port of 127.0.0.1. The handler may be called by
    /// several threads at once.
    pub fn start(handler: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::by(Transport::Http, handler)
    }

    pub fn by(
        transport: Transport<'_>,
        handler: impl Fn(&Recorded) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of our own");
        let tls = match transport {
            Transport::Http => None,
            Transport::Https(names) => Some(Private::named(names, Switch::Off)),
            Transport::Mutual(names) => Some(Private::named(names, Switch::On)),
        };
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let address = listener.local_addr().expect("a bound socket");
        let service = Self(Arc::new(Shared {
            host: address.to_string(),
            tls,
            handler: Arc::new(handler),
            faults: Mutex::default(),
            recorded: Mutex::default(),
        }));
        let serving = service.clone();
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                let (service, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => service.converse(socket).await,
                        Some(acceptor) => match acceptor.accept(socket).await {
                            Ok(socket) => service.converse(socket).await,
                            Err(_refused) => {}
                        },
                    }
                });
            }
        });
        service
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// `http://127.0.0.1:<port>`, or `https://…`.
    pub fn url(&self) -> String {
        let scheme = match self.0.tls {
            None => "http",
            Some(_) => "https",
        };
        format!("{scheme}://{}", self.host())
    }

    /// The certificate (PEM) of the authority that signed this server's own.
    pub fn authority(&self) -> &str {
        &self.0.tls.as_ref().expect("TLS was asked for").authority
    }

    /// A certificate for clients, and its key (PKCS#8), as PEM.
    pub fn client(&self) -> [&str; 2] {
        let tls = self.0.tls.as_ref().expect("TLS was asked for");
        tls.client.each_ref().map(String::as_str)
    }

    /// From now on, `action` happens to the requests that `when` describes; its
    /// part is looked for in the target and in `X-Amz-Target`. To hang is to be
    /// delayed for long.
    ///
    /// # Panics
    /// If only a registry can do it.
    pub fn inject(&self, when: When, action: Action) {
        let is_for_registries = matches!(
            action,
            Action::KeepHalf
                | Action::Late(..)
                | Action::RefuseStream
                | Action::WindUp
                | Action::Stall(_)
                | Action::CutEarly
        );
        assert!(!is_for_registries, "a registry's fault");
        lock(&self.0.faults).push((when, action));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        lock(&self.0.faults).clear();
    }

    /// Everything that was asked so far, in the order of arrival.
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.0.recorded).clone()
    }

    /// Those with this method (`*` for any) whose target, or operation of AWS,
    /// contains `part`.
    pub fn asked(&self, method: &str, part: &str) -> Vec<Recorded> {
        let mut all = self.recorded();
        all.retain(|one| (method == "*" || one.method == method) && one.asked().contains(part));
        all
    }

    /// Forgets what was asked so far.
    pub fn forget(&self) {
        lock(&self.0.recorded).clear();
    }

    async fn converse(&self, socket: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let service = self.clone();
        let service = service_fn(move |request| {
            let service = service.clone();
            async move { service.exchange(request).await }
        });
        // A client may go away at any time; that is no failure of the service.
        let _ended = http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await;
    }

    async fn exchange(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let recorded = take_apart(request).await?;
        let number = {
            let mut all = lock(&self.0.recorded);
            all.push(recorded.clone());
            all.len() - 1
        };
        let actions = self.strike(&recorded);
        let mut instead = None;
        for action in &actions {
            match action {
                Action::Cut => return Err(cut()),
                Action::Delay(time) => tokio::time::sleep(*time).await,
                Action::Answer(answer) => instead = Some(answer.clone()),
                Action::Unless(reply) => instead = reply(),
                Action::Before(hook) => run_hook(hook.clone()).await,
                _ => {}
            }
        }
        let mut answer = match instead {
            Some(answer) => answer,
            None => self.handle(recorded).await,
        };
        let mut pace = Pace::Whole;
        for action in &actions {
            match action {
                Action::HandleThenCut => return Err(cut()),
                Action::After(hook) => run_hook(hook.clone()).await,
                Action::Change(change) => change(&mut answer),
                Action::Truncate => pace = Pace::Half,
                Action::Trickle(time) => pace = Pace::Bytes(*time),
                _ => {}
            }
        }
        if let Some(recorded) = lock(&self.0.recorded).get_mut(number) {
            recorded.status = Some(answer.status);
            recorded.ended = Some(Instant::now());
        }
        Ok(respond(answer, pace))
    }

    /// The faults of this request, besides its answer.
    fn strike(&self, recorded: &Recorded) -> Vec<Action> {
        let (method, asked) = (&recorded.method, recorded.asked());
        let mut faults = lock(&self.0.faults);
        let strike = |(when, action): &mut (When, Action)| {
            when.strikes(method, &asked).then(|| action.clone())
        };
        faults.iter_mut().filter_map(strike).collect()
    }

    /// Signing may take long, and the runtime's threads serve others too. What a
    /// handler panics with is answered, so that the test shows it.
    async fn handle(&self, recorded: Recorded) -> Answer {
        let handler = self.0.handler.clone();
        let answer = tokio::task::spawn_blocking(move || handler(&recorded)).await;
        answer.unwrap_or_else(|panic| {
            Answer::new(599).body("text/plain", format!("the stand-in failed: {panic}"))
        })
    }
}

async fn take_apart(request: Request<Incoming>) -> io::Result<Recorded> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), BODY_LIMIT)
        .await
        .map_err(io::Error::other)?;
    let target = parts.uri.path_and_query();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = parts.headers.iter();
    Ok(Recorded {
        method: parts.method.to_string(),
        target: target.map_or_else(String::new, ToString::to_string),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body,
        began: Instant::now(),
        status: None,
        ended: None,
    })
}

/// A panic in another test thread must not hide this one's failure.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
