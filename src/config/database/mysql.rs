//! `mysql://` URLs: what pymysql and mysqlclient make of the parameters.
//!
//! Sources: SQLAlchemy's `dialects/mysql/mysqldb.py` (`create_connect_args`), pymysql's `connections.py`.

use std::path::PathBuf;

use secrecy::SecretString;

use super::my_cnf::{self, Group};
use super::url::{Url, port};
use super::{ServerUrl, TlsConfig, TlsMode, connect_timeout};

/// Resolves a URL and the option file it may name. `driver` decides where their ideas of TLS differ.
pub(super) fn resolve(url: &Url, driver: &str, notes: &mut Vec<String>) -> Result<ServerUrl, String> {
    let file = option_file(url, driver, notes)?;
    let tls = tls(url, &file, driver, notes)?;
    // A parameter goes before the URL's own part, and that before the option file.
    let text = |parameters: &[&str], own: Option<&str>, key: &str| {
        let given = parameters.iter().find_map(|name| url.last(name)).or(own).filter(|text| !text.is_empty());
        given.map(str::to_owned).or_else(|| file.get(key))
    };
    let socket = text(&["unix_socket"], None, "socket").map(PathBuf::from);
    let host = text(&["host"], url.host.as_deref(), "host");
    // pymysql takes a socket whatever the host; for libmysqlclient only `localhost` means the socket.
    let socket = socket.filter(|_| is_pymysql(driver) || host.as_deref().is_none_or(|host| host == "localhost"));
    let host = if socket.is_some() { String::new() } else { host.unwrap_or_else(|| "localhost".to_owned()) };
    if host.contains(',') {
        return Err("names several hosts; only one is supported".to_owned());
    }
    let given_port = url.last("port").map(port).transpose()?.or(url.port);
    let password = match url.last("password").or_else(|| url.last("passwd")) {
        Some(password) => Some(SecretString::from(password)),
        None => url.password.clone().or_else(|| file.get("password").map(SecretString::from)),
    };
    Ok(ServerUrl {
        host,
        port: match given_port {
            Some(port) => Some(port),
            None => file.get("port").map(|text| port(&text)).transpose()?,
        },
        socket,
        user: text(&["user"], url.user.as_deref(), "user"),
        password,
        database: text(&["database", "db"], url.database.as_deref(), "database")
            .ok_or("names no database; add /glance after the host")?,
        tls,
        connect_timeout: connect_timeout(url)?,
    })
}

/// pymysql and the drivers made from it.
fn is_pymysql(driver: &str) -> bool {
    ["pymysql", "cymysql", "aiomysql", "asyncmy"].contains(&driver)
}

/// The group of `read_default_file`; empty where the URL names no file.
fn option_file(url: &Url, driver: &str, notes: &mut Vec<String>) -> Result<Group, String> {
    let (file, group) = (url.last("read_default_file"), url.last("read_default_group"));
    if file.is_none() && group.is_none() {
        return Ok(Group::default());
    }
    let group = group.unwrap_or("client");
    // libmysqlclient, below mysqlclient, reads [client] as well; pymysql reads the one group only.
    let groups: &[&str] = if driver == "mysqldb" { &["client", group] } else { &[group] };
    my_cnf::read(file.unwrap_or("/etc/my.cnf").as_ref(), groups, notes)
}

/// TLS is on as soon as one word of it is there, and off otherwise.
fn tls(url: &Url, file: &Group, driver: &str, notes: &mut Vec<String>) -> Result<TlsConfig, String> {
    let path = |parameter: &str, key: &str| url.last(parameter).map(str::to_owned).or_else(|| file.get(key));
    let (ca, cert, key) = (path("ssl_ca", "ssl_ca"), path("ssl_cert", "ssl_cert"), path("ssl_key", "ssl_key"));
    let capath = path("ssl_capath", "ssl_capath");
    if capath.is_some() {
        notes.push("ssl_capath is not supported; name one file with ssl_ca".to_owned());
    }
    let check_hostname = url.flag("ssl_check_hostname")?;
    let authority = ca.is_some() || capath.is_some();
    let asked = authority
        || cert.is_some()
        || key.is_some()
        || check_hostname.is_some()
        || path("ssl_cipher", "ssl_cipher").is_some()
        || file.is_on("ssl");
    // pymysql compares the name in the certificate unless told otherwise. libmysqlclient and the connectors only
    // check the signature, and a name check would lock out certificates that have worked for them.
    let mut mode = match (asked, authority) {
        (false, _) => TlsMode::Disable,
        (true, false) => TlsMode::Require,
        (true, true) if check_hostname.unwrap_or(is_pymysql(driver)) => TlsMode::VerifyFull,
        (true, true) => TlsMode::VerifyCa,
    };
    match url.flag("ssl_verify_cert")? {
        Some(true) if mode != TlsMode::VerifyFull => mode = TlsMode::VerifyCa,
        Some(false) if mode != TlsMode::Disable => mode = TlsMode::Require,
        _ => {}
    }
    if url.flag("ssl_verify_identity")? == Some(true) {
        mode = TlsMode::VerifyFull;
    }
    if let Some(word) = url.last("ssl_mode").map(str::to_owned).or_else(|| file.get("ssl_mode")) {
        mode = ssl_mode(&word)?;
    }
    if url.flag("ssl_disabled")? == Some(true) {
        mode = TlsMode::Disable;
    }
    let [ca, cert, key] = [ca, cert, key].map(|path| path.map(PathBuf::from));
    Ok(TlsConfig { mode, ca, cert, key })
}

/// The words of mysqlclient's `ssl_mode`.
fn ssl_mode(word: &str) -> Result<TlsMode, String> {
    match word.to_ascii_uppercase().as_str() {
        "DISABLED" => Ok(TlsMode::Disable),
        "PREFERRED" => Ok(TlsMode::Prefer),
        "REQUIRED" => Ok(TlsMode::Require),
        "VERIFY_CA" => Ok(TlsMode::VerifyCa),
        "VERIFY_IDENTITY" => Ok(TlsMode::VerifyFull),
        _ => Err("ssl_mode is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY".to_owned()),
    }
}
