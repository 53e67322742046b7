//! The look at an image before anything of it is touched: who else has it open, locked or cloned.
//!
//! Promises: reads only. A watcher or an advisory lock is a reason to leave the image alone: removing an image that is
//! open elsewhere fails late, after its snapshot has gone, and `rbd_remove` waits for ever beside an advisory lock.
//! Children inform and never decide by themselves: the Ceph user of Glance often may not read the pools that they lie
//! in, so that none seen does not mean that there are none. Of clones of format 2 the image itself knows that it has
//! some; those of format 1 are found out by unprotecting the snapshot.

use std::fmt::Write;

use super::librbd::{CallError, Child, Errno, Image};

/// Children named in a message; the rest is counted.
const NAMED: usize = 5;

/// What is known of an image.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Ceph's own id of it, by which the trash knows it; images of the old format have none.
    pub id: Option<String>,
    /// Those that have it open for writing or hold a lock on it, in words.
    pub holders: Vec<String>,
    /// Clones of Glance's snapshot, as far as they can be seen.
    pub children: Vec<String>,
    /// The image says by itself that it has clones of format 2.
    pub has_clones_of_format_2: bool,
    /// Snapshots besides Glance's.
    pub foreign_snapshots: Vec<String>,
    /// Whether Glance's snapshot is there.
    pub has_snapshot: bool,
}

/// Looks. `instance` is this client's own number: an image opened for writing is watched by its opener.
pub(super) fn look(image: &Image<'_>, snapshot: Option<&str>, instance: u64) -> Result<Look, CallError> {
    let mut look = Look { holders: holders(image, instance)?, id: image.id().ok(), ..Look::default() };
    look.has_clones_of_format_2 = image.has_clones_of_format_2()?;
    for name in image.snapshots()? {
        match snapshot {
            Some(glances) if name == glances => look.has_snapshot = true,
            _ => look.foreign_snapshots.push(name),
        }
    }
    if let Some(snapshot) = snapshot.filter(|_| look.has_snapshot) {
        look.children = children(image, snapshot);
    }
    Ok(look)
}

impl Look {
    /// Why the image must be left alone in any case.
    pub(super) fn held(&self) -> Option<String> {
        (!self.holders.is_empty()).then(|| self.holders.join(", "))
    }

    /// What keeps the image from being removed although nobody has it open; empty where nothing was seen.
    pub(super) fn ties(&self) -> String {
        let mut ties = Vec::new();
        if !self.children.is_empty() {
            ties.push(format!("{} ({})", counted(self.children.len(), "clone"), listed(&self.children)));
        } else if self.has_clones_of_format_2 {
            ties.push("clones that this Ceph user may not see".to_owned());
        }
        if !self.foreign_snapshots.is_empty() {
            let count = counted(self.foreign_snapshots.len(), "snapshot");
            ties.push(format!("{count} not of Glance ({})", listed(&self.foreign_snapshots)));
        }
        ties.join(" and ")
    }
}

fn holders(image: &Image<'_>, instance: u64) -> Result<Vec<String>, CallError> {
    let mut holders = Vec::new();
    let mut own = 0;
    for watcher in image.watchers()? {
        if u64::try_from(watcher.id).is_ok_and(|id| id == instance) {
            own += 1;
            continue;
        }
        holders.push(format!("it is open at {} (client.{})", watcher.address, watcher.id));
    }
    // The image was opened once to look at it.
    if own > 1 {
        holders.push("this scrubber itself has it open, for another location or in an earlier call".to_owned());
    }
    for locker in image.lockers()? {
        // librbd's own lock alone holds nobody up: whoever uses it is a watcher too, and a dead holder's lock is broken.
        if locker.is_advisory() {
            holders.push(format!(
                "it is locked by {} at {} (rbd lock, id {})",
                locker.client, locker.address, locker.cookie
            ));
        }
    }
    Ok(holders)
}

/// The clones of a snapshot, by name. None where they cannot be listed.
pub(super) fn children(image: &Image<'_>, snapshot: &str) -> Vec<String> {
    let name = |child: Child| {
        let mut name = child.pool;
        if !child.namespace.is_empty() {
            let _ = write!(name, "/{}", child.namespace);
        }
        let _ = write!(name, "/{}{}", child.image, if child.in_trash { " in the trash" } else { "" });
        name
    };
    match image.children(snapshot) {
        Ok(children) => children.into_iter().map(name).collect(),
        Err(error) => {
            if error.errno != Errno::EPERM {
                tracing::debug!("the clones of a snapshot cannot be listed: {error}");
            }
            Vec::new()
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_five_clones_are_named_and_all_are_counted() {
        let children = (1..=7).map(|number| format!("vms/disk{number}")).collect();
        let look = Look { children, foreign_snapshots: vec!["backup".to_owned()], ..Look::default() };
        assert_eq!(
            look.ties(),
            "7 clones (vms/disk1, vms/disk2, vms/disk3, vms/disk4, vms/disk5, …) and 1 snapshot not of Glance (backup)"
        );
        assert_eq!(Look::default().ties(), "");
        let unseen = Look { has_clones_of_format_2: true, ..Look::default() };
        assert_eq!(unseen.ties(), "clones that this Ceph user may not see");
        assert_eq!(Look::default().held(), None);
    }
}
