//! A closure as the progress callback of a removal.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use super::error::{CallError, Errno, check};
use super::ffi::ProgressFn;

/// Behind a mutex, since librbd calls from threads of its own.
struct Watched<F> {
    go_on: F,
    panic: Option<Box<dyn Any + Send>>,
}

/// Runs a removal. `go_on` gets how much is done and how much there is, in a unit that differs from step to step (mostly
/// objects), from a thread of librbd; `false` stops the removal, which ends in ECANCELED. A panic in `go_on` stops
/// it too, and goes on here, once C has returned.
pub(super) fn watched<F: FnMut(u64, u64) -> bool + Send>(
    call: &'static str,
    go_on: F,
    run: impl FnOnce(ProgressFn, *mut c_void) -> c_int,
) -> Result<(), CallError> {
    let watched = Mutex::new(Watched { go_on, panic: None });
    let answer = run(report::<F>, (&raw const watched).cast_mut().cast());
    match watched.into_inner().unwrap_or_else(PoisonError::into_inner).panic {
        Some(panic) => resume_unwind(panic),
        None => check(call, answer).map(|_| ()),
    }
}

extern "C" fn report<F: FnMut(u64, u64) -> bool + Send>(done: u64, total: u64, data: *mut c_void) -> c_int {
    // SAFETY: `watched` passed a `Mutex<Watched<F>>` that lives until the removal returns, and librbd does not call
    // after that. It is only shared here, never moved; `F` is `Send`, so that the mutex may be used by any thread.
    let watched = unsafe { &*data.cast_const().cast::<Mutex<Watched<F>>>() };
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.panic.is_some() {
        return -Errno::ECANCELED.0;
    }
    match catch_unwind(AssertUnwindSafe(|| (watched.go_on)(done, total))) {
        Ok(true) => 0,
        Ok(false) => -Errno::ECANCELED.0,
        Err(panic) => {
            watched.panic = Some(panic);
            -Errno::ECANCELED.0
        }
    }
}
