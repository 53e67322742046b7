//! The binding by itself, and against a real cluster.

use super::*;

#[test]
fn an_error_names_the_call_and_the_number() {
    let error = CallError::new("rbd_remove", Errno::EBUSY);
    assert_eq!(error.to_string(), "rbd_remove failed: EBUSY (16), device or resource busy");
}
