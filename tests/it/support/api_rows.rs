//! Glance's rows and the files that they point to, held against each other and against what an image should be.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{ApiImage, path_of};

/// The rows of all images, of one moment.
pub struct Rows {
    /// Image: status, deleted, deleted_at.
    pub images: BTreeMap<String, [String; 3]>,
    /// Image: its locations' URI, status, deleted, deleted_at.
    locations: BTreeMap<String, Vec<[String; 4]>>,
    /// Image: what belongs to it and is not deleted, as table, name and value.
    parts: BTreeMap<String, BTreeSet<[String; 3]>>,
}

impl Rows {
    pub fn read(mut rows: impl FnMut(&str) -> Vec<Vec<Option<String>>>) -> Rows {
        let texts = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        let images = rows("SELECT id, status, deleted, deleted_at FROM images").into_iter().map(texts);
        let images = images.map(key_and_rest).collect();
        let mut locations: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows("SELECT image_id, value, status, deleted, deleted_at FROM image_locations") {
            let (image, rest) = key_and_rest(texts(row));
            locations.entry(image).or_default().push(rest);
        }
        let mut parts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for row in rows(
            "SELECT image_id, 'tag', value, '' FROM image_tags WHERE deleted = false \
             UNION ALL SELECT image_id, 'property', name, value FROM image_properties WHERE deleted = false \
             UNION ALL SELECT image_id, 'member', member, '' FROM image_members WHERE deleted = false",
        ) {
            let (image, rest) = key_and_rest(texts(row));
            parts.entry(image).or_default().insert(rest);
        }
        Rows { images, locations, parts }
    }

    /// What holds for every image at every moment.
    pub fn assert_sound(&self) {
        for (id, locations) in &self.locations {
            for [uri, status, ..] in locations {
                // Names are never used again, so a file that is there now was there when the rows were read.
                let is_there = path_of(uri).exists();
                assert!(status != "deleted" || !is_there, "{uri} is recorded as deleted, but it is there");
                let image_status = &self.images[id][0];
                assert!(image_status != "deleted" || status == "deleted", "{id} is deleted, but {uri} is {status}");
            }
        }
    }

    /// What is wrong with an image that should be whole.
    pub fn fault_of(&self, image: &ApiImage) -> Option<String> {
        let id = &image.id;
        let is = self.images.get(id);
        if is != Some(&["active", "0", ""].map(str::to_owned)) {
            return Some(format!("its row is {is:?}"));
        }
        for location in &image.locations {
            let rows = self.locations.get(id)?;
            let whole = [location.uri.as_str(), "active", "0", ""].map(str::to_owned);
            if !rows.contains(&whole) {
                return Some(format!("{} is not one of its active locations", location.uri));
            }
            match std::fs::read_to_string(path_of(&location.uri)) {
                Ok(content) if content == location.content() => {}
                content => return Some(format!("the file of {} is {content:.200?}", location.uri)),
            }
        }
        let active = self.locations.get(id).into_iter().flatten().filter(|[_, status, ..]| status == "active").count();
        if active != image.locations.len() {
            return Some(format!("it has {active} active locations"));
        }
        let part = |table: &str, name: &str, value: &str| [table, name, value].map(str::to_owned);
        let tags = image.tags.iter().map(|tag| part("tag", tag, ""));
        let properties = image.properties.iter().map(|(name, value)| part("property", name, value));
        let members = image.members.iter().map(|member| part("member", member, ""));
        let should: BTreeSet<_> = tags.chain(properties).chain(members).collect();
        let is = self.parts.get(id).cloned().unwrap_or_default();
        (is != should).then(|| format!("of its parts {should:?} there are {is:?}"))
    }

    /// What is left of an image that should be gone.
    pub fn rest_of(&self, image: &ApiImage) -> Option<String> {
        let status = &self.images[&image.id][0];
        if status != "deleted" {
            return Some(format!("it is {status}"));
        }
        let left = image.locations.iter().find(|location| path_of(&location.uri).exists());
        left.map(|location| format!("{} is there", location.uri))
    }

    /// For messages: an image, and those that share data with it.
    pub fn of(&self, id: &str) -> String {
        let uris =
            |id: &str| self.locations.get(id).into_iter().flatten().map(|[uri, ..]| uri).collect::<BTreeSet<_>>();
        let shares = |other: &&String| other.as_str() != id && !uris(id).is_disjoint(&uris(other));
        let twins = self.locations.keys().filter(shares).map(String::as_str);
        let shown =
            |id| format!("{id}: {:?} {:?} {:?}", self.images.get(id), self.locations.get(id), self.parts.get(id));
        [id].into_iter().chain(twins).map(shown).collect::<Vec<_>>().join("\nand ")
    }
}

fn key_and_rest<const N: usize>(row: Vec<String>) -> (String, [String; N]) {
    let mut row = row.into_iter();
    let key = row.next().unwrap();
    (key, row.collect::<Vec<_>>().try_into().unwrap())
}
