//! Dynamic large objects, which is what Glance writes: `<image id>-00001`, `<image id>-00002` … beside an object
//! `<image id>` whose `X-Object-Manifest` is `<container>/<image id>-`.
//!
//! Promises: the segments go first, and the manifest only when all of them are gone, so that what fails is found again.
//! Only objects whose names begin with the image's id count as its segments: any other prefix (an empty one takes the
//! whole container) may take other images' data, and is left for somebody to look at.

use super::accounts::Account;
use super::bulk::{Features, Name, Tally, delete_all};
use super::listing::page;
use crate::location::shape::{is_uuid, percent_decode};
use crate::observe::text::harmless;
use crate::scrub::Approved;
use crate::store::{Answer, Outcome};

/// Where segments lie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segments {
    pub container: String,
    pub prefix: String,
}

impl Segments {
    /// What a manifest of an object says.
    ///
    /// # Errors
    /// `failed`: it cannot be relied on.
    pub(super) fn of_manifest(manifest: &str, container: &str, object: &str) -> Result<Self, Answer> {
        let own = Self::of_glance(container, object);
        if manifest == format!("{}/{}", own.container, own.prefix) && is_uuid(object) {
            return Ok(own); // Raw: glance_store does not quote it.
        }
        let decoded = percent_decode(manifest);
        let parts = decoded.as_deref().and_then(|decoded| decoded.trim_start_matches('/').split_once('/'));
        // `<id>-` by Glance; `<id>/<time>/<size>/` by the swift client, into whatever container.
        let is_own = |prefix: &str| {
            prefix.strip_prefix(object).is_some_and(|rest| rest.starts_with(['-', '/'])) && is_uuid(object)
        };
        match parts {
            Some((container, prefix)) if is_own(prefix) => {
                Ok(Self { container: container.to_owned(), prefix: prefix.to_owned() })
            }
            _ => {
                let shown: String = manifest.chars().take(200).collect();
                Err(Answer::because(
                    Outcome::Failed,
                    format!(
                        "its segments are all objects below {:?}, which others may be as well; delete it by hand, or set \
                         X-Object-Manifest to CONTAINER/{}-",
                        harmless(&shown),
                        harmless(object)
                    ),
                ))
            }
        }
    }

    /// Where Glance puts them.
    pub(super) fn of_glance(container: &str, object: &str) -> Self {
        Self { container: container.to_owned(), prefix: format!("{object}-") }
    }

    /// Deletes them. Where some cannot be, the others go all the same.
    pub(super) async fn delete(
        &self,
        account: &Account,
        features: Features,
        approved: &Approved,
        of_these: fn(&Self, &str) -> bool,
    ) -> Result<Tally, Answer> {
        let mut all = Tally::default();
        let mut marker = String::new();
        loop {
            let names = page(account, &self.container, &self.prefix, &marker).await?;
            let Some(last) = names.last() else { return Ok(all) };
            marker.clone_from(last);
            let total = names.len() as u64;
            let names: Vec<Name> = names
                .into_iter()
                .filter(|name| of_these(self, name))
                .map(|name| (self.container.clone(), name))
                .collect();
            // How many pages there will be is not known: each is half of the rest.
            let tell = |done: u64| approved.pulse().tell(done, total.saturating_mul(2));
            all.add(delete_all(account, features, &names, approved, tell).await?);
        }
    }

    /// Whether Glance made a segment of that name.
    pub(super) fn is_glances(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.prefix).unwrap_or_default();
        number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whatever the manifest takes.
    pub(super) fn all(&self, _: &str) -> bool {
        true
    }

    /// How many of Glance's are on the first page.
    pub(super) async fn count(&self, account: &Account) -> Result<usize, Answer> {
        let names = page(account, &self.container, &self.prefix, "").await?;
        Ok(names.iter().filter(|name| self.is_glances(name)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    #[test]
    fn only_what_bears_the_images_id_is_a_segment_of_it() {
        let read = |manifest: &str, object: &str| Segments::of_manifest(manifest, "glance", object).ok();
        let is = |container: &str, prefix: String| Some(Segments { container: container.to_owned(), prefix });
        assert_eq!(read(&format!("glance/{ID}-"), ID), is("glance", format!("{ID}-")));
        assert_eq!(read(&format!("glance%5Fsegs/{ID}%2D"), ID), is("glance_segs", format!("{ID}-")));
        assert_eq!(read(&format!("segs/{ID}/1700000000/5/1/"), ID), is("segs", format!("{ID}/1700000000/5/1/")));
        for other in [
            "glance/".to_owned(),
            "glance".to_owned(),
            String::new(),
            format!("glance/{}", &ID[..8]),
            format!("glance/{ID}"),
            "glance/6f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d-".to_owned(),
            format!("glance/%zz{ID}-"),
        ] {
            assert_eq!(read(&other, ID), None, "{other}");
        }
        assert_eq!(read("glance/a-", "a"), None, "other objects may begin with a name that is no id");
    }

    #[test]
    fn a_segment_without_its_manifest_has_a_number() {
        let segments = Segments::of_glance("glance", ID);
        assert!(segments.is_glances(&format!("{ID}-00001")) && segments.is_glances(&format!("{ID}-123456")));
        for name in ["", "-1", "-0000x", "-00001-x", "-00001/x"] {
            assert!(!segments.is_glances(&format!("{ID}{name}")), "{name}");
        }
    }
}
