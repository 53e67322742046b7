//! The table of `--store rbd`, and who was how many times as fast as whom.

use anyhow::{Result, ensure};

use super::{AT_A_TIME, Contestant, Program, Round, limited};
use crate::measure::median;
use crate::table::{print, say};

type Standing = Result<Vec<Round>>;

pub fn report(contestants: &[Contestant], standings: Vec<Standing>) -> Result<()> {
    let all: Vec<_> = contestants.iter().zip(&standings).collect();
    let floor = best_floor(&all);
    let row = |(contestant, standing): &(&Contestant, &Standing)| {
        let (name, images) = (contestant.name.clone(), contestant.images.to_string());
        let Ok(rounds) = standing else {
            return [
                name,
                images,
                "FAILED".to_owned(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
                "-".into(),
            ];
        };
        let of = |number: fn(&Round) -> f64| median(rounds.iter().map(number));
        let cpu = of(|round| round.work.cpu - round.start.cpu) / contestant.images as f64;
        [
            name,
            images,
            format!("{:.2}", of(|round| round.work.wall)),
            format!("{:.2}", of(|round| round.start.wall)),
            format!("{:.1}", rate(&(contestant, rounds))),
            floor.as_ref().map_or("-".to_owned(), |floor| format!("{:.2}", ratios(&(contestant, rounds), floor).0)),
            format!("{:.1}", cpu * 1000.0),
            format!("{:.1}", of(|round| round.work.peak)),
            format!("{:.0}", of(|round| round.connections as f64)),
        ]
    };
    let heads = [
        "contestant",
        "images",
        "seconds",
        "start s",
        "images/s",
        "× best floor",
        "CPU ms/image",
        "peak MiB",
        "connections",
    ];
    print(heads, all.iter().map(row).collect())?;
    compare(&all, floor.as_ref())?;
    let failures: Vec<_> = contestants.iter().zip(standings).filter_map(|(who, end)| Some((who, end.err()?))).collect();
    for (contestant, error) in &failures {
        say(&format!("{} FAILED: {error:#}", contestant.name))?;
    }
    ensure!(failures.is_empty(), "a contestant failed");
    Ok(())
}

/// A contestant that got through all runs.
type Finisher<'a> = (&'a Contestant, &'a [Round]);

fn compare(all: &[(&Contestant, &Standing)], floor: Option<&Finisher<'_>>) -> Result<()> {
    let find = |program: Program| {
        let mut finishers = finishers(all);
        finishers.find(|(contestant, _)| contestant.program == program)
    };
    let scrubber = |settings: String| find(Program::Scrubber { settings });
    let pairs = [
        (scrubber(String::new()), find(Program::Peer { at_a_time: None })),
        (scrubber(limited()), find(Program::Peer { at_a_time: Some(AT_A_TIME) })),
        (scrubber(String::new()), floor.copied()),
    ];
    for (one, other) in pairs.into_iter().filter_map(|(one, other)| one.zip(other)) {
        let (middle, least, most) = ratios(&one, &other);
        let (one, other) = (&one.0.name, &other.0.name);
        say(&format!("{one}: {middle:.2} times the images/s of {other} ({least:.2} to {most:.2})"))?;
    }
    Ok(())
}

fn finishers<'a>(all: &[(&'a Contestant, &'a Standing)]) -> impl Iterator<Item = Finisher<'a>> {
    all.iter().filter_map(|(contestant, standing)| Some((*contestant, standing.as_ref().ok()?.as_slice())))
}

/// The number of threads at which librbd alone does best.
fn best_floor<'a>(all: &[(&'a Contestant, &'a Standing)]) -> Option<Finisher<'a>> {
    let floors = finishers(all).filter(|(contestant, _)| matches!(contestant.program, Program::Floor { .. }));
    floors.max_by(|one, other| rate(one).total_cmp(&rate(other)))
}

fn rate((contestant, rounds): &(&Contestant, impl AsRef<[Round]>)) -> f64 {
    median(rounds.as_ref().iter().map(|round| round.rate(contestant.images)))
}

/// How many times as fast `one` was as `other`, run by run: the median, the least, the most.
fn ratios(one: &(&Contestant, impl AsRef<[Round]>), other: &Finisher<'_>) -> (f64, f64, f64) {
    let pairs = one.1.as_ref().iter().zip(other.1);
    let ratios: Vec<_> = pairs.map(|(mine, its)| mine.rate(one.0.images) / its.rate(other.0.images)).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    (median(ratios), least, most)
}
