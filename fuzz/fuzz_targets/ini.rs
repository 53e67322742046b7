//! Any bytes as a configuration file.

#![no_main]

use glance_scrubber::config::parse_ini;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.len() + 1;
    match parse_ini(bytes) {
        Ok(assignments) => {
            assert!(assignments.iter().all(|a| !a.section.is_empty() && !a.key.is_empty()));
            assert!(assignments.is_sorted_by(|a, b| a.line < b.line), "one assignment a line, in order");
            assert!(assignments.iter().all(|a| (1..=lines).contains(&a.line)));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)));
        }
    }
});
