//! Virtual time: a clock that moves only when everything waits, and the loop that moves it.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tenantry_replication::clock::{Clock, Micros};

/// Time of day at the start: Monday, 2 November 2026, 08:00 UTC, as the simulator has it.
pub(crate) const START: Micros = 1_793_606_400_000_000;

/// A clock for one thread's futures.
pub(crate) struct VirtualClock {
    state: Mutex<State>,
    /// How far the time of day is wrong.
    skew: Micros,
}

struct State {
    elapsed: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    count: u64,
    /// Of the linear congruential generator behind [`Clock::jitter`].
    random: u64,
    /// Waits asked for, longest first is not kept: in order.
    slept: Vec<Duration>,
}

impl VirtualClock {
    pub(crate) fn new() -> Arc<Self> {
        Self::skewed(0)
    }

    /// A clock whose time of day is wrong by so many microseconds.
    pub(crate) fn skewed(skew: Micros) -> Arc<Self> {
        let state = State {
            elapsed: Duration::ZERO,
            sleepers: BTreeMap::new(),
            count: 0,
            random: 1,
            slept: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), skew })
    }

    /// The right time of day.
    pub(crate) fn truth(&self) -> Micros {
        START + self.monotonic().as_micros() as i64
    }

    /// Waits asked for so far.
    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.state.lock().unwrap().slept.clone()
    }

    /// Lets time pass without anything happening.
    pub(crate) fn pass(&self, duration: Duration) {
        let mut state = self.state.lock().unwrap();
        assert!(state.sleepers.is_empty(), "somebody sleeps");
        state.elapsed += duration;
    }

    /// Runs a future to its end, moving time whenever it waits for nothing else.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            while woken.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return output;
                }
            }
            let mut state = self.state.lock().unwrap();
            let ((at, _), sleeper) =
                state.sleepers.pop_first().expect("everything waits, and nobody for time");
            state.elapsed = state.elapsed.max(at);
            drop(state);
            sleeper.wake();
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Micros {
        self.truth() + self.skew
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().unwrap().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let until = {
            let mut state = self.state.lock().unwrap();
            state.slept.push(duration);
            state.elapsed + duration
        };
        Sleep { clock: self, until, key: None }.await;
    }

    fn jitter(&self) -> f64 {
        let mut state = self.state.lock().unwrap();
        state.random =
            state.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state.random >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    until: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state.lock().unwrap();
        if state.elapsed >= self.until {
            return Poll::Ready(());
        }
        let until = self.until;
        let key = self.key.unwrap_or_else(|| {
            state.count += 1;
            (until, state.count)
        });
        state.sleepers.insert(key, context.waker().clone());
        drop(state);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.state.lock().unwrap().sleepers.remove(&key);
        }
    }
}
