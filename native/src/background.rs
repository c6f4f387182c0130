//! Long calls: promises of what the threads of [`crate::jobs`] compute, cancellable, with progress.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::ToNapiValue;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, JsValue, Status, sys};
use tiresias_guard::napi;

use crate::errors::{Result, cancelled, coded};
use crate::jobs::{self, Job, Settle};
pub use crate::pools::{pool, thread_count, threads};

/// Cancels the calls it was handed to.
#[napi]
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Asked>);

/// What a token was told. Both at once is the stronger one.
#[derive(Default)]
struct Asked {
    /// To end, with whatever there is.
    stop: AtomicBool,
    /// To end, with nothing.
    cancel: AtomicBool,
}

#[napi]
impl CancelToken {
    /// A token that nobody has cancelled.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every call that holds this token to stop soon. One that has not begun rejects at once.
    #[napi]
    pub fn cancel(&self) {
        self.set();
        jobs::drop_cancelled(self);
    }

    /// Asks every call that holds this token to stop soon and to hand over what it has, one that has not begun included.
    #[napi]
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
        jobs::hurry(self);
    }

    /// Whether `cancel` or `stop` has been called.
    #[napi(getter)]
    pub fn cancelled(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }
}

impl CancelToken {
    /// As `cancel`, for calls that run.
    pub(crate) fn set(&self) {
        self.0.cancel.store(true, Ordering::Relaxed);
        self.0.stop.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants what the call has: not with `stop`, which takes it.
    pub(crate) fn unwanted(&self) -> bool {
        self.0.cancel.load(Ordering::Relaxed)
    }

    /// `CANCELLED` once the token is cancelled or stopped: for calls that have nothing to hand over before their end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Whether the two are one.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A progress callback; weak, so that it never keeps the process alive.
pub type ProgressCallback<T> = ThreadsafeFunction<T, (), T, Status, false, true>;

/// At most this often does progress cross into JavaScript.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// A progress callback with a rate limit; the last report is always let through, once.
pub struct Reporter<T: ToNapiValue + 'static> {
    callback: Option<ProgressCallback<T>>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// When something was last said.
    at: Option<Instant>,
    /// Whether the last report was made.
    ended: bool,
}

impl<T: ToNapiValue + 'static> Reporter<T> {
    pub fn new(callback: Option<ProgressCallback<T>>) -> Self {
        Self { callback, said: Mutex::default() }
    }

    /// Reports, unless the last report was a moment ago and this is not the last one.
    pub fn report(&self, last_one: bool, make: impl FnOnce() -> T) {
        let Some(callback) = &self.callback else { return };
        // Whoever finds another thread at it leaves the word to it, but for the last one.
        let said = if last_one { self.said.lock().ok() } else { self.said.try_lock().ok() };
        let Some(mut said) = said else { return };
        let due = if last_one { !said.ended } else { said.at.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) };
        if due {
            *said = Said { at: Some(Instant::now()), ended: last_one };
            callback.call(make(), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// A promise of what a job computes: what an asynchronous export returns. It is queued when it is handed to JavaScript.
pub struct Background<T> {
    cancel: CancelToken,
    work: Box<dyn FnOnce() -> Result<T> + Send>,
}

/// Makes a result JavaScript's, on its thread.
type Hand<T> = Box<dyn FnOnce(Env) -> Result<T>>;

impl<T: ToNapiValue + Send + 'static> ToNapiValue for Background<T> {
    unsafe fn to_napi_value(raw: sys::napi_env, Self { cancel, work }: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(raw);
        let (deferred, promise) = env.create_deferred::<T, Hand<T>>()?;
        let work = Box::new(move |turn: Result<()>| -> Settle {
            let result = turn.and_then(|()| guarded(work));
            Box::new(move || match result {
                Ok(value) => deferred.resolve(Box::new(move |_| Ok(value))),
                Err(error) => deferred.reject(error),
            })
        });
        jobs::submit(env, Job { environment: raw.addr(), cancel, work });
        Ok(promise.raw())
    }
}

/// Runs `work` in the background on a rayon pool of `threads` threads (0: one per core). `work` looks at `cancel` and stops soon
/// after it is set, be it by whoever waits or because the process ends.
pub fn background<T: Send + 'static>(
    cancel: CancelToken,
    threads: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Background<T> {
    alone(cancel, move || pool(threads)?.install(work))
}

/// As [`background`], on no pool: for solvers, which bring threads of their own and none within somebody's pool.
pub fn alone<T>(cancel: CancelToken, work: impl FnOnce() -> Result<T> + Send + 'static) -> Background<T> {
    Background { cancel, work: Box::new(work) }
}

/// Runs `work` on the calling thread, where `par_iter` then makes no second one: handing a call of microseconds to another thread
/// costs more than the call.
pub fn here<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread_local! {
        static ALONE: Option<rayon::ThreadPool> =
            rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
    }
    ALONE.with(|alone| match alone {
        Some(pool) => guarded(|| pool.install(work)),
        // The thread belongs to a pool already.
        None => guarded(work),
    })
}

/// Runs `work` at once: on the calling thread when it was asked to, or when nobody said and the work is `small`; else on a pool.
pub fn at_once<T: Send>(threads: Option<usize>, small: bool, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match threads {
        Some(1) => here(work),
        None if small => here(work),
        _ => {
            let pool = pool(threads.unwrap_or(0))?;
            guarded(|| pool.install(work))
        }
    }
}

/// Turns a panic into an error: nothing unwinds into Node.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        if text.starts_with(crate::held::DISPOSED) {
            return Err(napi::Error::from_reason(text));
        }
        Err(coded("INTERNAL", format!("panic: {text}; this is a bug, please report it")))
    })
}
