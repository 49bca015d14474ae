//! Connections: each request is recorded, struck by faults, handled, answered.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response, Version};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::access::parse_form;
use super::answer::Answer;
use super::call::Call;
use super::contents::Contents;
use super::fault::Action;
use super::record::Exchange;
use super::settings::{Settings, Switch};
use super::state::{Registry, Shared, lock};
use super::tls;
use crate::support::runtime;

const BODY_LIMIT: usize = 256 << 20;

/// How long a client may take to close a connection that was wound up.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn start(settings: Settings) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket of our own");
    let address = listener.local_addr().expect("a bound socket");
    let (acceptor, authority) = match settings.tls {
        Switch::On => {
            let (acceptor, authority) = tls::acceptor(
                settings.certificate,
                settings.http2,
                settings.wants_certificate,
            );
            (Some(acceptor), Some(authority))
        }
        Switch::Off => (None, None),
    };
    let registry = Registry(Arc::new(Shared {
        host: address.to_string(),
        settings,
        authority,
        contents: Mutex::new(Contents::default()),
        tokens: Mutex::default(),
        faults: Mutex::default(),
        exchanges: Mutex::default(),
    }));
    let serving = registry.clone();
    runtime().spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        while let Ok((socket, _)) = listener.accept().await {
            let (registry, acceptor) = (serving.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => registry.converse(socket).await,
                    Some(acceptor) => match acceptor.accept(socket).await {
                        Ok(socket) => registry.converse(socket).await,
                        Err(_refused) => {}
                    },
                }
            });
        }
    });
    registry
}

/// Waits until the client has closed its side too. A socket that is closed
/// while the client still writes is reset, and answers on their way with it.
async fn linger(mut socket: impl AsyncRead + Unpin) {
    let mut nowhere = tokio::io::sink();
    let rest = tokio::io::copy(&mut socket, &mut nowhere);
    let _ended = tokio::time::timeout(PATIENCE, rest).await;
}

/// The connection is to be closed without (the rest of) an answer.
pub fn cut() -> io::Error {
    io::Error::other("cut")
}

/// HTTP/2's answer to a request that is not begun; hyper looks for it among the
/// causes of an error.
#[derive(Debug)]
struct RefusedStream(h2::Error);

impl RefusedStream {
    fn new() -> Self {
        Self(h2::Reason::REFUSED_STREAM.into())
    }
}

impl fmt::Display for RefusedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl Error for RefusedStream {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Path and query: HTTP/2 names the host there too.
fn target(request: &Request<Incoming>) -> String {
    let target = request.uri().path_and_query();
    target.map_or_else(String::new, ToString::to_string)
}

impl Registry {
    pub(super) fn scheme(&self) -> &'static str {
        match self.0.settings.tls {
            Switch::On => "https",
            Switch::Off => "http",
        }
    }

    async fn converse(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let winding_up = Arc::new(Notify::new());
        let (registry, wind_up) = (self.clone(), winding_up.clone());
        let service = service_fn(move |request| {
            let (registry, wind_up) = (registry.clone(), wind_up.clone());
            async move { registry.exchange(request, &wind_up).await }
        });
        // A client may go away at any time; that is no failure of the registry.
        match self.0.settings.http2 {
            Switch::Off => {
                let _ended = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            }
            Switch::On => {
                {
                    let connection = http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(1)
                        .serve_connection(TokioIo::new(&mut socket), service);
                    let mut connection = pin!(connection);
                    tokio::select! {
                        _ended = &mut connection => {}
                        () = winding_up.notified() => {
                            connection.as_mut().graceful_shutdown();
                            let _ended = connection.await;
                        }
                    }
                }
                linger(socket).await;
            }
        }
    }

    async fn exchange(
        &self,
        request: Request<Incoming>,
        wind_up: &Notify,
    ) -> io::Result<Response<Body>> {
        let number = self.record(&request);
        let is_http2 = request.version() == Version::HTTP_2;
        let (method, target) = (request.method().to_string(), target(&request));
        let actions: Vec<Action> = lock(&self.0.faults)
            .iter_mut()
            .filter_map(|fault| fault.strike(&method, &target))
            .collect();
        for action in &actions {
            match action {
                Action::CutEarly => return Err(cut()),
                Action::RefuseStream => return Err(io::Error::other(RefusedStream::new())),
                Action::Stall(time) => tokio::time::sleep(*time).await,
                _ => {}
            }
        }
        let mut call = take_apart(request).await?;
        if let Some(exchange) = lock(&self.0.exchanges).get_mut(number) {
            exchange.sent = call.body.len();
        }
        let mut instead = None;
        for action in &actions {
            match action {
                Action::Cut => return Err(cut()),
                Action::KeepHalf => {
                    call.method = "PATCH".to_owned();
                    call.body.truncate(call.body.len() / 2);
                    self.handle(&call);
                    return Err(cut());
                }
                Action::Delay(time) => tokio::time::sleep(*time).await,
                Action::Late(time, answer) => {
                    self.handle_late(*time, &call);
                    instead = Some(answer.clone().ok_or_else(cut)?);
                }
                Action::Answer(answer) => instead = Some(answer.clone()),
                Action::Unless(reply) => instead = reply(),
                Action::Before(hook) => run_hook(hook.clone()).await,
                _ => {}
            }
        }
        let mut answer = instead.unwrap_or_else(|| self.handle(&call));
        // With HTTP/1.1 the library sees to it.
        if is_http2 && method == "HEAD" {
            answer.body.clear();
        }
        let mut pace = Pace::Whole;
        for action in &actions {
            match action {
                Action::HandleThenCut => return Err(cut()),
                Action::After(hook) => run_hook(hook.clone()).await,
                Action::Change(change) => change(&mut answer),
                Action::WindUp => wind_up.notify_one(),
                Action::Truncate => pace = Pace::Half,
                Action::Trickle(time) => pace = Pace::Bytes(*time),
                _ => {}
            }
        }
        if let Some(exchange) = lock(&self.0.exchanges).get_mut(number) {
            exchange.status = Some(answer.status);
            exchange.ended = Some(Instant::now());
        }
        Ok(respond(answer, pace))
    }

    fn handle_late(&self, time: Duration, call: &Call) {
        let (registry, call) = (self.clone(), call.clone());
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            registry.handle(&call);
        });
    }

    /// Notes the request; gives its number.
    fn record(&self, request: &Request<Incoming>) -> usize {
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let scheme = |value: String| value.split(' ').next().unwrap_or_default().to_owned();
        let exchange = Exchange {
            method: request.method().to_string(),
            target: target(request),
            version: request.version(),
            authorization: header("authorization").map(scheme),
            user_agent: header("user-agent"),
            sent: 0,
            status: None,
            began: Instant::now(),
            ended: None,
        };
        let mut exchanges = lock(&self.0.exchanges);
        exchanges.push(exchange);
        exchanges.len() - 1
    }
}

/// Hooks may take long and use the registry themselves.
pub async fn run_hook(hook: Arc<dyn Fn() + Send + Sync>) {
    let done = tokio::task::spawn_blocking(move || hook()).await;
    done.expect("the hook did not panic");
}

async fn take_apart(request: Request<Incoming>) -> io::Result<Call> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), BODY_LIMIT)
        .await
        .map_err(io::Error::other)?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parse_form(parts.uri.query().unwrap_or_default()),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body,
    })
}

/// How an answer's body comes.
pub enum Pace {
    Whole,
    Half,
    /// One by one, with a pause after each.
    Bytes(Duration),
}

pub fn respond(answer: Answer, pace: Pace) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let is_announced = answer.header("content-length").is_some();
    if !matches!(pace, Pace::Whole) && !is_announced {
        response = response.header("content-length", answer.body.len());
    }
    let body = match pace {
        // A length that a test announces may be a lie, which hyper does not check here.
        Pace::Whole if is_announced => {
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err::<Bytes, io::Error>(cut())
            });
            Body::from_stream(stream::iter([Ok(answer.body)]).chain(end))
        }
        Pace::Whole => Body::from(answer.body),
        Pace::Half => {
            let half = answer.body.slice(..answer.body.len() / 2);
            // The pause lets the first half leave before the connection closes.
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err::<Bytes, io::Error>(cut())
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(end))
        }
        Pace::Bytes(pause) => {
            let bytes = stream::unfold(answer.body, move |mut left| async move {
                tokio::time::sleep(pause).await;
                let next = (!left.is_empty()).then(|| left.split_to(1))?;
                Some((Ok::<Bytes, io::Error>(next), left))
            });
            Body::from_stream(bytes)
        }
    };
    response.body(body).expect("headers that a test wrote")
}
