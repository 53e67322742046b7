//! What the actors know of the images, and so what rows and files must say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::support::api::ApiImage;

/// What may have become of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Whole, and nobody is about to change it.
    Living,
    /// Its rows are being written.
    Changing,
    /// Deleted under `delayed_delete`, so long ago: a scrubber may be at work on it.
    Pending(Instant),
    /// A restore is at work on it, or was killed at that: it is whole or still pending.
    Open,
    /// Its restore was refused: it goes in the end.
    Refused,
}

#[derive(Debug, Clone)]
pub struct Image {
    pub api: ApiImage,
    pub life: Life,
    /// Counts its changes, so that who has read rows and files in peace knows whether they are still true.
    pub version: u64,
    /// When a location was last taken from it. Those of a deletion soon after cannot be told from it in MySQL, which keeps
    /// whole seconds.
    pub shrunk: Option<Instant>,
}

#[derive(Default)]
pub struct Model {
    pub images: BTreeMap<String, Image>,
}

impl Model {
    pub fn put(&mut self, api: ApiImage) {
        let image = Image { api, life: Life::Changing, version: 0, shrunk: None };
        self.images.insert(image.api.id.clone(), image);
    }

    /// Changes what is known of an image.
    pub fn set(&mut self, id: &str, life: Life) {
        let image = self.images.get_mut(id).unwrap();
        (image.life, image.version) = (life, image.version + 1);
    }

    /// One of those that `wanted` picks.
    pub fn pick(&self, random: &mut fastrand::Rng, wanted: impl Fn(&Image) -> bool) -> Option<Image> {
        let found: Vec<_> = self.images.values().filter(|image| wanted(image)).collect();
        (!found.is_empty()).then(|| found[random.usize(0..found.len())].clone())
    }

    /// Whether one of `living` has a location with this URI.
    pub fn is_needed(&self, uri: &str, living: &BTreeSet<String>) -> bool {
        let mut locations = living.iter().flat_map(|id| &self.images[id].api.locations);
        locations.any(|location| location.uri == uri)
    }

    pub fn count(&self, wanted: impl Fn(&Image) -> bool) -> usize {
        self.images.values().filter(|image| wanted(image)).count()
    }
}
