//! The accounts of a `swift` store.
