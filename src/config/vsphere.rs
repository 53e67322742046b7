//! What deleting from a `vmware` store needs.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;
use super::stores::StoreOptions;
use super::types::Value;

/// Options of a `vmware` store, whose URIs begin with `vsphere://`.
#[derive(Debug, Clone)]
pub struct VsphereConfig {
    /// `vmware_server_host`: a name or an address, perhaps with a port, which glance_store cannot have.
    pub host: Option<String>,
    /// `vmware_server_username` and `vmware_server_password`.
    pub user: Option<(String, SecretString)>,
    /// `vmware_task_poll_interval`: the longest pause between two looks at a task.
    pub poll_interval: Duration,
    /// `vmware_store_image_dir`, without slashes around it. Never empty.
    pub image_dir: String,
    /// `vmware_ca_file`.
    pub ca_file: Option<PathBuf>,
    /// `vmware_insecure`, where there is no CA file.
    pub insecure: bool,
    /// `vmware_datastores`: datacenter path and datastore.
    pub datastores: Vec<(String, String)>,
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions) -> VsphereConfig {
    let user = options.text(reader, "vmware_server_username");
    let ca_file = options.text(reader, "vmware_ca_file").map(PathBuf::from);
    let image_dir = options.text(reader, "vmware_store_image_dir").unwrap_or_default();
    let image_dir = image_dir.trim_matches('/');
    VsphereConfig {
        host: options.text(reader, "vmware_server_host"),
        user: user.zip(options.text(reader, "vmware_server_password").map(SecretString::from)),
        poll_interval: options.seconds(reader, "vmware_task_poll_interval").unwrap_or(Duration::from_secs(5)),
        image_dir: if image_dir.is_empty() { "openstack_glance" } else { image_dir }.to_owned(),
        insecure: options.flag(reader, "vmware_insecure") && ca_file.is_none(),
        ca_file,
        datastores: datastores(reader, options),
    }
}

/// `path:datastore[:weight]`; what has another form only matters to who writes images.
fn datastores(reader: &mut Reader, options: &StoreOptions) -> Vec<(String, String)> {
    let Some(Value::List(entries)) = options.get(reader, "vmware_datastores").and_then(|(setting, _)| setting.value)
    else {
        return Vec::new();
    };
    let place = |entry: &String| {
        let mut parts = entry.split(':');
        let (path, name) = parts.next().zip(parts.next())?;
        Some((path.trim().to_owned(), name.trim().to_owned()))
    };
    entries.iter().filter_map(place).collect()
}
