//! What the threads of one solve share: whether to go on, and how much memory they hold.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{Limits, Stopped};

/// A deadline, an amount of memory and a flag that anyone may raise.
pub(crate) struct Budget {
    deadline: Option<Instant>,
    memory: usize,
    held: AtomicUsize,
    stop: AtomicBool,
    reason: AtomicU8,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        let far = Duration::from_secs(1 << 40);
        Self {
            deadline: limits.time.and_then(|time| Instant::now().checked_add(time.min(far))),
            memory: limits.memory.unwrap_or(usize::MAX),
            held: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            reason: AtomicU8::new(0),
        }
    }

    /// Whether to stop. Reads the clock: cheap beside a linear program, not beside an addition.
    pub fn spent(&self) -> bool {
        if !self.stop.load(Relaxed) && self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.stop(Stopped::Time);
        }
        self.stop.load(Relaxed)
    }

    /// Raises the flag; the first reason stands.
    pub fn stop(&self, reason: Stopped) {
        let code = match reason {
            Stopped::Time => 1,
            Stopped::Memory => 2,
            _ => 3,
        };
        let _ = self.reason.compare_exchange(0, code, Relaxed, Relaxed);
        self.stop.store(true, Relaxed);
    }

    /// Why the flag is up.
    pub fn reason(&self) -> Option<Stopped> {
        match self.reason.load(Relaxed) {
            0 => None,
            1 => Some(Stopped::Time),
            2 => Some(Stopped::Memory),
            _ => Some(Stopped::Cancelled),
        }
    }

    /// Counts `bytes` as held; raises the flag when that is too much.
    pub fn hold(&self, bytes: usize) {
        if self.held.fetch_add(bytes, Relaxed) + bytes > self.memory {
            self.stop(Stopped::Memory);
        }
    }

    /// Counts them as freed.
    pub fn free(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }
}
