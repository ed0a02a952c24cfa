//! The locks of the engine: those of the standard library, and in the model test
//! (`tests/model`, feature `model`) the same by the name of shuttle, which runs threads in orders
//! that a machine would take years to meet.

#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, RwLock};
#[cfg(feature = "model")]
pub(crate) use std::sync::PoisonError;

/// A number that the calling thread has for itself, counted from 0.
#[cfg(not(feature = "model"))]
pub(crate) fn thread_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// The same in a model, where a run must be repeatable.
#[cfg(feature = "model")]
pub(crate) fn thread_number() -> usize {
    shuttle::current::me().into()
}
