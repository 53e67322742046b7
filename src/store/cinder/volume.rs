//! What a volume's state means for deleting it. Pure.
//!
//! Cinder has one text for all that keeps it from deleting a volume ("must not be migrating, attached, belong to a group,
//! …"), so the reason is read from the volume itself. Sources: Cinder's API reference, "Volumes (volumes)" with its table
//! of volume statuses; `cinder/volume/api.py`, `API.delete`, for the conditions.

use std::collections::HashMap;

use serde::Deserialize;

use crate::location::shape::is_uuid;
use crate::observe::text::harmless;

/// A volume as Cinder shows it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Volume {
    pub id: String,
    pub status: String,
    /// In GiB.
    pub size: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, Option<String>>,
    #[serde(default)]
    attachments: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    migration_status: Option<String>,
    #[serde(default)]
    consistencygroup_id: Option<String>,
    #[serde(default)]
    group_id: Option<String>,
}

/// What Cinder would do with an order to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Take it, as far as the volume tells: snapshots are not shown with it.
    Free,
    /// It is at it.
    Deleting,
    /// The backend could not, and Cinder takes no further order.
    GaveUp,
    /// Refuse it, because of this.
    Held(String),
}

/// Whose volume it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// Glance's, for this image.
    Image,
    /// Glance's, for another one.
    OtherImage(String),
    /// Nothing about it is from Glance.
    NotGlance,
}

impl Volume {
    pub(super) fn standing(&self) -> Standing {
        match self.status.as_str() {
            "deleting" | "error_managing_deleting" => Standing::Deleting,
            "error_deleting" => Standing::GaveUp,
            "available" | "error" | "error_restoring" | "error_extending" | "error_managing" => self.ties(),
            "in-use" => Standing::Held(format!("it is in-use ({} attachments)", self.attachments.len())),
            "maintenance" => Standing::Held("it is in maintenance".to_owned()),
            "awaiting-transfer" => Standing::Held("it awaits its transfer to another project".to_owned()),
            other => Standing::Held(format!("it is {}", harmless(other))),
        }
    }

    /// What holds a volume whose status would let it go.
    fn ties(&self) -> Standing {
        let migrating = self.migration_status.as_deref().filter(|status| {
            // `API.AVAILABLE_MIGRATION_STATUS`
            !["", "deleting", "error", "success"].contains(status)
        });
        let group = self.group_id.as_deref().or(self.consistencygroup_id.as_deref()).filter(|id| !id.is_empty());
        if !self.attachments.is_empty() {
            Standing::Held(format!("it has {} attachments", self.attachments.len()))
        } else if let Some(status) = migrating {
            Standing::Held(format!("it is migrating ({})", harmless(status)))
        } else if let Some(group) = group {
            Standing::Held(format!("it belongs to group {}", harmless(group)))
        } else {
            Standing::Free
        }
    }

    /// Whose it is: Glance names a volume `image-<image id>` and writes the id into its metadata, as does Cinder where
    /// it makes an image's volume. The metadata counts, where there are any: a volume can be renamed.
    pub(super) fn owner(&self, image: &str) -> Owner {
        let by_metadata = self.metadata.get("glance_image_id").and_then(Option::as_deref);
        let by_name = self.name.as_deref().and_then(|name| name.strip_prefix("image-")).filter(|id| is_uuid(id));
        match by_metadata.or(by_name) {
            None => Owner::NotGlance,
            Some(id) if id.eq_ignore_ascii_case(image) => Owner::Image,
            Some(id) => Owner::OtherImage(id.chars().take(64).collect()),
        }
    }

    /// Whether it is an image's at all.
    pub(super) fn is_glances(&self) -> bool {
        self.owner("") != Owner::NotGlance
    }

    /// In bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.size.saturating_mul(1 << 30)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    fn volume(changes: Value) -> Volume {
        let mut volume = json!({
            "id": "v", "status": "available", "size": 2, "name": format!("image-{IMAGE}"),
            "metadata": { "glance_image_id": IMAGE, "image_size": "3145728", "readonly": "True" },
            "attachments": [], "migration_status": null, "consistencygroup_id": null, "bootable": "false",
        });
        for (key, value) in changes.as_object().unwrap() {
            volume[key] = value.clone();
        }
        serde_json::from_value(volume).unwrap()
    }

    #[test]
    fn what_cinder_takes_is_free() {
        for status in ["available", "error", "error_restoring", "error_extending", "error_managing"] {
            assert_eq!(volume(json!({ "status": status })).standing(), Standing::Free, "{status}");
        }
        for status in ["success", "error", "deleting", ""] {
            assert_eq!(volume(json!({ "migration_status": status })).standing(), Standing::Free, "{status}");
        }
        assert_eq!(volume(json!({ "bootable": "true" })).standing(), Standing::Free);
    }

    #[test]
    fn what_is_being_deleted_is_told_from_what_could_not_be() {
        assert_eq!(volume(json!({ "status": "deleting" })).standing(), Standing::Deleting);
        assert_eq!(volume(json!({ "status": "error_managing_deleting" })).standing(), Standing::Deleting);
        assert_eq!(volume(json!({ "status": "error_deleting" })).standing(), Standing::GaveUp);
    }

    #[test]
    fn what_holds_a_volume_is_named() {
        for (changes, reason) in [
            (json!({ "status": "in-use", "attachments": [{}, {}] }), "it is in-use (2 attachments)"),
            (json!({ "attachments": [{}] }), "it has 1 attachments"),
            (json!({ "status": "reserved" }), "it is reserved"),
            (json!({ "status": "attaching" }), "it is attaching"),
            (json!({ "status": "detaching" }), "it is detaching"),
            (json!({ "status": "uploading" }), "it is uploading"),
            (json!({ "status": "awaiting-transfer" }), "it awaits its transfer to another project"),
            (json!({ "status": "a\nnew one" }), "it is a\\nnew one"),
            (json!({ "migration_status": "migrating" }), "it is migrating (migrating)"),
            (json!({ "migration_status": "target:x" }), "it is migrating (target:x)"),
            (json!({ "consistencygroup_id": "g" }), "it belongs to group g"),
            (json!({ "group_id": "h" }), "it belongs to group h"),
        ] {
            assert_eq!(volume(changes.clone()).standing(), Standing::Held(reason.to_owned()), "{changes}");
        }
    }

    #[test]
    fn only_what_is_named_after_an_image_is_glances() {
        let other = "6f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";
        let meta = |id: &str| json!({ "glance_image_id": id });
        for (changes, owner) in [
            (json!({}), Owner::Image),
            (json!({ "metadata": {} }), Owner::Image),
            (json!({ "metadata": meta(&IMAGE.to_uppercase()) }), Owner::Image),
            (json!({ "name": "renamed" }), Owner::Image),
            (json!({ "name": null }), Owner::Image),
            (json!({ "name": format!("image-{other}") }), Owner::Image),
            (json!({ "metadata": meta(other) }), Owner::OtherImage(other.to_owned())),
            (json!({ "metadata": {}, "name": format!("image-{other}") }), Owner::OtherImage(other.to_owned())),
            (json!({ "metadata": {}, "name": "image-of-my-disk" }), Owner::NotGlance),
            (json!({ "metadata": {}, "name": "db-disk" }), Owner::NotGlance),
            (json!({ "metadata": { "glance_image_id": null }, "name": null }), Owner::NotGlance),
        ] {
            assert_eq!(volume(changes.clone()).owner(IMAGE), owner, "{changes}");
        }
        assert!(volume(json!({})).is_glances() && !volume(json!({ "metadata": {}, "name": "db" })).is_glances());
    }
}
