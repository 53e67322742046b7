//! What deleting from an `rbd` store needs: its own options, and those of `[scrubber]` that are about Ceph.

use std::time::Duration;

use super::reader::Reader;
use super::stores::StoreOptions;
use super::types::Value;

/// Options of an `rbd` store.
#[derive(Debug, Clone)]
pub struct RbdConfig {
    /// `rbd_store_ceph_conf`. `None`: where librados looks by itself.
    pub conf_file: Option<String>,
    /// `rbd_store_user`, without `client.`. `None`: Ceph's own default (glance_store asks for `client.None` then).
    pub user: Option<String>,
    /// `rbd_store_pool`: the pool of images whose URI names none.
    pub pool: String,
    /// `rados_connect_timeout`.
    pub timeout: RadosTimeout,
}

/// No shorter deadline for a call to Ceph: librbd itself is silent for up to 30 s where a dead client's watch has to
/// run out.
pub const LEAST_DEADLINE: Duration = Duration::from_secs(40);

/// How long Ceph's calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RadosTimeout {
    /// Not set: limits of our own, where Ceph's config file sets none.
    Ours,
    /// Negative: whatever Ceph's config says, also no limit.
    Cephs,
    /// That long to connect, for the monitors and for the OSDs; zero is no limit.
    Fixed(Duration),
}

/// `[scrubber] rbd_in_use`: what becomes of an image that clones or foreign snapshots still hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUse {
    /// Into the pool's trash, as glance_store does (where Ceph lets it: not with clones of the old format).
    Trash,
    /// It stays as it is until they have gone.
    Wait,
}

/// `[scrubber]`, as far as it is about Ceph.
#[derive(Debug, Clone)]
pub struct RbdPolicy {
    /// `rbd_in_use`.
    pub in_use: InUse,
    /// `reclaim_trash`: whether the trash is emptied of what is Glance's.
    pub reclaim_trash: bool,
    /// `rbd_workers`: images in hand at once, a store.
    pub workers: usize,
    /// `rbd_removals`: image removals at once, a cluster.
    pub removals: usize,
    /// `rbd_concurrent_management_ops`. `None`: what Ceph's config says.
    pub management_ops: Option<u64>,
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions) -> RbdConfig {
    let timeout = match options.get(reader, "rados_connect_timeout") {
        Some((setting, _)) if setting.is_set() => match setting.value {
            Some(Value::Int(seconds)) => u64::try_from(seconds)
                .map_or(RadosTimeout::Cephs, |seconds| RadosTimeout::Fixed(Duration::from_secs(seconds))),
            _ => RadosTimeout::Ours,
        },
        _ => RadosTimeout::Ours,
    };
    RbdConfig {
        conf_file: options.text(reader, "rbd_store_ceph_conf"),
        user: options.text(reader, "rbd_store_user"),
        pool: options.text(reader, "rbd_store_pool").unwrap_or_else(|| "images".to_owned()),
        timeout,
    }
}

pub(super) fn policy(reader: &mut Reader, group: &str) -> RbdPolicy {
    let in_use = match reader.text(group, "rbd_in_use").as_deref() {
        Some("wait") => InUse::Wait,
        _ => InUse::Trash,
    };
    let mut number = |name| reader.number_not_empty(group, name);
    let width = |number: Option<u64>| usize::try_from(number.unwrap_or(1)).unwrap_or(1);
    RbdPolicy {
        in_use,
        workers: width(number("rbd_workers")),
        removals: width(number("rbd_removals")),
        management_ops: number("rbd_concurrent_management_ops"),
        reclaim_trash: reader.flag(group, "reclaim_trash"),
    }
}
