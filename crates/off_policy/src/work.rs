//! Threads and the caller's hook.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::Error;

/// How far an estimation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// `weights`, `fit`, `sums` or `resamples`.
    pub phase: &'static str,
    /// The piece of work begun.
    pub done: usize,
    /// Pieces of this phase.
    pub total: usize,
}

/// Told of every piece of work that is begun, from any thread; breaking ends the call with [`Error::Cancelled`].
pub type Hook<'a> = dyn Fn(Progress) -> ControlFlow<()> + Sync + 'a;

/// A hook that never cancels.
pub fn no_hook(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Threads of one call, none where one is enough.
pub(crate) struct Workers<'a> {
    pool: Option<rayon::ThreadPool>,
    hook: &'a Hook<'a>,
    cancelled: AtomicBool,
}

impl<'a> Workers<'a> {
    pub fn new(threads: usize, hook: &'a Hook<'a>) -> Result<Self, Error> {
        let build = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = if threads > 1 { Some(build().map_err(|error| Error::Threads(error.to_string()))?) } else { None };
        Ok(Self { pool, hook, cancelled: AtomicBool::new(false) })
    }

    /// `work(index, item)` of every item, in the items' order, whichever thread did which.
    pub fn map<I: Send, R: Send>(
        &self,
        phase: &'static str,
        items: Vec<I>,
        work: impl Fn(usize, I) -> R + Sync,
    ) -> Result<Vec<R>, Error> {
        let total = items.len();
        let step = |(index, item)| {
            if self.cancelled.load(Ordering::Relaxed) || (self.hook)(Progress { phase, done: index, total }).is_break()
            {
                self.cancelled.store(true, Ordering::Relaxed);
                return Err(Error::Cancelled);
            }
            Ok(work(index, item))
        };
        match &self.pool {
            Some(pool) => pool.install(|| items.into_par_iter().enumerate().map(step).collect()),
            None => items.into_iter().enumerate().map(step).collect(),
        }
    }
}

/// Cuts a slice at the ends given, ascending.
pub(crate) fn cut<'s, T>(mut slice: &'s mut [T], ends: &[usize]) -> Vec<&'s mut [T]> {
    let mut start = 0;
    let mut pieces = Vec::with_capacity(ends.len());
    for &end in ends {
        let (piece, rest) = slice.split_at_mut(end - start);
        pieces.push(piece);
        (slice, start) = (rest, end);
    }
    pieces
}
