//! Rayon's pools: the threads that running calls need, and between calls a bounded number, ready for the next. Threads that compute
//! while JavaScript goes on give way to it.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::{Result, coded, whole};

/// The most threads a call may ask for: far above any machine's use, far below what makes the system fail.
const MOST_THREADS: u32 = 1024;

/// The option `threads`: 0, one per core, when it is left out.
pub fn threads(option: Option<f64>) -> Result<usize> {
    option.map_or(Ok(0), |n| whole("threads (leave it out to use every core)", n, 1, MOST_THREADS))
}

/// The threads that the option `threads` asks for; one per core when it is left out.
pub fn thread_count(option: Option<f64>) -> Result<usize> {
    threads(option).map(or_cores)
}

fn or_cores(threads: usize) -> usize {
    if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}

/// Threads of idle pools that are kept, or four a core where that is more: a pool of a few threads is made in a tenth of a millisecond,
/// which a call in a loop should not pay each time.
const KEPT: usize = 32;

thread_local! {
    /// Whether this thread, and those that it starts, give way.
    static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
}

/// How far threads that give way stand back (`nice`, 0 to 19): at 10 a file read beside busy cores still waited a few milliseconds
/// for one in a hundred. `TIRESIAS_NICE` says otherwise.
const NICE: u8 = 19;

/// Lets this thread, and those that it starts from now on, stand back behind all others of the process. Linux has such a thing for
/// single threads, and threads inherit it; elsewhere nothing changes.
pub fn give_way() {
    let asked = std::env::var("TIRESIAS_NICE").ok().and_then(|text| text.trim().parse::<u8>().ok());
    let nice = asked.filter(|&n| n <= NICE).unwrap_or(NICE);
    #[cfg(target_os = "linux")]
    if nice > 0 && rustix::process::setpriority_process(None, nice.into()).is_ok() {
        GIVES_WAY.set(true);
    }
}

/// A kept pool: its number of threads, and whether they give way. A call that JavaScript waits for never lands on threads that do.
type Kind = (usize, bool);

/// Pools by kind, the last used last. Those that a call uses are counted by their handles.
static POOLS: Mutex<Vec<(Kind, Arc<ThreadPool>)>> = Mutex::new(Vec::new());

/// A rayon pool while a call uses it; calls that ask for the same number of threads share one.
pub struct Lease {
    pool: Option<Arc<ThreadPool>>,
}

/// The rayon pool with `threads` threads (0: one per core).
pub fn pool(threads: usize) -> Result<Lease> {
    let threads = whole("threads", or_cores(threads) as f64, 1, MOST_THREADS)?;
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let kind = (threads, GIVES_WAY.get());
    let entry = if let Some(place) = pools.iter().position(|(other, _)| *other == kind) {
        pools.remove(place)
    } else {
        let made = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("tiresias-{i}")).build();
        let failed = |error| coded("OUT_OF_THREADS", format!("a pool of {threads} threads cannot be made: {error}"));
        (kind, Arc::new(made.map_err(failed)?))
    };
    let pool = entry.1.clone();
    pools.push(entry);
    Ok(Lease { pool: Some(pool) })
}

impl std::ops::Deref for Lease {
    type Target = ThreadPool;

    fn deref(&self) -> &ThreadPool {
        self.pool.as_ref().expect("a lease holds its pool until it is dropped")
    }
}

impl Drop for Lease {
    /// Ends idle pools, the longest unused first, until the others have no more threads than are kept.
    fn drop(&mut self) {
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool = None;
        let mut kept = 0;
        let mut ended = Vec::new();
        for place in (0..pools.len()).rev() {
            let ((size, _), pool) = &pools[place];
            if Arc::strong_count(pool) == 1 {
                kept += size;
                if kept > KEPT.max(4 * or_cores(0)) {
                    kept -= size;
                    ended.push(pools.remove(place));
                }
            }
        }
        drop(pools);
    }
}
