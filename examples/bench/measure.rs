//! A child's time, processor time and peak memory.
//!
//! Through GNU time: the kernel counts a child's peak from before its exec, when it still is a copy of its parent, and
//! GNU time is the smallest parent at hand. Rejected: wait4 from here, which would show our own peak.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of processor time, user and system, with its children.
    pub cpu: f64,
    /// Peak resident memory in MiB, of the largest process.
    pub peak: f64,
}

/// Runs `command` to its end. Its stderr is kept in `home` for the error message; stdout goes to `stdout`.
///
/// The inner result is what the command itself ended with.
pub fn run(command: &Command, stdout: Stdio, home: &Path) -> Result<Result<Usage>> {
    let (report, log) = (home.join("time"), home.join("stderr"));
    let mut timed = Command::new("time");
    timed.args(["--quiet", "--format=%U %S %M", "--output"]).arg(&report);
    timed.arg(command.get_program()).args(command.get_args());
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    timed.stdin(Stdio::null()).stdout(stdout).stderr(File::create(&log)?);
    let start = Instant::now();
    let status = timed.status().context("cannot run GNU time (Debian package: time)")?;
    let wall = start.elapsed().as_secs_f64();
    if !status.success() {
        let log = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        let last: Vec<_> = log.lines().rev().take(3).collect();
        return Ok(Err(anyhow::anyhow!("{status}: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / "))));
    }
    let report = std::fs::read_to_string(&report)?;
    let numbers: Vec<f64> = report.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, system, kib] = numbers[..] else { anyhow::bail!("GNU time said {report:?}") };
    Ok(Ok(Usage { wall, cpu: user + system, peak: kib / 1024.0 }))
}

/// The middle one; of an even number, the mean of the two in the middle.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let middle = |place: usize| numbers.get(place).copied().unwrap_or(f64::NAN);
    (middle(numbers.len().saturating_sub(1) / 2) + middle(numbers.len() / 2)) / 2.0
}
