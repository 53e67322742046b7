//! What is told to people and machines.
