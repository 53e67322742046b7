//! The schemes that glance_store's drivers register, and the store type each belongs to.
//!
//! Promises: a scheme is matched by its exact bytes. Python's `urlparse` lower-cases it, but every driver then looks
//! for its prefix in the raw text, so `FILE://…` never reached a store there and must not reach one here.

/// A scheme of a glance_store driver (`get_schemes()` of each).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `file`
    File,
    /// `filesystem`, the same as `file`
    Filesystem,
    /// `http`
    Http,
    /// `https`
    Https,
    /// `swift`, the same as `swift+https`
    Swift,
    /// `swift+http`
    SwiftHttp,
    /// `swift+https`
    SwiftHttps,
    /// `swift+config`: credentials by reference
    SwiftConfig,
    /// `rbd`
    Rbd,
    /// `s3`
    S3,
    /// `s3+http`
    S3Http,
    /// `s3+https`
    S3Https,
    /// `cinder`
    Cinder,
    /// `vsphere`
    Vsphere,
}

/// Longest name of an unknown scheme that is shown; glance_store's longest is `swift+config` with 12.
const SHOWN: usize = 16;

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::File,
        Self::Filesystem,
        Self::Http,
        Self::Https,
        Self::Swift,
        Self::SwiftHttp,
        Self::SwiftHttps,
        Self::SwiftConfig,
        Self::Rbd,
        Self::S3,
        Self::S3Http,
        Self::S3Https,
        Self::Cinder,
        Self::Vsphere,
    ];

    /// The scheme of this name (what stands before `://`); case matters.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// Its name, as it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Filesystem => "filesystem",
            Self::Http => "http",
            Self::Https => "https",
            Self::Swift => "swift",
            Self::SwiftHttp => "swift+http",
            Self::SwiftHttps => "swift+https",
            Self::SwiftConfig => "swift+config",
            Self::Rbd => "rbd",
            Self::S3 => "s3",
            Self::S3Http => "s3+http",
            Self::S3Https => "s3+https",
            Self::Cinder => "cinder",
            Self::Vsphere => "vsphere",
        }
    }

    /// The schemes of a store type (Glance's `enabled_backends` values), none for a type that is not known.
    pub fn of_store_type(kind: &str) -> &'static [Self] {
        match kind {
            "file" => &[Self::File, Self::Filesystem],
            "http" => &[Self::Http, Self::Https],
            "swift" => &[Self::Swift, Self::SwiftHttp, Self::SwiftHttps, Self::SwiftConfig],
            "rbd" => &[Self::Rbd],
            "s3" => &[Self::S3, Self::S3Http, Self::S3Https],
            "cinder" => &[Self::Cinder],
            "vmware" => &[Self::Vsphere],
            _ => &[],
        }
    }

    /// The store type that registers it, as `stores` and `enabled_backends` name it.
    pub fn store_type(&self) -> &'static str {
        match self {
            Self::File | Self::Filesystem => "file",
            Self::Http | Self::Https => "http",
            Self::Swift | Self::SwiftHttp | Self::SwiftHttps | Self::SwiftConfig => "swift",
            Self::Rbd => "rbd",
            Self::S3 | Self::S3Http | Self::S3Https => "s3",
            Self::Cinder => "cinder",
            Self::Vsphere => "vmware",
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `name` in lower case, where it is a scheme by RFC 3986 and short enough to be no secret in the wrong place.
pub(super) fn presentable(name: &str) -> Option<String> {
    let tail = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let valid = name.len() <= SHOWN && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(tail);
    valid.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_case_matters() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::of(scheme.as_str()), Some(scheme));
            assert_eq!(Scheme::of(&scheme.as_str().to_uppercase()), None);
        }
        assert_eq!(Scheme::of("swift+"), None);
        assert_eq!(Scheme::of(""), None);
    }

    #[test]
    fn vsphere_belongs_to_the_type_vmware() {
        let types: Vec<_> = Scheme::ALL.iter().map(Scheme::store_type).collect();
        assert_eq!(
            types,
            [
                "file", "file", "http", "http", "swift", "swift", "swift", "swift", "rbd", "s3", "s3", "s3", "cinder",
                "vmware"
            ]
        );
    }

    #[test]
    fn only_short_and_valid_names_are_shown() {
        assert_eq!(presentable("SheepDog").as_deref(), Some("sheepdog"));
        assert_eq!(presentable("a".repeat(SHOWN).as_str()), Some("a".repeat(SHOWN)));
        for name in ["", "1a", "a b", "a:b", "ä", "a\n", "a".repeat(SHOWN + 1).as_str()] {
            assert_eq!(presentable(name), None, "{name:?}");
        }
    }
}
