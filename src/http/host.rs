//! The state of one host during a run, and the pace of requests to it.
//!
//! A host that answers 429 without saying when to come back is asked by fewer
//! requests at the same time; when it does so again, also by fewer in a second
//! than it took before. Both rise again slowly while it answers.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::silence::Silence;

/// Requests that one host gets at the same time (`spec/decisions/0013`).
pub const AT_ONCE: usize = 12;
/// The time over which a host's own pace is measured.
const WINDOW: Duration = Duration::from_secs(1);
/// Another complaint within this time is not an accident.
const MEMORY: Duration = Duration::from_secs(10);
/// The longest time between two requests at the second complaint, and ever.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);
const LONGEST_INTERVAL: Duration = Duration::from_secs(2);
/// An interval that is no longer worth keeping.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(2);
/// The factor of a complaint on the interval, and that of an answer: some 30
/// answers make good for one complaint, so that few requests are turned away.
const SLOWER: f64 = 1.25;
const FASTER: f64 = 0.993;
/// The most distinct warnings of one host that are shown.
const WARNINGS: usize = 8;

/// Only requests and answers of at most this many bytes measure how long a host
/// takes; the time of larger ones depends on the line.
pub(super) const LITTLE: u64 = 64 * 1024;

/// How long a host took to answer requests with little content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub fastest: Duration,
    pub slowest: Duration,
}

/// A host's limiter and its failures, shared by all tasks that ask it.
pub(super) struct Host {
    permits: Semaphore,
    state: Mutex<HostState>,
}

struct HostState {
    failing: Failing,
    silence: Silence,
    /// Until when the host asked to be left alone.
    not_before: Option<Instant>,
    /// How many requests it may get at the same time now.
    at_once: usize,
    /// Permits that are taken out of circulation when their requests end.
    debt: usize,
    /// Between the beginnings of two requests.
    interval: Duration,
    last_start: Option<Instant>,
    last_complaint: Option<Instant>,
    /// Good answers since the last complaint.
    answers: u32,
    times: Option<Times>,
    /// When the last requests that were answered began. They say how many
    /// requests the host takes in a [`WINDOW`].
    recent: VecDeque<Instant>,
    warnings: HashSet<String>,
}

/// The last failure of a host, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastFailure {
    /// The host did not answer, or was not reached.
    Silence(String),
    /// The host's answer was one that may get better.
    Answer(String),
}

/// How long a host has been failing in this run. All requests share it: were the
/// budget each one's own, a host that says nothing would take many of them
/// (SIG-45).
#[derive(Default)]
struct Failing {
    /// When the host began to fail, as if it had done so without a break.
    since: Option<Instant>,
    /// When it answered again.
    better_since: Option<Instant>,
    /// The last failure, if no good answer came since.
    last: Option<LastFailure>,
}

impl Failing {
    /// Notes a failed request that began at `began`. A host that has answered
    /// for as long as it had failed begins anew; until then the time that it
    /// answered is merely not counted.
    fn failed(&mut self, began: Instant) {
        self.since = Some(match (self.since, self.better_since.take()) {
            (None, _) => began,
            (Some(since), None) => since,
            (Some(since), Some(better)) => {
                let failed = better.saturating_duration_since(since);
                let answered = began.saturating_duration_since(better);
                match answered < failed {
                    true => since + answered,
                    false => began,
                }
            }
        });
    }

    fn answered(&mut self) {
        self.last = None;
        if self.since.is_some() {
            self.better_since.get_or_insert_with(Instant::now);
        }
    }
}

/// The right to send one request. Dropped when the request has its outcome.
pub(super) struct Permit<'a> {
    host: &'a Host,
    permit: Option<SemaphorePermit<'a>>,
    pub(super) began: Instant,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.host.state();
        if state.debt > 0
            && let Some(permit) = self.permit.take()
        {
            state.debt -= 1;
            permit.forget();
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(AT_ONCE),
            state: Mutex::new(HostState {
                failing: Failing::default(),
                silence: Silence::default(),
                not_before: None,
                at_once: AT_ONCE,
                debt: 0,
                interval: Duration::ZERO,
                last_start: None,
                last_complaint: None,
                answers: 0,
                times: None,
                recent: VecDeque::new(),
                warnings: HashSet::new(),
            }),
        }
    }
}

impl Host {
    /// Waits for a turn: until fewer requests are on their way, the time that
    /// the host asked for is over, and its pace allows another one.
    pub(super) async fn enter(&self) -> Permit<'_> {
        // The semaphore is never closed.
        let permit = self.permits.acquire().await.ok();
        // Looked at again after each wait: the host may have asked for more
        // time meanwhile, and another request may have begun.
        loop {
            let now = Instant::now();
            let start = {
                let mut state = self.state();
                let start = state.next_start(now);
                if start <= now {
                    state.last_start = Some(now);
                    return Permit {
                        host: self,
                        permit,
                        began: now,
                    };
                }
                start
            };
            tokio::time::sleep_until(start.into()).await;
        }
    }

    /// Notes an answer to a request that began at `began`.
    pub(super) fn answered(&self, began: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        state.failing.answered();
        state.silence.broke(now);
        state.recent.push_back(began);
        state.forget_before(now);
        state.answers = state.answers.wrapping_add(1);
        // One more after a round of as many answers as it gets requests at once.
        if state.at_once < AT_ONCE && state.answers.is_multiple_of(state.at_once as u32) {
            state.at_once += 1;
            match state.debt {
                0 => self.permits.add_permits(1),
                _ => state.debt -= 1,
            }
        }
        state.interval = state.interval.mul_f64(FASTER);
        if state.interval < SHORTEST_INTERVAL {
            state.interval = Duration::ZERO;
        }
    }

    /// Notes how long an answer took, of [`LITTLE`] requests and answers alone.
    pub(super) fn took(&self, time: Duration) {
        let mut state = self.state();
        let times = state.times.get_or_insert(Times {
            fastest: time,
            slowest: time,
        });
        times.fastest = times.fastest.min(time);
        times.slowest = times.slowest.max(time);
    }

    /// The shortest and the longest time of an answer so far.
    pub(super) fn times(&self) -> Times {
        self.state().times.unwrap_or_default()
    }

    /// The host has had enough (429) of a request that began at `began`, and
    /// did not say for how long. Requests that began before the last complaint
    /// say nothing new.
    pub(super) fn complained(&self, began: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        // A burst that was under way gets a complaint for each of its requests.
        if state.last_complaint.is_some_and(|last| began <= last) {
            return;
        }
        let is_accident = state
            .last_complaint
            .is_none_or(|last| now.saturating_duration_since(last) > MEMORY);
        state.last_complaint = Some(now);
        state.answers = 0;
        state.forget_before(now);
        let fewer = state.at_once - state.at_once / 2;
        let surplus = state.at_once - fewer;
        state.at_once = fewer;
        state.debt += surplus - self.permits.forget_permits(surplus);
        // A burst was too much; a pace would only make the run slow.
        if is_accident {
            return;
        }
        state.interval = match state.interval {
            Duration::ZERO => {
                let taken = u32::try_from(state.recent.len()).unwrap_or(u32::MAX);
                // Four fifths of the requests that it took in the last second.
                let measured = WINDOW.mul_f64(SLOWER) / taken.max(1);
                measured.min(FIRST_INTERVAL)
            }
            interval => interval.mul_f64(SLOWER).min(LONGEST_INTERVAL),
        };
    }

    /// The host asked for a wait: its failures so far do not count against its
    /// budget.
    pub(super) fn excused(&self) {
        self.state().failing = Failing::default();
    }

    /// Notes a failed request that began at `began`.
    pub(super) fn failed(&self, began: Instant, trouble: LastFailure) {
        let mut state = self.state();
        state.failing.last = Some(trouble);
        state.failing.failed(began);
    }

    /// The last failure, if no good answer came since.
    pub(super) fn trouble(&self) -> Option<LastFailure> {
        self.state().failing.last.clone()
    }

    /// The host took bytes of a request, or gave some of an answer.
    pub(super) fn heard(&self) {
        self.state().silence.broke(Instant::now());
    }

    /// Reads or changes the record of the host's silence.
    pub(super) fn silence<T>(&self, ask: impl FnOnce(&mut Silence) -> T) -> T {
        ask(&mut self.state().silence)
    }

    /// Until when the host asked to be left alone.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.state().not_before
    }

    /// Since when the host has been failing, if it has not answered since.
    pub(super) fn failing_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_better = state.failing.better_since.is_some();
        state.failing.since.filter(|_| !is_better)
    }

    /// The last failure of a host that has been silent for at least `budget`:
    /// another request would only wait as long again.
    pub(super) fn given_up(&self, budget: Duration) -> Option<String> {
        let state = self.state();
        let is_spent = state.failing.since?.elapsed() >= budget;
        match &state.failing.last {
            // A host that answers with errors keeps nobody waiting: a request
            // still gets its answer.
            Some(LastFailure::Silence(words)) if is_spent => Some(words.clone()),
            _ => None,
        }
    }

    /// No request to this host begins before `instant`.
    pub(super) fn pause_until(&self, instant: Instant) {
        let mut state = self.state();
        state.not_before = state.not_before.max(Some(instant));
    }

    /// Whether this warning of the host is new, and not one of too many.
    pub(super) fn is_news(&self, warning: &str) -> bool {
        let mut state = self.state();
        state.warnings.len() < WARNINGS && state.warnings.insert(warning.to_owned())
    }

    fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostState {
    /// When the next request may begin.
    fn next_start(&self, now: Instant) -> Instant {
        let paced = self.last_start.map(|last| last + self.interval);
        paced.max(self.not_before).unwrap_or(now)
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some(oldest) = self.recent.front()
            && now.saturating_duration_since(*oldest) > WINDOW
        {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether `count` turns can be had at once, and no more.
    async fn takes(host: &Host, count: usize) -> bool {
        let mut permits = Vec::new();
        let turn = Duration::from_millis(50);
        while let Ok(permit) = tokio::time::timeout(turn, host.enter()).await {
            permits.push(permit);
        }
        permits.len() == count
    }

    #[tokio::test]
    async fn a_429_halves_what_is_sent_at_once_and_answers_raise_it_again() {
        let host = Host::default();
        assert!(takes(&host, AT_ONCE).await);
        let began = Instant::now();
        let on_their_way = [host.enter().await, host.enter().await];
        // Many answers in the last second: the pace does not matter here.
        (0..1000).for_each(|_| host.answered(Instant::now()));
        host.complained(began);
        // All requests that were under way get the same complaint.
        host.complained(began);
        host.complained(began);
        drop(on_their_way);
        assert!(takes(&host, AT_ONCE / 2).await);
        host.complained(Instant::now());
        assert!(takes(&host, AT_ONCE / 4).await);
        (0..200).for_each(|_| host.answered(Instant::now()));
        assert!(takes(&host, AT_ONCE).await);
    }

    #[tokio::test]
    async fn one_request_at_a_time_is_the_least() {
        let host = Host::default();
        for _ in 0..10 {
            (0..1000).for_each(|_| host.answered(Instant::now()));
            host.complained(Instant::now());
        }
        assert!(host.state().at_once >= 1);
        tokio::time::timeout(LONGEST_INTERVAL, host.enter())
            .await
            .expect("a turn");
    }

    #[test]
    fn the_pace_is_what_the_host_took_and_rises_slowly() {
        let host = Host::default();
        (0..10).for_each(|_| host.answered(Instant::now()));
        host.complained(Instant::now());
        assert_eq!(host.state().interval, Duration::ZERO);
        host.complained(Instant::now());
        assert_eq!(host.state().interval, Duration::from_millis(125));
        (0..35).for_each(|_| host.answered(Instant::now()));
        let interval = host.state().interval;
        assert!(interval < Duration::from_millis(100), "{interval:?}");
        (0..1000).for_each(|_| host.answered(Instant::now()));
        assert_eq!(host.state().interval, Duration::ZERO);
    }

    #[test]
    fn a_host_that_takes_nothing_is_still_asked_now_and_then() {
        let host = Host::default();
        (0..100).for_each(|_| host.complained(Instant::now()));
        assert_eq!(host.state().interval, LONGEST_INTERVAL);
    }

    #[tokio::test]
    async fn a_pause_holds_for_requests_that_wait_for_their_turn_already() {
        let host = Host::default();
        let mut permits = Vec::new();
        for _ in 0..AT_ONCE {
            permits.push(host.enter().await);
        }
        let until = Instant::now() + Duration::from_millis(200);
        let (permit, ()) = futures_util::join!(host.enter(), async {
            tokio::task::yield_now().await;
            host.pause_until(until);
            permits.clear();
        });
        assert!(permit.began >= until);
    }

    #[test]
    fn a_host_that_answers_is_forgiven_as_slowly_as_it_failed() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut trouble = Failing::default();
        let failed = |trouble: &mut Failing, began| {
            trouble.failed(began);
            trouble.since.unwrap()
        };
        assert_eq!(failed(&mut trouble, start), start);
        assert_eq!(failed(&mut trouble, start + 5 * second), start);
        // Ten seconds of failing, four of answers: the four do not count.
        trouble.better_since = Some(start + 10 * second);
        let began = start + 14 * second;
        assert_eq!(failed(&mut trouble, began), start + 4 * second);
        assert_eq!(failed(&mut trouble, began + second), start + 4 * second);
        // A request that began before the host answered makes nothing better.
        trouble.better_since = Some(start + 16 * second);
        assert_eq!(failed(&mut trouble, began), start + 4 * second);
        // Twelve seconds of failing, twelve of answers.
        trouble.better_since = Some(start + 16 * second);
        let began = start + 28 * second;
        assert_eq!(failed(&mut trouble, began), began);
    }

    #[test]
    fn a_host_is_given_up_when_nobody_has_answered_for_the_whole_budget() {
        let host = Host::default();
        let (budget, began) = (Duration::from_secs(1), Instant::now());
        let words = || Some("silence".to_owned());
        let silence = || LastFailure::Silence("silence".to_owned());
        let answer = || LastFailure::Answer("503".to_owned());
        assert_eq!(host.given_up(Duration::ZERO), None);
        host.failed(began, silence());
        assert_eq!(host.given_up(budget), None);
        assert_eq!(host.given_up(Duration::ZERO), words());
        // The host answers, though with an error.
        host.failed(began, answer());
        assert_eq!(host.given_up(Duration::ZERO), None);
        host.failed(began, silence());
        host.answered(Instant::now());
        assert_eq!(host.given_up(Duration::ZERO), None);
    }

    #[test]
    fn the_fastest_and_the_slowest_answer_are_known() {
        let host = Host::default();
        assert_eq!(host.times(), Times::default());
        let [fastest, slowest] = [20, 700].map(Duration::from_millis);
        for time in [fastest * 2, slowest, fastest] {
            host.took(time);
        }
        assert_eq!(host.times(), Times { fastest, slowest });
    }

    #[test]
    fn a_warning_is_news_once() {
        let host = Host::default();
        assert!(host.is_news("a"));
        assert!(!host.is_news("a"));
        assert!(host.is_news("b"));
        let shown = (0..100).filter(|n| host.is_news(&n.to_string())).count();
        assert_eq!(shown, WARNINGS - 2);
    }
}
