//! Long calls: on libuv's pool, inside one shared guard, cancellable, with progress.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{AsyncTask, ToNapiValue, TypeName};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, Task};
use tiresias_guard::napi;

use crate::errors::{Result, coded, whole};

/// Cancels the calls it was handed to.
#[napi]
#[derive(Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

#[napi]
impl CancelToken {
    /// A token that nobody has cancelled.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every call that holds this token to stop soon.
    #[napi]
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether `cancel` has been called.
    #[napi(getter)]
    pub fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A progress callback; weak, so that it never keeps the process alive.
pub type ProgressCallback<T> = ThreadsafeFunction<T, (), T, Status, false, true>;

/// At most this often does progress cross into JavaScript.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// A progress callback with a rate limit; the last report is always let through by the caller's own completion.
pub struct Reporter<T: ToNapiValue + 'static> {
    callback: Option<ProgressCallback<T>>,
    last: Mutex<Option<Instant>>,
}

impl<T: ToNapiValue + 'static> Reporter<T> {
    pub fn new(callback: Option<ProgressCallback<T>>) -> Self {
        Self { callback, last: Mutex::new(None) }
    }

    /// Reports, unless the last report was a moment ago and this is not the last one.
    pub fn report(&self, last_one: bool, make: impl FnOnce() -> T) {
        let Some(callback) = &self.callback else { return };
        let Ok(mut last) = self.last.lock() else { return };
        if last_one || last.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
            *last = Some(Instant::now());
            callback.call(make(), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// A job for libuv's pool; resolves to `T`.
pub struct Background<T>(Option<Box<dyn FnOnce() -> Result<T> + Send>>);

impl<T: ToNapiValue + TypeName + Send + 'static> Task for Background<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> Result<T> {
        let work = self.0.take().ok_or_else(|| coded("INTERNAL", "a background job ran twice"))?;
        guarded(work)
    }

    fn resolve(&mut self, _: Env, output: T) -> Result<T> {
        Ok(output)
    }
}

/// Runs `work` in the background on a rayon pool of `threads` threads (0: one per core).
pub fn background<T, F>(threads: usize, work: F) -> AsyncTask<Background<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    AsyncTask::new(Background(Some(Box::new(move || pool(threads)?.install(work)))))
}

/// Runs `work` in the background, on no pool: for solvers, which bring threads of their own and none within somebody's pool.
pub fn alone<T, F>(work: F) -> AsyncTask<Background<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    AsyncTask::new(Background(Some(Box::new(work))))
}

/// The threads that the option `threads` asks for; one per core when it is left out.
pub fn thread_count(option: Option<f64>) -> Result<usize> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(match threads(option)? {
        0 => cores(),
        n => n,
    })
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

/// The most threads a call may ask for: far above any machine's use, far below what makes the system fail.
const MOST_THREADS: u32 = 1024;

/// The option `threads`: 0, one per core, when it is left out.
pub fn threads(option: Option<f64>) -> Result<usize> {
    option.map_or(Ok(0), |n| whole("threads (leave it out to use every core)", n, 1, MOST_THREADS))
}

/// The rayon pool with `threads` threads, made once per size.
pub fn pool(threads: usize) -> Result<Arc<rayon::ThreadPool>> {
    static POOLS: OnceLock<Mutex<HashMap<usize, Arc<rayon::ThreadPool>>>> = OnceLock::new();
    whole("threads", threads as f64, 0, MOST_THREADS)?;
    let mut pools = POOLS.get_or_init(Mutex::default).lock().map_err(|e| coded("INTERNAL", e))?;
    if let Some(pool) = pools.get(&threads) {
        return Ok(pool.clone());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| coded("INTERNAL", e))?;
    let pool = Arc::new(pool);
    pools.insert(threads, pool.clone());
    Ok(pool)
}
