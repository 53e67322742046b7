//! The data of `--store file`: a directory with a file for each image.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cloud::{Cloud, Counts, Image, State, compare};

/// Bytes of a file: one block. Larger ones would measure the file system's freeing of blocks, not a scrubber.
const FILE_SIZE: usize = 4096;

pub fn cloud(counts: Counts, dir: &Path) -> Cloud {
    let location = [format!("file://{}/", dir.display()), String::new()];
    Cloud { counts, size: FILE_SIZE as u64, location, keys: HashMap::new() }
}

pub fn file(dir: &Path, image: &Image) -> PathBuf {
    dir.join(&image.id)
}

/// Puts every image's file there, and waits until it is on the disk: nobody shall pay for another's writes.
pub fn make(cloud: &Cloud, dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir)?;
    fs::create_dir(dir)?;
    for image in cloud.images().filter(|image| image.state != State::Gone) {
        fs::write(file(dir, &image), [b'x'; FILE_SIZE])?;
    }
    Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
}

/// Whether exactly the files of due images are gone.
pub fn verify(cloud: &Cloud, dir: &Path) -> Result<()> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok().context("a file name that is no text");
    let found: HashSet<_> = fs::read_dir(dir)?.map(|entry| name(entry?)).collect::<Result<_>>()?;
    compare("files", &found, &cloud.staying())
}
