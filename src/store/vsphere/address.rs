//! What a `vsphere://` URI says (glance_store's `_drivers/vmware_datastore.py`, `StoreLocation`).
//!
//! `vsphere://<server>/folder/<image dir>/<image id>?dsName=<datastore>&dcPath=<datacenter path>`, the query form-encoded,
//! the path as it is. The first of several values counts.

use reqwest::Url;
use reqwest::Url as Parser;

/// A file in a datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Host, perhaps with a port, in lower case.
    pub server: String,
    /// The datacenter's inventory path, as written.
    pub datacenter: String,
    pub datastore: String,
    /// Within the datastore: begins with a slash.
    pub path: String,
}

/// Why a URI names no file of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stray {
    #[error("it must be vsphere://SERVER/folder/DIRECTORY/IMAGE?dsName=DATASTORE&dcPath=DATACENTER")]
    NoAddress,
    /// `..`, `.` or nothing between two slashes, or what vSphere takes for something else.
    #[error("its path has a part that is empty, '.' or '..', or a character that has a meaning in datastore paths")]
    Unclear,
}

impl Address {
    pub(super) fn parse(uri: &str) -> Result<Self, Stray> {
        let rest = uri.strip_prefix("vsphere://").ok_or(Stray::NoAddress)?;
        // As urlparse: what stands behind a `#` is no part of it.
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (place, query) = rest.split_once('?').ok_or(Stray::NoAddress)?;
        let (server, path) = place.split_once('/').ok_or(Stray::NoAddress)?;
        let path = path.strip_prefix("folder/").ok_or(Stray::NoAddress)?;
        let datastore = value(query, "dsName").ok_or(Stray::NoAddress)?;
        let datacenter = value(query, "dcPath").ok_or(Stray::NoAddress)?;
        if server.is_empty() || server.contains('@') {
            return Err(Stray::NoAddress);
        }
        let is_unclear = |part: &str| part.is_empty() || part == "." || part == "..";
        let has_meaning = |text: &str| text.contains(['[', ']', '\\', '\0']) || text.chars().any(char::is_control);
        if path.split('/').any(is_unclear) || has_meaning(path) || has_meaning(&datastore) || datastore.contains('/') {
            return Err(Stray::Unclear);
        }
        let path = format!("/{path}");
        Ok(Self { server: server.to_ascii_lowercase(), datacenter, datastore, path })
    }

    /// The datacenter's path as the inventory has it; glance_store writes it with and without a slash.
    pub(super) fn inventory_path(&self) -> String {
        format!("/{}", self.datacenter.trim_matches('/'))
    }

    /// `[datastore] /path`.
    pub(super) fn datastore_path(&self) -> String {
        format!("[{}] {}", self.datastore, self.path)
    }

    /// The name in its directory.
    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it lies below a directory of its datastore.
    pub(super) fn is_below(&self, directory: &str) -> bool {
        let rest = self.path.strip_prefix('/').and_then(|path| path.strip_prefix(directory));
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Where HTTP clients find it, below the server's URL.
    pub(super) fn file_url(&self, server: &Url) -> Option<Url> {
        let mut url = server.clone();
        url.path_segments_mut().ok()?.clear().push("folder").extend(self.path.split('/').skip(1));
        url.query_pairs_mut().append_pair("dcPath", &self.datacenter).append_pair("dsName", &self.datastore);
        Some(url)
    }
}

/// A host as an option or a URI writes it: an IPv6 address in brackets, in lower case, without the port that is meant
/// anyway.
pub(super) fn server_of(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host };
    host.strip_suffix(":443").unwrap_or(&host).to_owned()
}

/// A form-encoded value that is not empty.
fn value(query: &str, name: &str) -> Option<String> {
    let mut url = Parser::parse("http://h/").ok()?;
    url.set_query(Some(query));
    let found = url.query_pairs().find(|(key, value)| key == name && !value.is_empty());
    found.map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Address {
        Address::parse(uri).unwrap_or_else(|stray| panic!("{uri}: {stray}"))
    }

    #[test]
    fn what_glance_wrote_is_taken_apart() {
        let address = parse("vsphere://VC.example/folder/openstack_glance/5f0c?dsName=my+ds&dcPath=%2FDC0%2Fa%20b");
        assert_eq!(address.server, "vc.example");
        assert_eq!(address.inventory_path(), "/DC0/a b");
        assert_eq!(address.datastore_path(), "[my ds] /openstack_glance/5f0c");
        assert_eq!(address.file_name(), "5f0c");
        let url = address.file_url(&"https://vc.example/sdk".parse().unwrap()).unwrap();
        assert_eq!(url.as_str(), "https://vc.example/folder/openstack_glance/5f0c?dcPath=%2FDC0%2Fa+b&dsName=my+ds");
        let other = parse("vsphere://[::1]/folder/a/b?dcPath=DC0&dsName=x&dsName=y#z");
        assert_eq!((other.server.as_str(), other.inventory_path().as_str()), ("[::1]", "/DC0"));
        assert_eq!(other.datastore_path(), "[x] /a/b");
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for (path, stray) in [
            ("h/folder/a/../b?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a/./b?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a//b?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a/?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a/b\\c?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a/[x] b?dcPath=d&dsName=s", Stray::Unclear),
            ("h/folder/a/b?dcPath=d&dsName=s%5D+%2Fetc", Stray::Unclear),
            ("h/folder/a/b?dcPath=d", Stray::NoAddress),
            ("h/folder/a/b?dsName=s&dcPath=", Stray::NoAddress),
            ("h/folder/a/b", Stray::NoAddress),
            ("h/a/b?dcPath=d&dsName=s", Stray::NoAddress),
            ("/folder/a/b?dcPath=d&dsName=s", Stray::NoAddress),
            ("u:p@h/folder/a/b?dcPath=d&dsName=s", Stray::NoAddress),
            ("h/folder/a/b#?dcPath=d&dsName=s", Stray::NoAddress),
        ] {
            assert_eq!(Address::parse(&format!("vsphere://{path}")), Err(stray), "{path}");
        }
    }

    #[test]
    fn only_what_lies_below_counts_as_below() {
        let at = |path: &str| parse(&format!("vsphere://h/folder/{path}?dcPath=d&dsName=s"));
        assert!(at("openstack_glance/a").is_below("openstack_glance"));
        assert!(at("x/y/a").is_below("x/y"));
        assert!(!at("openstack_glance2/a").is_below("openstack_glance"));
        assert!(!at("openstack_glance").is_below("openstack_glance"), "the directory itself, with all that is in it");
        assert!(!at("other/a").is_below("openstack_glance"));
    }

    #[test]
    fn a_host_is_the_same_however_it_is_written() {
        for (one, other) in [("VC.Example", "vc.example"), ("::1", "[::1]"), ("h:443", "h"), ("h:8443", "h:8443")] {
            assert_eq!(server_of(one), other);
        }
    }
}
