//! What the threads of one solve share: whether to go on, how much memory they hold, and how much they have computed.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::{Limits, Stopped};

/// An amount of memory, an amount of arithmetic and a flag that anyone may raise. The clock is for whoever watches from outside:
/// reading it for every linear program took a fifth of the time of small ones.
pub(crate) struct Budget {
    memory: usize,
    held: AtomicUsize,
    most_work: u64,
    work: AtomicU64,
    stop: AtomicBool,
    reason: AtomicU8,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory.unwrap_or(usize::MAX),
            held: AtomicUsize::new(0),
            most_work: u64::MAX,
            work: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            reason: AtomicU8::new(0),
        }
    }

    /// With this many multiply-adds to spend.
    pub fn with_work(self, most_work: u64) -> Self {
        Self { most_work, ..self }
    }

    /// Whether to stop.
    pub fn spent(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Raises the flag; the first reason stands.
    pub fn stop(&self, reason: Stopped) {
        let code = match reason {
            Stopped::Time => 1,
            Stopped::Memory => 2,
            Stopped::Exhausted => 3,
            _ => 4,
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
            3 => Some(Stopped::Exhausted),
            _ => Some(Stopped::Cancelled),
        }
    }

    /// Counts multiply-adds as done; raises the flag when that is too much. A stage's work does not depend on the threads that share
    /// it, so neither does whether a stage is finished before the flag is up.
    pub fn work(&self, amount: usize) {
        let amount = amount as u64;
        if self.most_work < u64::MAX && self.work.fetch_add(amount, Relaxed) + amount > self.most_work {
            self.stop(Stopped::Exhausted);
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
