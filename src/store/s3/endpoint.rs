//! Where requests go: host, region and addressing, from the options alone.
//!
//! Promises: as glance_store configures boto3 (`_create_s3_client`, `get_s3_location`), pure. A region that is set goes with
//! the host as it is. Without one, the classic names of Amazon's regions (`s3-eu-west-1.amazonaws.com`) mean that region and
//! its endpoint of today. Everything else is a server of one's own, which is asked in `us-east-1`.
//! More generous than glance_store: a host without `http://` or `https://`, which boto3 refuses, is asked by TLS; and
//! the region is read from `s3.eu-west-1.amazonaws.com`, too, where boto3 would sign for the wrong one.

use reqwest::Url;

use crate::config::Addressing;

/// botocore's, where no region is known.
const DEFAULT_REGION: &str = "us-east-1";

/// A configured S3 service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    base: Url,
    pub region: String,
    addressing: Addressing,
    /// It is the one that Amazon has for a region: `auto` means virtual-hosted there.
    is_regional: bool,
}

/// A bucket name that cannot stand in a host's name, where the config wants it there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHostName;

impl Endpoint {
    /// # Errors
    /// Why `host` (`s3_store_host`) is no address of a service.
    pub(super) fn new(host: &str, region: Option<&str>, addressing: Addressing) -> Result<Self, &'static str> {
        let has_scheme = host.starts_with("http://") || host.starts_with("https://");
        if !has_scheme && host.contains("://") {
            return Err("begins with neither http:// nor https://");
        }
        let url = if has_scheme { host.to_owned() } else { format!("https://{host}") };
        let base = Url::parse(&url).map_err(|_| "is not the URL of a service")?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err("has a user name in it; the keys belong into s3_store_access_key and s3_store_secret_key");
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err("has a ? or # in it");
        }
        let name = base.host_str().ok_or("names no host")?;
        let found = amazon_region(name);
        if let (None, Some((region, domain))) = (region, classic_region(name)) {
            let regional = format!("{}://s3.{region}.{domain}", base.scheme());
            let base = Url::parse(&regional).map_err(|_| "is not the URL of a service")?;
            return Ok(Self { base, region: region.to_owned(), addressing, is_regional: true });
        }
        let region = region.or(found).unwrap_or(DEFAULT_REGION).to_owned();
        Ok(Self { base, region, addressing, is_regional: false })
    }

    /// The bucket, or an object in it.
    ///
    /// # Errors
    /// Where the bucket would have to stand in the host's name and cannot.
    pub(super) fn url(&self, bucket: &str, key: Option<&str>, query: &[(&str, &str)]) -> Result<Url, NoHostName> {
        let mut url = self.base.clone();
        let mut path = url.path().trim_end_matches('/').to_owned();
        if self.is_virtual(bucket)? {
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            url.set_host(Some(&host)).map_err(|_| NoHostName)?;
        } else {
            path.push('/');
            path.push_str(&escape(bucket));
        }
        path.push('/');
        match key {
            Some(key) => path.push_str(&escape(key)),
            // The bucket itself: as botocore writes it, without the last slash in the path style.
            None if path.len() > 1 => {
                path.pop();
            }
            None => {}
        }
        url.set_path(&path);
        if !query.is_empty() {
            let pair = |(name, value): &(&str, &str)| match *value {
                "" => escape(name),
                value => format!("{}={}", escape(name), escape(value)),
            };
            url.set_query(Some(&query.iter().map(pair).collect::<Vec<_>>().join("&")));
        }
        Ok(url)
    }

    fn is_virtual(&self, bucket: &str) -> Result<bool, NoHostName> {
        let has_name = self.base.domain().is_some();
        match self.addressing {
            Addressing::Path => Ok(false),
            Addressing::Auto => Ok(self.is_regional && is_dns_name(bucket)),
            Addressing::Virtual if !is_dns_name(bucket) => Err(NoHostName),
            Addressing::Virtual => Ok(has_name),
        }
    }

    /// Host, port and path: for people.
    pub(super) fn shown(&self) -> String {
        place_of(&self.base)
    }

    /// The same for every spelling of the same service, as far as its name tells.
    pub(super) fn identity(&self) -> String {
        identity_of(&self.base)
    }

    /// Whether a URI's host is this service by its name.
    pub(super) fn is_named(&self, host: &str) -> bool {
        identity_of_host(host).is_some_and(|identity| identity == self.identity())
    }
}

/// What a host that stands in a URI, or in a config, is to [`Endpoint::identity`].
fn identity_of_host(host: &str) -> Option<String> {
    Some(identity_of(&Url::parse(&format!("https://{host}")).ok()?))
}

/// Without the scheme: what a host has on its two default ports is one service. All of Amazon is one (in China, another),
/// since a bucket's name is given once in the world (S3 User Guide, "General purpose bucket naming rules").
fn identity_of(base: &Url) -> String {
    let name = base.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    for domain in DOMAINS {
        if name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')) {
            return domain.to_owned();
        }
    }
    place_of(base).replace(base.host_str().unwrap_or_default(), &name)
}

const DOMAINS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

fn place_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    let port = base.port().filter(|port| !matches!(port, 80 | 443)).map(|port| format!(":{port}"));
    format!("{host}{}{}", port.unwrap_or_default(), base.path().trim_end_matches('/'))
}

/// `s3-<region>.amazonaws.com`, of which glance_store knows those of its time.
fn classic_region(host: &str) -> Option<(&str, &'static str)> {
    let region = |domain: &'static str| {
        let region = host.strip_prefix("s3-")?.strip_suffix(domain)?.strip_suffix('.')?;
        is_region(region).then_some((region, domain))
    };
    DOMAINS.into_iter().find_map(region)
}

/// `s3.<region>.amazonaws.com`, or the classic form.
fn amazon_region(host: &str) -> Option<&str> {
    let region = |domain: &'static str| {
        let region = host.strip_prefix("s3.")?.strip_suffix(domain)?.strip_suffix('.')?;
        is_region(region).then_some(region)
    };
    classic_region(host).map(|(region, _)| region).or_else(|| DOMAINS.into_iter().find_map(region))
}

/// `eu-west-1`, and no longer name that merely begins alike (`s3-website-eu-west-1`).
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = |part: &&str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
    (3..=4).contains(&parts.len())
        && parts.first().is_some_and(|first| first.len() == 2)
        && parts.last().is_some_and(is_number)
        && parts[..parts.len() - 1].iter().all(letters)
}

/// As botocore decides it (`utils.check_dns_name`): a dot would not fit a certificate for `*.host`.
fn is_dns_name(bucket: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&bucket.len()) && bucket.bytes().all(inner) && !bucket.starts_with('-') && !bucket.ends_with('-')
}

/// All but the unreserved characters, as Signature Version 4 wants it ("Create a canonical request").
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, region: Option<&str>, addressing: Addressing) -> Endpoint {
        Endpoint::new(host, region, addressing).unwrap()
    }

    #[test]
    fn requests_go_where_boto3_sends_them() {
        use Addressing::{Auto, Path, Virtual};
        for (host, region, addressing, bucket, url, signed_for) in [
            ("http://127.0.0.1:8000", None, Auto, "glance", "http://127.0.0.1:8000/glance/k", "us-east-1"),
            ("http://127.0.0.1:8000", None, Virtual, "glance", "http://127.0.0.1:8000/glance/k", "us-east-1"),
            ("https://s3.example.com/", Some("here"), Auto, "glance", "https://s3.example.com/glance/k", "here"),
            ("https://s3.example.com", None, Virtual, "glance", "https://glance.s3.example.com/k", "us-east-1"),
            ("https://s3.example.com/a/b", None, Path, "glance", "https://s3.example.com/a/b/glance/k", "us-east-1"),
            ("https://s3.example.com/a", None, Virtual, "glance", "https://glance.s3.example.com/a/k", "us-east-1"),
            ("s3.example.com:8443", None, Auto, "glance", "https://s3.example.com:8443/glance/k", "us-east-1"),
            ("https://s3.amazonaws.com", None, Auto, "glance", "https://s3.amazonaws.com/glance/k", "us-east-1"),
            (
                "s3-eu-west-1.amazonaws.com",
                None,
                Auto,
                "glance",
                "https://glance.s3.eu-west-1.amazonaws.com/k",
                "eu-west-1",
            ),
            (
                "https://s3-eu-west-1.amazonaws.com:443/",
                None,
                Auto,
                "My.Bucket",
                "https://s3.eu-west-1.amazonaws.com/My.Bucket/k",
                "eu-west-1",
            ),
            (
                "https://s3-cn-north-1.amazonaws.com.cn",
                None,
                Path,
                "glance",
                "https://s3.cn-north-1.amazonaws.com.cn/glance/k",
                "cn-north-1",
            ),
            (
                "https://s3-eu-west-1.amazonaws.com",
                Some("eu-west-2"),
                Auto,
                "glance",
                "https://s3-eu-west-1.amazonaws.com/glance/k",
                "eu-west-2",
            ),
            (
                "https://s3.eu-west-3.amazonaws.com",
                None,
                Auto,
                "glance",
                "https://s3.eu-west-3.amazonaws.com/glance/k",
                "eu-west-3",
            ),
        ] {
            let endpoint = endpoint(host, region, addressing);
            assert_eq!(endpoint.url(bucket, Some("k"), &[]).unwrap().as_str(), url, "{host}");
            assert_eq!(endpoint.region, signed_for, "{host}");
        }
    }

    #[test]
    fn buckets_and_queries_are_written_as_they_are_signed() {
        let path = endpoint("http://h:1", None, Addressing::Path);
        assert_eq!(path.url("glance", None, &[("delete", "")]).unwrap().as_str(), "http://h:1/glance?delete");
        assert_eq!(
            path.url("glance", None, &[("versions", ""), ("prefix", "a/b c+\u{e9}")]).unwrap().as_str(),
            "http://h:1/glance?versions&prefix=a%2Fb%20c%2B%C3%A9"
        );
        assert_eq!(path.url("b c", Some("50%25~'(*)"), &[]).unwrap().as_str(), "http://h:1/b%20c/50%2525~%27%28%2A%29");
        let in_host = endpoint("https://s3.example.com", None, Addressing::Virtual);
        assert_eq!(in_host.url("glance", None, &[]).unwrap().as_str(), "https://glance.s3.example.com/");
        assert_eq!(in_host.url("Glance.images", None, &[]), Err(NoHostName));
    }

    #[test]
    fn every_spelling_of_a_service_is_the_same() {
        let identity = |host: &str| endpoint(host, None, Addressing::Auto).identity();
        for host in
            ["http://s3.example.com", "https://S3.Example.com/", "s3.example.com:443", "http://s3.example.com.:80"]
        {
            assert_eq!(identity(host), "s3.example.com", "{host}");
        }
        assert_ne!(identity("http://s3.example.com:8080"), "s3.example.com");
        assert_ne!(identity("http://s3.example.com/a"), "s3.example.com");
        for host in ["s3.amazonaws.com", "s3-eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"] {
            assert_eq!(identity(host), "amazonaws.com", "{host}");
        }
        assert_eq!(identity("s3-cn-north-1.amazonaws.com.cn"), "amazonaws.com.cn");
        assert_ne!(identity("s3.notamazonaws.com"), "amazonaws.com");
        let one = endpoint("http://s3.example.com:8080/a", None, Addressing::Auto);
        assert!(one.is_named("S3.example.com:8080/a/"));
        assert!(!one.is_named("s3.example.com:8080") && !one.is_named("") && !one.is_named("a b"));
    }

    #[test]
    fn what_is_no_service_is_refused() {
        for host in ["", "ftp://h", "http://", "http://h:port", "http://u:p@h", "http://h/?a", "http://h/#a"] {
            assert!(Endpoint::new(host, None, Addressing::Auto).is_err(), "{host}");
        }
    }

    #[test]
    fn a_region_is_told_from_other_names() {
        for region in ["eu-west-1", "us-gov-west-1", "cn-northwest-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["website-eu-west-1", "eu-west", "external-1", "fips-us-gov-west-1", ""] {
            assert!(!is_region(other), "{other}");
        }
    }
}
