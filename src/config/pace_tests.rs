//! Which of several values holds for a store.

use std::collections::BTreeMap;

use super::super::error::Report;
use super::super::ini;
use super::super::raw::{ParsedFile, RawValues};
use super::super::stores::{self, enabled_backends};
use super::*;

fn read(text: &str) -> (Vec<(String, PaceConfig)>, Report) {
    let assignments = ini::parse_ini(text.as_bytes()).unwrap();
    let raw = RawValues::new(vec![ParsedFile { path: "f".into(), assignments }], BTreeMap::new(), Vec::new());
    let mut reader = Reader { raw, report: Report::default(), stores: Vec::new() };
    let backends = enabled_backends(&mut reader);
    reader.stores.clone_from(&backends);
    let stores = stores::load(&mut reader, backends).stores;
    (stores.into_iter().map(|store| (store.id.0, store.pace)).collect(), reader.report)
}

/// `id: thousandths workers paused` of each store, `-` for what is not set.
fn show(text: &str) -> String {
    let (paces, report) = read(text);
    report.finish().unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let one = |(id, pace): &(String, PaceConfig)| {
        let rate = number(pace.rate.map(|rate| rate.thousandths.get()));
        format!("{id}: {rate} {} {}", number(pace.workers.map(|workers| workers as u64)), pace.paused)
    };
    paces.iter().map(one).collect::<Vec<_>>().join(", ")
}

const TWO: &str = "[DEFAULT]\nenabled_backends = a:file, b:rbd\n[glance_store]\ndefault_backend = a\n";

#[test]
fn nothing_is_set_by_itself() {
    assert_eq!(show(TWO), "a: - - false, b: - - false");
    assert_eq!(show("[glance_store]\nstores = file,rbd\n"), "file: - - false, rbd: - - false");
}

#[test]
fn what_is_said_of_a_store_goes_before_what_is_said_of_all() {
    let all = "[scrubber]\nmax_deletes_per_second = 20\nworkers = 3\npause = true\n";
    for (more, expected) in [
        ("", "a: 20000 3 true, b: 20000 3 true"),
        ("[a]\nmax_deletes_per_second = 0.5\n", "a: 500 3 true, b: 20000 3 true"),
        ("[b]\nworkers = 1024\npause = false\n", "a: 20000 3 true, b: 20000 1024 false"),
        ("[backend_defaults]\nworkers = 7\n[a]\nworkers = 8\n", "a: 20000 8 true, b: 20000 7 true"),
        ("[a]\nworkers =\nmax_deletes_per_second =\n", "a: 20000 3 true, b: 20000 3 true"),
        ("[glance_store]\nworkers = 9\n", "a: 20000 3 true, b: 20000 3 true"),
    ] {
        assert_eq!(show(&format!("{TWO}{all}{more}")), expected, "{more}");
    }
    let single = format!("{all}[glance_store]\nstores = file,http\nworkers = 9\npause = off\n");
    assert_eq!(show(&single), "file: 20000 9 false, http: 20000 9 false");
}

#[test]
fn the_narrower_option_wins() {
    for (text, expected) in [
        ("[scrubber]\nworkers = 3\nrbd_workers = 64\n", "a: - 3 false, b: - - false"),
        ("[scrubber]\nrbd_workers = 64\n[b]\nworkers = 5\n", "a: - - false, b: - 5 false"),
        ("[scrubber]\nrbd_workers = 64\n[backend_defaults]\nworkers = 5\n", "a: - 5 false, b: - 5 false"),
    ] {
        assert_eq!(show(&format!("{TWO}{text}")), expected, "{text}");
    }
}

#[test]
fn a_mistake_is_told_once_and_with_its_section() {
    for (more, fault) in [
        ("[scrubber]\nmax_deletes_per_second = 0\n", "f:6: [scrubber] max_deletes_per_second: `0` should be"),
        ("[scrubber]\nmax_deletes_per_second =\n", "f:6: [scrubber] max_deletes_per_second: is empty"),
        ("[scrubber]\nworkers =\n", "f:6: [scrubber] workers: is empty"),
        ("[scrubber]\npause = maybe\n", "f:6: [scrubber] pause: `maybe` is not a boolean"),
        ("[b]\nworkers = 1025\n", "f:6: [b] workers: `1025` should be less than or equal to 1024"),
        ("[backend_defaults]\nworkers = 0\n", "f:6: [backend_defaults] workers: `0` should be greater"),
        ("[a]\nmax_deletes_per_second = 1e3\n", "f:6: [a] max_deletes_per_second: `1e3` is not a number such as"),
    ] {
        let errors = read(&format!("{TWO}{more}")).1.finish().unwrap_err();
        assert!(errors.iter().count() == 1 && errors.to_string().starts_with(fault), "{errors}");
    }
}

#[test]
fn a_rate_is_locations_in_a_time() {
    let rate = |thousandths| Rate::from_thousandths(thousandths).unwrap();
    assert_eq!(rate(500).time_of(1), Duration::from_secs(2));
    assert_eq!(rate(3000).time_of(9), Duration::from_secs(3));
    assert_eq!(rate(1).time_of(u64::MAX), Duration::from_nanos(u64::MAX), "no overflow");
    let second = Duration::from_secs(1);
    assert_eq!([500, 999, 1000, 20_500].map(|thousandths| rate(thousandths).in_time(second)), [1, 1, 1, 20]);
    assert_eq!(rate(20_000).in_time(Duration::ZERO), 1, "at least one");
    assert!(Rate::from_thousandths(0).is_none());
}
