//! The pool that is filled and emptied, through `pool.py`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Args, given};
use crate::cloud::{Cloud, Counts, compare};

const SCRIPT: &str = include_str!("pool.py");

pub struct Pool<'a> {
    args: &'a Args,
    name: &'a str,
    user: &'a str,
    ceph_conf: &'a Path,
    home: &'a Path,
    fsid: String,
}

/// How far the cluster had numbered its clients at a moment.
pub struct Mark {
    number: u64,
    /// By how much a connection raises it: librados meets the monitors more than once for one.
    step: u64,
}

impl<'a> Pool<'a> {
    /// Refuses a pool with anything in it.
    pub fn open(args: &'a Args, home: &'a Path) -> Result<Self> {
        let (name, user): (&'a str, &'a str) = (given(args.pool.as_ref())?, given(args.user.as_ref())?);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-~".contains(letter);
        ensure!(name.chars().all(plain), "the pool's name must need no escapes in a URL");
        std::fs::write(home.join("pool.py"), SCRIPT)?;
        let ceph_conf = given(args.ceph_conf.as_ref())?;
        let mut pool = Self { args, name, user, ceph_conf, home, fsid: String::new() };
        pool.fsid = pool.greeting()?.0;
        let images = pool.says(&["list"])?.lines().count();
        ensure!(images == 0, "the pool has {images} images; this program would delete them, so it wants an empty one");
        Ok(pool)
    }

    pub fn cloud(&self, counts: Counts) -> Cloud {
        let location = [format!("rbd://{}/{}/", self.fsid, self.name), "/snap".to_owned()];
        Cloud { counts, size: self.args.image_mib << 20, location, keys: HashMap::new() }
    }

    /// For every scrubber.
    pub fn config(&self) -> String {
        format!(
            "[glance_store]\nstores = rbd\ndefault_store = rbd\nrbd_store_pool = {}\nrbd_store_user = {}\n\
             rbd_store_ceph_conf = {}\n",
            self.name,
            self.user,
            self.ceph_conf.display()
        )
    }

    /// Makes the pool have exactly these images, whatever it has.
    pub fn fill(&self, ids: &[String]) -> Result<()> {
        let file = self.names("wanted", ids)?;
        let features = self.args.image_features.map_or("default".to_owned(), |bits| bits.to_string());
        let (gib, mib) = (self.args.image_gib.to_string(), self.args.image_mib.to_string());
        self.says(&["make", &file, &gib, &mib, &features]).map(drop)
    }

    /// Whether the due images are gone, and the others as they were. The inner error is the contestant's.
    pub fn verify(&self, cloud: &Cloud) -> Result<Result<()>> {
        let found: HashSet<_> = self.says(&["list", "whole"])?.lines().map(str::to_owned).collect();
        Ok(compare("RBD images", &found, &cloud.staying()))
    }

    /// What removes these images and does nothing else.
    pub fn floor(&self, ids: &[String], threads: u32) -> Result<Command> {
        let file = self.names("due", ids)?;
        Ok(self.command(&["floor", &file, &threads.to_string()]))
    }

    pub fn mark(&self) -> Result<Mark> {
        let (before, number) = (self.greeting()?.1, self.greeting()?.1);
        let step = number.checked_sub(before).filter(|step| *step > 0).context("the cluster's numbers do not rise")?;
        Ok(Mark { number, step })
    }

    /// Connections that clients have made since `mark`.
    pub fn connections_since(&self, mark: &Mark) -> Result<u64> {
        let ours = 1;
        Ok((self.greeting()?.1.saturating_sub(mark.number) / mark.step).saturating_sub(ours))
    }

    /// The cluster's fsid, and the number it gave to this connection.
    fn greeting(&self) -> Result<(String, u64)> {
        let answer = self.says(&["connect"])?;
        let (fsid, number) = answer.trim().split_once(' ').context("no greeting from the cluster")?;
        Ok((fsid.to_owned(), number.parse()?))
    }

    fn names(&self, file: &str, ids: &[String]) -> Result<String> {
        let path: PathBuf = self.home.join(file);
        std::fs::write(&path, ids.join("\n"))?;
        path.into_os_string().into_string().ok().context("--dir is no text")
    }

    fn says(&self, words: &[&str]) -> Result<String> {
        let output = self.command(words).output().with_context(|| self.args.python.display().to_string())?;
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "{} in the pool: {}: {last}", words.join(" "), output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.args.python);
        command.arg(self.home.join("pool.py")).arg(self.ceph_conf).args([self.user, self.name]).args(words);
        command
    }
}
