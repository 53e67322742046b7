//! What is in the database and in the data directory, as a function of a number: no contestant has to be told, and a
//! refill is the same again.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::database::Database;

/// Bytes of a file: one block. Larger ones would measure the file system's freeing of blocks, not a scrubber.
pub const FILE_SIZE: usize = 4096;

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Pending, and its grace period is over.
    Due,
    /// Pending, but not for long enough.
    Waiting,
    /// Deleted, data and all.
    Gone,
    /// Active.
    Living,
}

/// How many of each.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub due: u64,
    pub waiting: u64,
    pub gone: u64,
    pub living: u64,
}

/// What has been done to the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Scrubbing,
    Looking,
}

pub struct Cloud {
    pub counts: Counts,
    pub data: PathBuf,
}

/// One image with one location.
pub struct Image {
    /// 1 and up; also the id of its location.
    pub number: u64,
    pub id: String,
    pub state: State,
}

impl Cloud {
    pub fn new(counts: Counts, data: PathBuf) -> Self {
        Self { counts, data }
    }

    /// All images, the states evenly mixed.
    pub fn images(&self) -> impl Iterator<Item = Image> {
        let Counts { due, waiting, gone, living } = self.counts;
        let total = due + waiting + gone + living;
        (0..total).map(move |place| Image {
            number: place + 1,
            id: uuid(place + 1),
            state: state(place, total, [(State::Living, living), (State::Waiting, waiting), (State::Gone, gone)]),
        })
    }

    pub fn file(&self, image: &Image) -> PathBuf {
        self.data.join(&image.id)
    }

    /// Puts every image's file there, and waits until it is on the disk: nobody shall pay for another's writes.
    pub fn make_files(&self) -> Result<()> {
        fs::remove_dir_all(&self.data)?;
        fs::create_dir(&self.data)?;
        for image in self.images().filter(|image| image.state != State::Gone) {
            fs::write(self.file(&image), [b'x'; FILE_SIZE])?;
        }
        Ok(rustix::fs::syncfs(fs::File::open(&self.data)?)?)
    }

    /// Whether exactly the files of due images are gone.
    pub fn verify_files(&self) -> Result<()> {
        let found = names(&self.data)?;
        let stays = |image: &Image| matches!(image.state, State::Living | State::Waiting);
        let expected: HashSet<_> = self.images().filter(stays).map(|image| image.id).collect();
        let (left, lost) = (found.difference(&expected).count(), expected.difference(&found).count());
        ensure!(left == 0, "{left} files of due images are still there");
        ensure!(lost == 0, "{lost} files are gone that had to stay");
        Ok(())
    }

    /// Whether every row is in the state that Glance's own scrubber would have left it in.
    pub async fn verify_rows(&self, database: &mut Database, after: After) -> Result<()> {
        let Counts { due, waiting, gone, living } = self.counts;
        let (pending, deleted) = match after {
            After::Scrubbing => (waiting, gone + due),
            After::Looking => (waiting + due, gone),
        };
        let groups = [("active", 0, living), ("deleted", 1, deleted), ("pending_delete", 1, pending)];
        let groups = groups.iter().filter(|(_, _, count)| *count > 0);
        let expected: Vec<_> = groups.map(|(status, flag, count)| format!("{status} {flag} {count}")).collect();
        for table in ["images", "image_locations"] {
            let query = format!(
                "SELECT status, CASE WHEN deleted THEN 1 ELSE 0 END AS gone, COUNT(*) FROM {table} \
                 GROUP BY status, gone ORDER BY status, gone"
            );
            let found: Vec<_> = database.rows(query).await?.iter().map(|row| row.join(" ")).collect();
            ensure!(found == expected, "{table} has {found:?}, not {expected:?}");
        }
        Ok(())
    }
}

fn names(dir: &Path) -> Result<HashSet<String>> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok().context("a file name that is no text");
    fs::read_dir(dir)?.map(|entry| name(entry?)).collect()
}

/// Takes each state's share of the places evenly, one state after the other; who is left is due.
fn state(mut place: u64, mut places: u64, shares: [(State, u64); 3]) -> State {
    for (state, share) in shares {
        let before = place * share / places;
        if (place + 1) * share / places > before {
            return state;
        }
        place -= before;
        places -= share;
    }
    State::Due
}

/// An id like Glance's, in no order: the tables' primary key is as scattered as in a real database.
fn uuid(number: u64) -> String {
    let (high, low) = (scatter(number), scatter(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// splitmix64: a bijection, so no number comes twice.
pub fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
