//! Faults, and when they happen.

use std::sync::Arc;
use std::time::Duration;

use super::answer::Answer;

/// The requests that something happens to: those with a method and a part of
/// the target (path and query), after some were left in peace, a number of times.
#[derive(Clone, Debug)]
pub struct When {
    method: String,
    part: String,
    skip: usize,
    times: usize,
}

impl When {
    /// The first request with `method` (`*` for any) whose target contains `part`.
    pub fn first(method: &str, part: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            part: part.into(),
            skip: 0,
            times: 1,
        }
    }

    /// All of them.
    pub fn every(method: &str, part: impl Into<String>) -> Self {
        Self::first(method, part).times(usize::MAX)
    }

    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Leaves the first `skip` of them in peace.
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Counts this request; whether it is one that something happens to.
    pub fn strikes(&mut self, method: &str, target: &str) -> bool {
        let matches = (self.method == "*" || self.method == method) && target.contains(&self.part);
        if !matches || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

type Reply = Arc<dyn Fn() -> Option<Answer> + Send + Sync>;
type Hook = Arc<dyn Fn() + Send + Sync>;
type Change = Arc<dyn Fn(&mut Answer) + Send + Sync>;

/// The fault itself.
#[derive(Clone)]
pub enum Action {
    /// This is answered, and nothing is done.
    Answer(Answer),
    /// This may be answered instead, and nothing done.
    Unless(Reply),
    /// The request is handled after this time.
    Delay(Duration),
    /// The connection is closed, and nothing is done.
    Cut,
    /// The request is handled, then the connection is closed without an answer.
    HandleThenCut,
    /// This is answered, or nothing and the connection closed, and the request
    /// handled after this time.
    Late(Duration, Option<Answer>),
    /// The answer's body breaks off in the middle.
    Truncate,
    /// The answer's body comes one byte at a time, so long after each other.
    Trickle(Duration),
    /// The request's body is not read before this time.
    Stall(Duration),
    /// The connection is closed before the request's body is read.
    CutEarly,
    /// Half of the request's body goes into its upload session, then the
    /// connection is closed.
    KeepHalf,
    /// HTTP/2: the request's stream is refused, and nothing is done.
    RefuseStream,
    /// HTTP/2: the request is handled, and no further one on its connection.
    WindUp,
    /// The answer is changed.
    Change(Change),
    /// Something happens just before the request is handled.
    Before(Hook),
    /// Something happens after the request was handled, before its answer.
    After(Hook),
}

impl Action {
    /// A bare status with no usable body, as proxies and gateways answer.
    pub fn status(status: u16) -> Self {
        Self::Answer(Answer::new(status).body("text/plain", "injected"))
    }

    /// An error as registries word it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Answer(Answer::error(status, code, "injected"))
    }

    pub fn change(change: impl Fn(&mut Answer) + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }

    pub fn unless(reply: impl Fn() -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::Unless(Arc::new(reply))
    }

    pub fn before(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(hook))
    }

    pub fn after(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(hook))
    }
}

pub struct Fault {
    when: When,
    action: Action,
}

impl Fault {
    pub fn new(when: When, action: Action) -> Self {
        Self { when, action }
    }

    /// The action for this request, if it is one of this fault's.
    pub fn strike(&mut self, method: &str, target: &str) -> Option<Action> {
        let strikes = self.when.strikes(method, target);
        strikes.then(|| self.action.clone())
    }
}
