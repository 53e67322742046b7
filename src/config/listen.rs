//! `[scrubber] listen`: where the daemon answers whoever wants to see it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::ConfigError;
use super::reader::Reader;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:9929`, `[::1]:9929`.
    Tcp(SocketAddr),
    /// `unix:/run/glance-scrubber/status.sock`.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads an address. Host names are not looked up: what is opened to whom should stand in the file.
fn parse(text: &str) -> Result<Listen, &'static str> {
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') => {
            Ok(Listen::Unix(PathBuf::from(path)))
        }
        Some(_) => Err("must name the socket by an absolute path, like unix:/run/glance-scrubber/status.sock"),
        None => text.parse().map(Listen::Tcp).map_err(|_| {
            "must be an address with a port, like 127.0.0.1:9929 or [::1]:9929 (not a host's name), or a socket, like \
             unix:/run/glance-scrubber/status.sock"
        }),
    }
}

/// The option; none where it is not set.
pub(super) fn load(reader: &mut Reader, group: &str) -> Option<Listen> {
    let setting = reader.setting(group, "listen")?;
    let place = setting.place.clone();
    match parse(&setting.into_text()?) {
        Ok(listen) => {
            if let Listen::Tcp(address) = &listen
                && !address.ip().is_loopback()
            {
                reader.report.warn(format!(
                    "[{group}] listen = {listen} is open to other hosts: whoever reaches it sees image ids and store names, \
                     and no password is asked for"
                ));
            }
            Some(listen)
        }
        Err(reason) => {
            reader.report.error(ConfigError::of(place, group, "listen", reason));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sockets_are_told_apart() {
        for text in ["127.0.0.1:9929", "[::1]:9929", "0.0.0.0:0", "unix:/run/a.sock"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "9929", ":9929", "localhost:9929", "127.0.0.1", "::1:9929x", "unix:a.sock", "unix:", "unix:/a/"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
