//! What is in the database and in the store, as a function of a number: no contestant has to be told, and a refill is the
//! same again.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, ensure};

use crate::database::Database;

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
    /// Bytes of an image.
    pub size: u64,
    /// What an image's location has before the image's id, and behind it.
    pub location: [String; 2],
    /// What a location has in place of the image's id, where the store gives its own names.
    pub keys: HashMap<String, String>,
}

/// One image with one location.
pub struct Image {
    /// 1 and up; also the id of its location.
    pub number: u64,
    pub id: String,
    pub state: State,
}

impl Cloud {
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

    pub fn location(&self, image: &Image) -> String {
        let [before, behind] = &self.location;
        let key = self.keys.get(&image.id).unwrap_or(&image.id);
        format!("{before}{key}{behind}")
    }

    /// The ids of the images whose data a scrubber leaves alone.
    pub fn staying(&self) -> HashSet<String> {
        let stays = |image: &Image| matches!(image.state, State::Living | State::Waiting);
        self.images().filter(stays).map(|image| image.id).collect()
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

/// Whether the data that is left is that of the images that had to stay.
pub fn compare(what: &str, found: &HashSet<String>, staying: &HashSet<String>) -> Result<()> {
    let (left, lost) = (found.difference(staying).count(), staying.difference(found).count());
    ensure!(left == 0, "{left} {what} of due images are still there");
    ensure!(lost == 0, "{lost} {what} are gone that had to stay");
    Ok(())
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
