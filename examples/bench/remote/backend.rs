//! The store that is filled and emptied, through `backend.py`.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cloud::{Cloud, Counts, compare};

const SCRIPT: &str = include_str!("backend.py");

/// Bytes of an image's data, as `backend.py` writes it.
const SIZE: u64 = 4096;

pub struct Backend<'a> {
    kind: String,
    file: &'a Path,
    python: PathBuf,
    home: &'a Path,
    config: String,
    /// What a URI has before the key.
    before: String,
}

impl<'a> Backend<'a> {
    /// Refuses a store with anything in it. `file` says where the servers are.
    pub fn open(kind: String, file: &'a Path, home: &'a Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let facts: serde_json::Value = serde_json::from_str(&text)?;
        let python = facts.get("python").and_then(|python| python.as_str());
        let python = python.context("the file of --cloud has no python, which is one with glance_store")?.into();
        std::fs::write(home.join("backend.py"), SCRIPT)?;
        let mut backend = Self { kind, file, python, home, config: String::new(), before: String::new() };
        let said = backend.says(&["config", home.to_str().context("--dir is no text")?])?;
        let (config, uri) = said.rsplit_once("uri ").context("backend.py names no URI")?;
        (backend.config, backend.before) = (config.to_owned(), uri.trim().to_owned());
        let images = backend.says(&["list"])?.lines().count();
        ensure!(images == 0, "the store has {images} images; this program would delete them, so it wants an empty one");
        Ok(backend)
    }

    /// For every scrubber and the driver.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Makes the store have exactly the images of these, whatever it has.
    pub fn fill(&self, counts: Counts) -> Result<Cloud> {
        let location = [self.before.clone(), String::new()];
        let mut cloud = Cloud { counts, size: SIZE, location, keys: HashMap::new() };
        let file = self.words("wanted", cloud.images().map(|image| image.id))?;
        let said = self.says(&["make", &file])?;
        cloud.keys =
            said.lines().filter_map(|line| line.split_once(' ')).map(|(id, key)| (id.into(), key.into())).collect();
        Ok(cloud)
    }

    /// Makes it have none.
    pub fn empty(&self) -> Result<()> {
        let none = self.words("wanted", std::iter::empty())?;
        self.says(&["make", &none]).map(drop)
    }

    /// Whether the due images are gone, and the others as they were. The inner error is the contestant's.
    pub fn verify(&self, cloud: &Cloud) -> Result<Result<()>> {
        let found: HashSet<_> = self.says(&["list"])?.lines().map(str::to_owned).collect();
        Ok(compare("images", &found, &cloud.staying()))
    }

    /// glance_store's driver, deleting these one after the other in each of its threads.
    pub fn driver(&self, uris: impl Iterator<Item = String>, threads: u32, config: &Path) -> Result<Command> {
        let file = self.words("due", uris)?;
        let mut command = self.command(&["delete", &file, &threads.to_string()]);
        command.arg(config);
        Ok(command)
    }

    /// Begins to watch the deletes that go on in the backend itself: `watch` or `settle` of `backend.py`. Returns when it
    /// is ready.
    pub fn watch(&self, how: &str) -> Result<Watch> {
        let mut child = self.command(&[how]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("backend.py is not listened to")?);
        let mut ready = String::new();
        said.read_line(&mut ready)?;
        ensure!(ready == "ready\n", "{how} in the store did not begin");
        Ok(Watch { child, said })
    }

    fn words(&self, file: &str, words: impl Iterator<Item = String>) -> Result<String> {
        let path = self.home.join(file);
        std::fs::write(&path, words.collect::<Vec<_>>().join("\n"))?;
        path.into_os_string().into_string().ok().context("--dir is no text")
    }

    fn says(&self, words: &[&str]) -> Result<String> {
        let output = self.command(words).output().with_context(|| self.python.display().to_string())?;
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "{} in the store: {}: {last}", words.join(" "), output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.home.join("backend.py")).arg(&self.kind).arg(self.file).args(words);
        command
    }
}

/// See [`Backend::watch`].
pub struct Watch {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Watch {
    /// What it saw: the most at once, or the seconds until there were none any more.
    pub fn end(mut self) -> Result<f64> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        ensure!(self.child.wait()?.success(), "watching the store failed");
        said.lines().last().map_or(Ok(0.0), |last| Ok(last.parse()?))
    }
}
