//! Which stores there are, and what deleting from them needs.
//!
//! Promises: the modes, sections and fall-backs of glance_store (`multi_backend.py`, `driver.py`); options that only
//! matter for writing are not even converted. Rejected: stopping where Python does for the sake of new images
//! (`default_backend`, a type whose library is missing): the other stores' data can still be deleted.

use std::path::PathBuf;
use std::time::Duration;

use super::StoreId;
use super::error::{ConfigError, Place};
use super::options;
use super::pace::{self, PaceConfig};
use super::rbd::{self, RbdConfig};
use super::reader::{Reader, Setting};
use super::text::{looks_harmless, strip};
use super::types::Value;

/// Section that gives defaults to all stores in multi-store mode (glance_store 5.0).
const SHARED: &str = "backend_defaults";

/// Single-store or multi-store, and the stores in the order of the config.
#[derive(Debug, Clone)]
pub struct StoresConfig {
    /// `enabled_backends` is set and not empty.
    pub multi: bool,
    /// The stores. Reserved ones (`os_glance_*`) are left out.
    pub stores: Vec<StoreConfig>,
}

/// One store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Its id.
    pub id: StoreId,
    /// Its type with the options that matter for deleting.
    pub kind: StoreKind,
    /// How fast it is worked on.
    pub pace: PaceConfig,
}

/// The store types; the options that deleting needs.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// `file`.
    File(FileConfig),
    /// `http`: read-only for Glance.
    Http,
    /// `rbd`.
    Rbd(RbdConfig),
    /// A type that this version does not delete from; its locations are `no_store`.
    Unsupported(String),
}

/// Options of a `file` store.
#[derive(Debug, Clone, Default)]
pub struct FileConfig {
    /// `filesystem_store_datadir` and `filesystem_store_datadirs` (priorities dropped).
    pub datadirs: Vec<PathBuf>,
    /// `filesystem_store_metadata_file`.
    pub metadata_file: Option<PathBuf>,
    /// `filesystem_store_timeout`, where > 0: deadline of one unlink, instead of `[scrubber] store_deadline`.
    pub timeout: Option<Duration>,
}

/// Reads the stores; `backends` is [`enabled_backends`], which the reader must know by now.
pub(super) fn load(reader: &mut Reader, backends: Vec<(String, String)>) -> StoresConfig {
    let multi = !backends.is_empty();
    let stores = if multi { multi_stores(reader, backends) } else { single_stores(reader) };
    StoresConfig { multi, stores }
}

/// `enabled_backends`: ids and plain types, in the order of writing.
pub(super) fn enabled_backends(reader: &mut Reader) -> Vec<(String, String)> {
    match reader.setting("DEFAULT", "enabled_backends").and_then(|setting| setting.value) {
        Some(Value::Dict(pairs)) => pairs.into_iter().map(|(id, kind)| (id, plain_type(&kind).to_owned())).collect(),
        _ => Vec::new(),
    }
}

fn multi_stores(reader: &mut Reader, backends: Vec<(String, String)>) -> Vec<StoreConfig> {
    let default = reader.setting("glance_store", "default_backend");
    let place = default.as_ref().map_or(Place::Unset, |setting| setting.place.clone());
    match default.and_then(Setting::into_text) {
        None => reader.report.warn("[glance_store] default_backend is not set; Glance itself will not start without"),
        Some(id) if !backends.iter().any(|(known, _)| *known == id) => reader.report.warn(format!(
            "{place}[glance_store] default_backend names a store that is not in enabled_backends; Glance itself will \
             not start with it"
        )),
        Some(_) => {}
    }
    let mut stores = Vec::new();
    let common = pace::common(reader);
    for (id, kind) in backends {
        // The API's own stores for staging and tasks: no image ever lies there.
        if id.starts_with("os_glance_") {
            reader.report.warn(format!("store {id}: ids that begin with os_glance_ are Glance's own; left out"));
            continue;
        }
        let options = StoreOptions { section: id.clone(), fall_back: true };
        let pace = pace::load(reader, &options, &kind, &common);
        stores.push(StoreConfig { kind: store_kind(reader, &options, &id, &kind), id: StoreId(id), pace });
    }
    stores
}

fn single_stores(reader: &mut Reader) -> Vec<StoreConfig> {
    let mut stores: Vec<StoreConfig> = Vec::new();
    let options = StoreOptions { section: "glance_store".to_owned(), fall_back: false };
    let common = pace::common(reader);
    for kind in reader.list("glance_store", "stores") {
        let kind = plain_type(&kind);
        if !stores.iter().any(|store| store.id.as_str() == kind) {
            let pace = pace::load(reader, &options, kind, &common);
            let id = StoreId(kind.to_owned());
            stores.push(StoreConfig { kind: store_kind(reader, &options, kind, kind), id, pace });
        }
    }
    stores
}

/// The type behind the spellings of releases before Liberty, which glance_store still accepts.
fn plain_type(kind: &str) -> &str {
    match kind {
        "glance.store.filesystem.Store" => "file",
        "glance.store.http.Store" => "http",
        "glance.store.swift.Store" => "swift",
        "glance.store.rbd.Store" => "rbd",
        "glance.store.cinder.Store" => "cinder",
        "glance.store.vmware_datastore.Store" => "vmware",
        "glance.store.s3.Store" => "s3",
        _ => kind,
    }
}

fn store_kind(reader: &mut Reader, options: &StoreOptions, id: &str, kind: &str) -> StoreKind {
    match kind {
        "file" => StoreKind::File(file(reader, options)),
        "http" => StoreKind::Http,
        "rbd" => StoreKind::Rbd(rbd::load(reader, options)),
        _ => {
            let known = options::STORE_TYPES.iter().any(|(name, _)| *name == kind);
            let shown = if looks_harmless(kind) { kind } else { "(not shown)" };
            let what = if known { "is one that this version cannot delete from" } else { "is not known" };
            reader.report.warn(format!("store {id}: type {shown} {what}; its locations stay pending"));
            StoreKind::Unsupported(kind.to_owned())
        }
    }
}

/// Where a store's options stand.
pub(super) struct StoreOptions {
    section: String,
    /// `[backend_defaults]` counts where the section has nothing.
    fall_back: bool,
}

impl StoreOptions {
    /// The value for this store, and the section that it is from. An empty number counts as not set.
    pub(super) fn get(&self, reader: &mut Reader, name: &str) -> Option<(Setting, &str)> {
        let own = reader.setting(&self.section, name)?;
        if !own.is_set() && self.fall_back {
            let shared = reader.setting(SHARED, name)?;
            return Some((shared, SHARED));
        }
        Some((own, &self.section))
    }

    /// A text that is set and not empty.
    pub(super) fn text(&self, reader: &mut Reader, name: &str) -> Option<String> {
        self.get(reader, name)?.0.into_text().filter(|text| !text.is_empty())
    }
}

fn file(reader: &mut Reader, options: &StoreOptions) -> FileConfig {
    let timeout = match options.get(reader, "filesystem_store_timeout").and_then(|(setting, _)| setting.value) {
        Some(Value::Int(seconds)) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        _ => None,
    };
    FileConfig {
        datadirs: datadirs(reader, options),
        metadata_file: options.text(reader, "filesystem_store_metadata_file").map(PathBuf::from),
        timeout: timeout.map(Duration::from_secs),
    }
}

/// Both options together. glance_store disables a store that has both, counting the default of the first; here the
/// default steps back, and both are taken where both were written: more directories only mean more that is known.
fn datadirs(reader: &mut Reader, options: &StoreOptions) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some((setting, section)) = options.get(reader, "filesystem_store_datadirs") {
        let (places, section) = (setting.places, section.to_owned());
        let Some(Value::List(entries)) = setting.value else { return single_datadir(reader, options, true) };
        for (entry, place) in entries.into_iter().zip(places) {
            match datadir(&entry) {
                Ok(dir) => push_new(&mut dirs, dir.into()),
                Err(reason) => {
                    let error = ConfigError::of(place, &section, "filesystem_store_datadirs", reason);
                    reader.report.error(error);
                }
            }
        }
        let single = single_datadir(reader, options, false);
        if !single.is_empty() {
            let section = &options.section;
            reader.report.warn(format!(
                "[{section}] filesystem_store_datadir and filesystem_store_datadirs are both set; Glance itself will \
                 not write to such a store"
            ));
        }
        single.into_iter().for_each(|dir| push_new(&mut dirs, dir));
    }
    dirs
}

fn push_new(dirs: &mut Vec<PathBuf>, dir: PathBuf) {
    if !dirs.contains(&dir) {
        dirs.push(dir);
    }
}

/// `filesystem_store_datadir`; empty is unset. Its default only where there are no others.
fn single_datadir(reader: &mut Reader, options: &StoreOptions, with_default: bool) -> Vec<PathBuf> {
    let Some((setting, section)) = options.get(reader, "filesystem_store_datadir") else { return Vec::new() };
    let (place, section, is_set) = (setting.place.clone(), section.to_owned(), setting.is_set());
    match setting.into_text() {
        Some(dir) if !dir.is_empty() && (is_set || with_default) => vec![PathBuf::from(dir)],
        _ if with_default => {
            let reason = "the store has no directory; set this or filesystem_store_datadirs";
            reader.report.error(ConfigError::of(place, &section, "filesystem_store_datadir", reason));
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// `path[:priority]`, split at the last colon.
fn datadir(entry: &str) -> Result<&str, &'static str> {
    let (path, priority) = entry.rsplit_once(':').unwrap_or((entry, ""));
    let priority = strip(priority);
    if !priority.is_empty() && super::text::parse_int(priority).is_none() {
        return Err("the priority after the last colon is not a whole number");
    }
    Some(strip(path)).filter(|path| !path.is_empty()).ok_or("an entry has no directory")
}

#[cfg(test)]
#[path = "stores_tests.rs"]
mod tests;
