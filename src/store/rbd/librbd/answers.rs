//! What goes to C and what comes back: text, numbers, lists, with buffers that grow until the answer fits.

use std::ffi::{CStr, CString, c_char, c_int};

use super::error::{CallError, Errno, check};
use super::ffi::Blank;

/// Where a buffer for text ends to grow. Ceph's longest option values are a few kilobytes.
const LONGEST_TEXT: usize = 1 << 20;
/// Where a list ends to grow. The largest one is a pool's trash.
const LONGEST_LIST: usize = 1 << 22;

/// Text for C, of which a NUL would be the end: an image name with a NUL in it is no name that Ceph can have.
pub(super) fn c_text(call: &'static str, text: &str) -> Result<CString, CallError> {
    CString::new(text).map_err(|_| CallError::new(call, Errno::EINVAL))
}

/// Copies C's text.
///
/// # Safety
/// `text` is null, or ends with a NUL and is not changed while this runs.
pub(super) unsafe fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the rest is the caller's word.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Asks for a text, with a larger buffer as long as the answer is that it is `too_small`.
pub(super) fn ask_text(
    call: &'static str,
    too_small: Errno,
    mut ask: impl FnMut(*mut c_char, usize) -> c_int,
) -> Result<String, CallError> {
    let mut buffer = vec![0_u8; 64];
    loop {
        match check(call, ask(buffer.as_mut_ptr().cast(), buffer.len())) {
            Ok(_) => return Ok(texts(&buffer).next().unwrap_or_default()),
            Err(error) if error.errno == too_small && buffer.len() < LONGEST_TEXT => {
                buffer = vec![0; buffer.len() * 4];
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks for a list, with more room as long as the answer is ERANGE. `ask` gets the array and its length, and leaves in
/// the latter how many there are. What the entries point to is then the caller's to give back.
pub(super) fn ask_list<T: Blank>(
    call: &'static str,
    mut ask: impl FnMut(*mut T, &mut usize) -> c_int,
) -> Result<Vec<T>, CallError> {
    let mut list = vec![T::BLANK; 16];
    loop {
        let mut count = list.len();
        match check(call, ask(list.as_mut_ptr(), &mut count)) {
            Ok(_) => {
                list.truncate(count);
                return Ok(list);
            }
            Err(error) if error.errno == Errno::ERANGE && list.len() < LONGEST_LIST => {
                list = vec![T::BLANK; count.clamp(list.len() * 2, LONGEST_LIST)];
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks for a number.
pub(super) fn ask_number<T: Default>(call: &'static str, ask: impl FnOnce(&mut T) -> c_int) -> Result<T, CallError> {
    let mut number = T::default();
    check(call, ask(&mut number))?;
    Ok(number)
}

/// The texts in a buffer, each of which ends with a NUL.
pub(super) fn texts(buffer: &[u8]) -> impl Iterator<Item = String> {
    buffer.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned())
}
