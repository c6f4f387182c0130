//! Solutions that threads of one process share. An object of one JavaScript thread cannot be posted to another; a word can, and names
//! what lies here.

use std::collections::HashMap;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tiresias_guard::napi;

use crate::errors::{Result, coded};
use crate::held::{Held, Home, Weigh, disposable};
use crate::solve::Solution;

/// The addon is loaded once a process, however many threads use it.
static SHARED: LazyLock<Mutex<HashMap<u64, Solution>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn shared() -> MutexGuard<'static, HashMap<u64, Solution>> {
    // Nothing panics while it is held, and nothing would be half done.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A solution that other threads can take while this object is there.
#[napi]
pub struct SharedSolution(Held<Sharing>);

/// The number of an entry, which goes with it. Who took the solution keeps it.
pub struct Sharing(u64);

impl Weigh for Sharing {
    const CLASS: &'static str = "SharedSolution";

    fn weight(&self) -> usize {
        0
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let entry = shared().remove(&self.0);
        // Freed when others can have the lock.
        drop(entry);
    }
}

disposable!(SharedSolution);

#[napi]
impl SharedSolution {
    /// The word for `takeSolution`, on whichever thread of this process. It is of no use once this object is disposed of or collected.
    #[napi(getter)]
    pub fn handle(&self) -> String {
        format!("solution-{}-{}", process::id(), self.0.0)
    }
}

#[napi]
impl Solution {
    /// Lets other threads of this process take the solution, without a copy: they are sent the handle of what this returns. Keep that until
    /// they have it, and dispose of it then; the memory is freed when it, this solution and all that were taken are gone.
    #[napi]
    pub fn share(&self) -> SharedSolution {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        shared().insert(number, self.clone());
        SharedSolution(Held::new(&Home::here(), Sharing(number)))
    }
}

/// The solution that another thread of this process shares under a handle, in the same memory. `STALE_HANDLE` where nothing is shared under
/// it (any more).
#[napi]
pub fn take_solution(handle: String) -> Result<Solution> {
    let stale = |why: String| coded("STALE_HANDLE", format!("nothing is shared as {handle:?}: {why}"));
    let mut words = handle.strip_prefix("solution-").unwrap_or_default().splitn(2, '-').map(str::parse::<u64>);
    let (Some(Ok(process)), Some(Ok(number))) = (words.next(), words.next()) else {
        return Err(stale("a handle is what share() gave".into()));
    };
    if process != u64::from(process::id()) {
        return Err(stale(format!(
            "it is of process {process}, and this is {}; threads share, and processes load the policy's file each",
            process::id()
        )));
    }
    let taken = shared().get(&number).cloned();
    taken.ok_or_else(|| {
        stale("what share() gave was disposed of or collected; keep it until every thread has taken its own".into())
    })
}
