//! What native objects hold: the collector is told how much it is, and `dispose()` gives it back before the collector does.
//!
//! Every class of the addon keeps what it owns in a [`Held`], which cannot be made without a weight and a [`Home`] to tell it to.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use napi::{Env, sys};
use tiresias_guard::napi;

use crate::errors::Result;

/// What a class owns.
pub trait Weigh {
    /// The class, for messages.
    const CLASS: &'static str;

    /// Bytes on the heap that are this object's own: what it shares with another held object counts there.
    fn weight(&self) -> usize;
}

/// A JavaScript environment (the main thread's, or a worker's), and what its collector has yet to hear.
pub struct Home {
    /// Null where there is none to tell.
    env: sys::napi_env,
    thread: ThreadId,
    owed: AtomicI64,
    closed: AtomicBool,
}

// SAFETY: the environment is used on its own thread only (`settle`), and not once it has begun to close.
unsafe impl Send for Home {}
// SAFETY: as above; the rest is atomic.
unsafe impl Sync for Home {}

thread_local! {
    static HOME: RefCell<Option<Arc<Home>>> = const { RefCell::new(None) };
}

impl Home {
    /// The home of objects that are made on this thread. Objects made on other threads for a call take the home of the thread that made
    /// the call.
    pub fn here() -> Arc<Self> {
        let home = HOME.with_borrow(Option::clone).unwrap_or_else(|| Arc::new(Self::new(std::ptr::null_mut())));
        home.settle();
        home
    }

    fn new(env: sys::napi_env) -> Self {
        Self { env, thread: thread::current().id(), owed: AtomicI64::new(0), closed: AtomicBool::new(false) }
    }

    /// Counts bytes; tells at once on the environment's own thread, else at the next occasion.
    fn owe(&self, bytes: i64) {
        self.owed.fetch_add(bytes, Ordering::Relaxed);
        self.settle();
    }

    fn settle(&self) {
        if self.env.is_null() || self.thread != thread::current().id() || self.closed.load(Ordering::Relaxed) {
            return;
        }
        let owed = self.owed.swap(0, Ordering::Relaxed);
        if owed != 0 {
            let mut total = 0;
            // SAFETY: this is the environment's thread, and the environment is open. A refusal leaves the collector less well informed.
            unsafe { sys::napi_adjust_external_memory(self.env, owed, &raw mut total) };
        }
    }
}

/// Tells the collector of this thread's environment from now on what native objects hold: called as the addon is loaded. Returns the
/// bytes that the collector knows of by now, which `process.memoryUsage()` does not show.
#[napi]
pub fn tell_collector(env: Env) -> Result<f64> {
    if HOME.with_borrow(Option::is_none) {
        let home = Arc::new(Home::new(env.raw()));
        HOME.set(Some(home.clone()));
        env.add_env_cleanup_hook(home, |home| home.closed.store(true, Ordering::Relaxed))?;
    }
    Home::here();
    Ok(env.adjust_external_memory(0)? as f64)
}

/// What the collector was told of one object; clones of the object share it.
struct Account {
    home: Arc<Home>,
    bytes: AtomicUsize,
}

impl Account {
    fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if bytes != before {
            self.home.owe(bytes as i64 - before as i64);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.home.owe(-(*self.bytes.get_mut() as i64));
    }
}

/// What an object of the addon owns until it is disposed of. Reading is `Deref`, which ends the call with `DISPOSED` when it is gone;
/// writing is [`write`](Self::write), which weighs again. Clones share what is counted.
pub struct Held<T: Weigh>(Option<(T, Arc<Account>)>);

impl<T: Weigh + Clone> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Weigh> Held<T> {
    pub fn new(home: &Arc<Home>, value: T) -> Self {
        let account = Account { home: home.clone(), bytes: AtomicUsize::new(0) };
        account.set(size_of::<T>() + value.weight());
        Self(Some((value, Arc::new(account))))
    }

    /// Frees what is owned, unless a clone needs it; again is nothing.
    pub fn dispose(&mut self) {
        self.0 = None;
    }

    /// To change what is owned.
    pub fn write(&mut self) -> Writing<'_, T> {
        match &mut self.0 {
            Some((value, account)) => Writing { value, account },
            None => gone::<T>(),
        }
    }
}

/// How the message of a use after disposal begins: its code.
pub const DISPOSED: &str = "DISPOSED: ";

/// Ends the call, as a panic that napi turns into an error of the message's code: every exported function catches panics.
fn gone<T: Weigh>() -> ! {
    resume_unwind(Box::new(format!("{DISPOSED}this {} was disposed of; make another", T::CLASS)))
}

impl<T: Weigh> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().map_or_else(|| gone::<T>(), |(value, _)| value)
    }
}

/// Something owned, while it is changed.
pub struct Writing<'h, T: Weigh> {
    value: &'h mut T,
    account: &'h Account,
}

impl<T: Weigh> Deref for Writing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: Weigh> DerefMut for Writing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

impl<T: Weigh> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        self.account.set(size_of::<T>() + self.value.weight());
    }
}

/// Gives classes their `dispose()`. A class without it fails the test that looks at all of them.
macro_rules! disposable {
    ($class:ident) => {
        #[tiresias_guard::napi]
        impl $class {
            /// Frees the memory now, which the garbage collector would do some time later. Every later use throws `DISPOSED`; disposing
            /// again does nothing.
            #[napi]
            pub fn dispose(&mut self) {
                self.0.dispose();
            }
        }
    };
}
pub(crate) use disposable;
