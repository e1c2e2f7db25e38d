//! Virtual time: a clock that moves only when everything waits, and the loop that moves it.
//!
//! The second implementation of [`Clock`], for tests and simulations in one thread. Knows no operating system and draws its chance from a
//! seed, so that a run can be repeated to the byte.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::{Clock, Micros};

/// A clock for one thread's futures.
pub struct VirtualClock {
    start: Micros,
    state: Mutex<State>,
}

struct State {
    elapsed: Duration,
    /// How far the time of day is wrong.
    skew: Micros,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    count: u64,
    /// Of the linear congruential generator behind [`Clock::jitter`].
    random: u64,
    /// Waits asked for, in order.
    slept: Vec<Duration>,
}

impl VirtualClock {
    /// A clock at this time of day, with chance drawn from a seed.
    pub fn new(start: Micros, seed: u64) -> Arc<Self> {
        let state = State {
            elapsed: Duration::ZERO,
            skew: 0,
            sleepers: BTreeMap::new(),
            count: 0,
            random: seed,
            slept: Vec::new(),
        };
        Arc::new(Self { start, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the time of day wrong by so many microseconds; waits are not concerned.
    pub fn skew(&self, skew: Micros) {
        self.state().skew = skew;
    }

    /// The right time of day.
    pub fn truth(&self) -> Micros {
        self.start + self.state().elapsed.as_micros() as i64
    }

    /// Waits asked for so far.
    pub fn slept(&self) -> Vec<Duration> {
        self.state().slept.clone()
    }

    /// Lets time pass without anything happening.
    ///
    /// # Panics
    /// Where somebody sleeps.
    pub fn pass(&self, duration: Duration) {
        let mut state = self.state();
        assert!(state.sleepers.is_empty(), "somebody sleeps");
        state.elapsed += duration;
    }

    /// Runs a future to its end, moving time whenever it waits for nothing else.
    ///
    /// # Panics
    /// Where the future waits for something that never comes.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.run_until(future, || false).expect("nothing stops the future")
    }

    /// The same, but drops the future, as a killed process would, once `stop` says so after one of its steps: `None` then.
    ///
    /// # Panics
    /// Where the future waits for something that never comes.
    pub fn run_until<F: Future>(&self, future: F, stop: impl Fn() -> bool) -> Option<F::Output> {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            while woken.0.swap(false, Ordering::SeqCst) {
                let polled = future.as_mut().poll(&mut context);
                if stop() {
                    return None;
                }
                if let Poll::Ready(output) = polled {
                    return Some(output);
                }
            }
            let mut state = self.state();
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
        let skew = self.state().skew;
        self.truth() + skew
    }

    fn monotonic(&self) -> Duration {
        self.state().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let until = {
            let mut state = self.state();
            state.slept.push(duration);
            state.elapsed + duration
        };
        Sleep { clock: self, until, key: None }.await;
    }

    fn jitter(&self) -> f64 {
        let mut state = self.state();
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
        let mut state = self.clock.state();
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
            self.clock.state().sleepers.remove(&key);
        }
    }
}
