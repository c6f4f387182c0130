//! The queue of long calls, and the threads of our own that work it off.
//!
//! libuv's pool is not used: it has four threads that files, names and compression need too, and Node waits for them when it exits.
//! They give way, as the system puts it, so that the event loop answers while every core computes: a process that solves still serves.
//! As many calls run at once as there are workers; the others wait their turn. A call that is cancelled while it waits ends at once,
//! and all calls of an environment (Node's main thread, or a worker thread) are cancelled when it goes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi::Env;
use tiresias_guard::napi;

use crate::background::CancelToken;
use crate::errors::{Result, cancelled, coded, whole};
use crate::pools;

/// A call in the queue.
pub struct Job {
    /// The environment that waits for it.
    pub environment: usize,
    /// Who may cancel it.
    pub cancel: CancelToken,
    /// Computes, unless it is given the error that it never came to run; what it gives back settles the promise. Neither panics.
    pub work: Box<dyn FnOnce(Result<()>) -> Settle + Send>,
}

/// Settles a promise.
pub type Settle = Box<dyn FnOnce() + Send>;

struct State {
    /// Calls that run at once; 0 until somebody asks.
    workers: usize,
    /// Threads there are, and those of them that wait.
    threads: usize,
    idle: usize,
    waiting: VecDeque<Job>,
    /// Calls that were told to hand over what they have before they began: one thread more runs them, which is soon done.
    hurried: VecDeque<Job>,
    hurrying: bool,
    /// By number of the call: its environment and its token.
    running: Vec<(u64, usize, CancelToken)>,
    begun: u64,
    done: u64,
    environments: Vec<usize>,
}

static STATE: Mutex<State> = Mutex::new(State::new());
static CHANGED: Condvar = Condvar::new();

/// A thread that has waited this long ends.
const IDLE: Duration = Duration::from_secs(10);

/// Room for the recursion of solvers and parsers; only what is touched takes memory.
const STACK: usize = 16 << 20;

/// The most workers that may be asked for.
const MOST_WORKERS: u32 = 1024;

fn state() -> MutexGuard<'static, State> {
    // It is whole between any two statements that could panic.
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if state.workers == 0 {
        state.workers = default_workers();
    }
    state
}

/// One worker a core, but four at least, as many as libuv's pool has; `TIRESIAS_WORKERS` says otherwise.
fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let asked = std::env::var("TIRESIAS_WORKERS").ok().and_then(|text| text.trim().parse::<u32>().ok());
    asked.filter(|n| (1..=MOST_WORKERS).contains(n)).map_or(cores.max(4), |n| n as usize)
}

/// How busy the threads of asynchronous calls are.
#[napi(object)]
pub struct JobCounts {
    /// Calls that run at once, at most.
    pub workers: u32,
    /// Calls that run now.
    pub running: u32,
    /// Calls that wait for a worker.
    pub queued: u32,
    /// Calls that have ended since the process began, cancelled ones included.
    pub done: f64,
}

/// How busy the threads of asynchronous calls are: of all environments of the process together.
#[napi]
pub fn job_counts() -> JobCounts {
    let state = state();
    JobCounts {
        workers: state.workers as u32,
        running: state.running.len() as u32,
        queued: (state.waiting.len() + state.hurried.len()) as u32,
        done: state.done as f64,
    }
}

/// Sets how many asynchronous calls run at once. Running calls are left alone.
#[napi]
pub fn set_workers(workers: f64) -> Result<()> {
    let workers = whole("workers", workers, 1, MOST_WORKERS)?;
    let mut state = state();
    state.workers = workers;
    while state.threads < workers.min(state.threads + state.waiting.len()) && state.idle < state.waiting.len() {
        state.start_thread()?;
    }
    drop(state);
    CHANGED.notify_all();
    Ok(())
}

/// Puts a call in the queue.
pub fn submit(env: Env, job: Job) {
    let mut state = state();
    if let Err(error) = state.make_ready(env, job.environment) {
        drop(state);
        return (job.work)(Err(error))();
    }
    let token = job.cancel.clone();
    state.waiting.push_back(job);
    drop(state);
    CHANGED.notify_one();
    // Told before it was queued.
    if token.unwanted() {
        drop_cancelled(&token);
    } else if token.cancelled() {
        hurry(&token);
    }
}

/// Ends the waiting calls that hold a token that has just been cancelled.
pub fn drop_cancelled(token: &CancelToken) {
    let mut state = state();
    let dropped = take(&mut state.waiting, |job| job.cancel.same(token));
    state.done += dropped.len() as u64;
    drop(state);
    dropped.into_iter().for_each(|job| (job.work)(Err(cancelled()))());
}

/// Lets the waiting calls that hold a token that has just been told to stop run at once: they stop as soon as they have anything.
pub fn hurry(token: &CancelToken) {
    let mut state = state();
    let hurried = take(&mut state.waiting, |job| job.cancel.same(token));
    if hurried.is_empty() {
        return;
    }
    state.hurried.extend(hurried);
    if !state.hurrying {
        // Without the thread they run when a worker is free.
        state.hurrying = thread("tiresias-hurry", run_hurried).is_ok();
    }
    drop(state);
    CHANGED.notify_one();
}

/// Cancels all calls of an environment that goes; nobody hears of them any more.
fn close(environment: usize) {
    let mut state = state();
    state.environments.retain(|&known| known != environment);
    let of_it = |job: &Job| job.environment == environment;
    let mut dropped = take(&mut state.waiting, of_it);
    dropped.append(&mut take(&mut state.hurried, of_it));
    state.done += dropped.len() as u64;
    let running = state.running.iter().filter(|(_, of, _)| *of == environment);
    running.for_each(|(.., cancel)| cancel.set());
    drop(state);
    drop(dropped);
}

impl State {
    const fn new() -> Self {
        Self {
            workers: 0,
            threads: 0,
            idle: 0,
            waiting: VecDeque::new(),
            hurried: VecDeque::new(),
            hurrying: false,
            running: Vec::new(),
            begun: 0,
            done: 0,
            environments: Vec::new(),
        }
    }

    /// Sees to it that somebody takes the next call of an environment, and that it is cancelled when the environment goes.
    fn make_ready(&mut self, env: Env, environment: usize) -> Result<()> {
        if !self.environments.contains(&environment) {
            env.add_env_cleanup_hook(environment, close)?;
            self.environments.push(environment);
        }
        // A thread that was woken has not taken its call yet, and still counts as idle.
        if self.idle <= self.waiting.len() && self.threads < self.workers {
            let started = self.start_thread();
            if self.threads == 0 {
                return started;
            }
        }
        Ok(())
    }

    fn start_thread(&mut self) -> Result<()> {
        thread("tiresias-worker", run_jobs)?;
        self.threads += 1;
        Ok(())
    }
}

/// Removes the calls that `picked` picks from a queue.
fn take(queue: &mut VecDeque<Job>, picked: impl Fn(&Job) -> bool) -> Vec<Job> {
    if !queue.iter().any(&picked) {
        return Vec::new();
    }
    let (taken, left) = std::mem::take(queue).into_iter().partition::<Vec<_>, _>(picked);
    *queue = left.into();
    taken
}

fn thread(name: &str, run: fn()) -> Result<()> {
    let started = std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(run);
    started.map(drop).map_err(|error| coded("OUT_OF_THREADS", format!("the system starts no thread: {error}")))
}

/// Runs calls until there are none for a while, or there are more threads than workers.
fn run_jobs() {
    pools::give_way();
    let mut state = state();
    while state.threads <= state.workers {
        if let Some(job) = state.hurried.pop_front().or_else(|| state.waiting.pop_front()) {
            state = run(state, job);
            continue;
        }
        state.idle += 1;
        let (woken, waited) = CHANGED.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if waited.timed_out() && state.waiting.is_empty() && state.hurried.is_empty() {
            break;
        }
    }
    state.threads -= 1;
}

/// Runs the hurried calls, then ends.
fn run_hurried() {
    pools::give_way();
    let mut state = state();
    while let Some(job) = state.hurried.pop_front() {
        state = run(state, job);
    }
    state.hurrying = false;
}

/// Runs a call, with the state unlocked meanwhile.
fn run(mut state: MutexGuard<'static, State>, job: Job) -> MutexGuard<'static, State> {
    state.begun += 1;
    let number = state.begun;
    state.running.push((number, job.environment, job.cancel));
    drop(state);
    let settle = (job.work)(Ok(()));
    state = self::state();
    state.running.retain(|(running, ..)| *running != number);
    state.done += 1;
    drop(state);
    // Whoever hears of the end finds it counted.
    settle();
    self::state()
}
