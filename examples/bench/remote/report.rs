//! The table of the stores behind HTTP, and what was aimed at.

use anyhow::{Result, ensure};

use super::{Contestant, Program, Round, Showing};
use crate::Store;
use crate::measure::median;
use crate::table::{print, say};

/// How many times glance_store's driver, called for one image after the other, this scrubber shall be at least.
fn times(store: Store) -> f64 {
    if store == Store::S3 { 20.0 } else { 5.0 }
}

/// How many requests it shall send for an image at most, where a request may take many.
fn requests(store: Store) -> Option<f64> {
    (store == Store::S3).then_some(0.01)
}

pub fn report(store: Store, contestants: &[Contestant], results: Vec<Result<Showing>>) -> Result<()> {
    let finishers: Vec<_> =
        contestants.iter().zip(&results).filter_map(|(who, result)| Some((who, result.as_ref().ok()?))).collect();
    let find = |program| finishers.iter().find(|(contestant, _)| contestant.program == program);
    let driver = find(Program::Driver { threads: 1 });
    table(contestants, &results, driver)?;
    for finisher in &finishers {
        traffic(finisher)?;
    }
    if let Some(scrubber) = find(Program::Scrubber { settings: String::new() }) {
        for other in finishers.iter().filter(|(who, _)| !matches!(who.program, Program::Scrubber { .. })) {
            let (middle, least, most) = ratios(scrubber, other);
            let target = times(store);
            let aim = format!("; at least {target} is aimed at: {}", met(middle >= target));
            let aim = if other.0.program == (Program::Driver { threads: 1 }) { aim } else { String::new() };
            let name = &other.0.name;
            say(&format!("glance-scrubber: {middle:.1} times the images/s of {name} ({least:.1} to {most:.1}){aim}"))?;
        }
        if let Some(target) = requests(store) {
            let each = each(scrubber);
            let met = met(each <= target);
            say(&format!("glance-scrubber: {each:.4} requests/image; at most {target} is aimed at: {met}"))?;
        }
    }
    let failures: Vec<_> = contestants.iter().zip(results).filter_map(|(who, end)| Some((who, end.err()?))).collect();
    for (contestant, error) in &failures {
        say(&format!("{} FAILED: {error:#}", contestant.name))?;
    }
    ensure!(failures.is_empty(), "a contestant failed");
    Ok(())
}

/// A contestant that got through all runs.
type Finisher<'a> = (&'a Contestant, &'a Showing);

fn table(contestants: &[Contestant], results: &[Result<Showing>], driver: Option<&Finisher<'_>>) -> Result<()> {
    let row = |(contestant, result): (&Contestant, &Result<Showing>)| {
        let (name, images) = (contestant.name.clone(), contestant.images.to_string());
        let Ok(showing) = result else {
            let none = || "-".to_owned();
            return [name, images, "FAILED".to_owned(), none(), none(), none(), none(), none(), none(), none()];
        };
        let of = |number: fn(&Round) -> f64| median(showing.rounds.iter().map(number));
        let cpu = of(|round| round.work.cpu - round.start.cpu) / contestant.images as f64;
        let finisher = (contestant, showing);
        [
            name,
            images,
            format!("{:.2}", of(|round| round.work.wall)),
            format!("{:.2}", of(|round| round.start.wall)),
            format!("{:.1}", median(showing.rounds.iter().map(|round| round.rate(contestant.images)))),
            driver.map_or("-".to_owned(), |driver| format!("{:.2}", ratios(&finisher, driver).0)),
            format!("{:.4}", each(&finisher)),
            showing.traffic.count.at_once.to_string(),
            format!("{:.2}", cpu * 1000.0),
            format!("{:.1}", of(|round| round.work.peak)),
        ]
    };
    let heads = [
        "contestant",
        "images",
        "seconds",
        "start s",
        "images/s",
        "× glance_store",
        "requests/image",
        "at once",
        "CPU ms/image",
        "peak MiB",
    ];
    print(heads, contestants.iter().zip(results).map(row).collect())
}

/// What it sent where, which also says what a surprising number of requests is made of.
fn traffic((contestant, showing): &Finisher<'_>) -> Result<()> {
    let requests = showing.traffic.count.requests.iter().map(|(kind, count)| format!("{count} {kind}"));
    let requests = requests.collect::<Vec<_>>().join(", ");
    let deleting = showing.traffic.deleting.map_or(String::new(), |most| format!("; at most {most} deletes at once"));
    say(&format!("{} sent {requests}{deleting}", contestant.name))
}

/// Requests for an image, those that open a session included.
fn each((contestant, showing): &Finisher<'_>) -> f64 {
    showing.traffic.count.total() as f64 / contestant.images as f64
}

const fn met(is: bool) -> &'static str {
    if is { "met" } else { "MISSED" }
}

/// How many times as fast `one` was as `other`, run by run: the median, the least, the most.
fn ratios(one: &Finisher<'_>, other: &Finisher<'_>) -> (f64, f64, f64) {
    let pairs = one.1.rounds.iter().zip(&other.1.rounds);
    let ratios: Vec<_> = pairs.map(|(mine, its)| mine.rate(one.0.images) / its.rate(other.0.images)).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    (median(ratios), least, most)
}
