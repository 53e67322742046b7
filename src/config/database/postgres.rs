//! `postgresql://` URLs: the parameters are libpq's.
//!
//! Sources: SQLAlchemy's `dialects/postgresql/_psycopg_common.py` and libpq's "Parameter Key Words".

use std::path::PathBuf;

use secrecy::SecretString;

use super::url::{Url, port};
use super::{ServerUrl, TlsConfig, TlsMode, connect_timeout};

/// Where the packages of all distributions put the server's socket.
const SOCKET_DIR: &str = "/var/run/postgresql";

/// Parameters that would send the connection elsewhere, or with other credentials, if libpq saw them.
const IGNORED: [&str; 4] = ["service", "passfile", "hostaddr", "target_session_attrs"];

pub(super) fn resolve(url: &Url, notes: &mut Vec<String>) -> Result<ServerUrl, String> {
    for name in IGNORED.iter().filter(|name| url.last(name).is_some()) {
        notes.push(format!("{name} in the URL is not supported and ignored"));
    }
    let (host, host_port) = host(url)?;
    let given_port = url.last("port").map(port).transpose()?;
    let (host, socket) = match host {
        Some(host) if host.starts_with('/') => (String::new(), Some(PathBuf::from(host))),
        Some(host) => (host, None),
        None => (String::new(), Some(PathBuf::from(SOCKET_DIR))),
    };
    let user = url.last("user").map(str::to_owned).or_else(|| url.user.clone()).filter(|user| !user.is_empty());
    let database = url.last("dbname").map(str::to_owned).or_else(|| url.database.clone());
    Ok(ServerUrl {
        host,
        port: given_port.or(host_port).or(url.port),
        socket,
        // libpq takes the user's name where no database is named.
        database: database
            .filter(|name| !name.is_empty())
            .or_else(|| user.clone())
            .ok_or("names no database; add /glance after the host")?,
        user,
        password: url.last("password").map(SecretString::from).or_else(|| url.password.clone()),
        tls: tls(url)?,
        connect_timeout: connect_timeout(url)?,
    })
}

/// The one host, from `?host=` or from the authority; `?host=name:port` is SQLAlchemy's.
fn host(url: &Url) -> Result<(Option<String>, Option<u16>), String> {
    let mut hosts: Vec<&str> = url.all("host").flat_map(|hosts| hosts.split(',')).collect();
    if hosts.is_empty() {
        hosts.extend(url.host.iter().flat_map(|hosts| hosts.split(',')));
    }
    let single = "names several hosts, which is not supported; name the primary, or an address that follows it";
    match hosts.as_slice() {
        [] => Ok((None, None)),
        // An abstract socket begins with @; our driver cannot open one.
        [host] if host.starts_with('@') => Err("names an abstract socket, which is not supported".to_owned()),
        [host] if host.starts_with('/') => Ok((Some((*host).to_owned()), None)),
        [host] => match host.split_once(':') {
            Some((name, text)) if !text.contains(':') => Ok((Some(name.to_owned()), Some(port(text)?))),
            _ => Ok((Some((*host).to_owned()), None)),
        },
        _ => Err(single.to_owned()),
    }
}

fn tls(url: &Url) -> Result<TlsConfig, String> {
    let path = |name: &str| url.last(name).map(PathBuf::from);
    let mut ca = path("sslrootcert");
    let mut mode = match url.last("sslmode") {
        None => TlsMode::Prefer,
        Some("disable") => TlsMode::Disable,
        // `allow` tries without TLS first; the order is all that is different.
        Some("allow" | "prefer") => TlsMode::Prefer,
        // libpq: with a root certificate, `require` checks the signature.
        Some("require") if ca.is_some() => TlsMode::VerifyCa,
        Some("require") => TlsMode::Require,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        Some(_) => {
            return Err("sslmode is none of disable, allow, prefer, require, verify-ca, verify-full".to_owned());
        }
    };
    // The word `system` instead of a file: the system's authorities, and then libpq always checks the name.
    if ca.take_if(|ca| ca.as_os_str() == "system").is_some() {
        mode = TlsMode::VerifyFull;
    }
    Ok(TlsConfig { mode, ca, cert: path("sslcert"), key: path("sslkey") })
}
