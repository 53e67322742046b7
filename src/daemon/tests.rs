//! The loop itself, in paused time, with a database that answers at once.
