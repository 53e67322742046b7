//! The program killed at each of its named places, and anywhere: with each database, and with each way of sharing work.
//!
//! After a kill the files and the rows are held against what is allowed at that place (`scene`), then the program is run
//! again until nothing is left to do, and everything that was due must be gone, and nothing else.

mod anywhere;
mod places;
mod scene;

use std::path::PathBuf;

use crate::support::servers::Engine;
use crate::support::site::Site;

/// How the scrubber under test shares its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// `coordination = none`.
    Alone,
}

/// A site, and where its claims are.
pub struct Shared {
    pub site: Site,
    pub sharing: Sharing,
}

impl Shared {
    pub fn new(engine: Engine, sharing: Sharing) -> Shared {
        Shared { site: Site::new(engine), sharing }
    }

    /// The site's config, with the stores `file` and `http`.
    pub fn config(&self) -> PathBuf {
        // A file of its own: nobody waits for the scrubber of another test.
        let sharing = match self.sharing {
            Sharing::Alone => "lock_file = {dir}/lock".to_owned(),
        };
        self.site.config(&format!("stores = file,http\n[scrubber]\n{sharing}\n"))
    }
}
