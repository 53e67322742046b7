//! What a location row points to.
