//! The grammar of SQLAlchemy's URLs (`sqlalchemy/engine/url.py`, `_parse_url`).
//!
//! Promises: the parts that SQLAlchemy 2 finds, with one exception: a second `@` before the path belongs to the
//! password, as it did for SQLAlchemy 1.3, under which such files were written. Rejected: the `url` crate, whose idea
//! of hosts, encoding and `#` is another.

use secrecy::SecretString;

use crate::config::text::{parse_int, percent_decode};

/// A URL in parts. No `Debug`: it holds a password and a query that may hold another.
pub(super) struct Url {
    /// `dialect` or `dialect+driver`.
    pub name: String,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// Not decoded, without brackets.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    /// Decoded; pairs without value are dropped.
    query: Vec<(String, String)>,
    /// The password was extended to the last `@`.
    pub at_in_password: bool,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || "is not a URL of the form dialect+driver://user:password@host/database".to_owned();
        let (name, rest) = text.split_once("://").ok_or_else(shape)?;
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '+') {
            return Err(shape());
        }
        let login = Login::split(rest);
        let place = Location::split(login.rest)?;
        let mut url = Self {
            name: name.to_owned(),
            user: login.user.map(percent_decode),
            password: login.password.map(|password| SecretString::from(percent_decode(password))),
            host: place.host.map(str::to_owned),
            port: place.port.map(port).transpose()?,
            database: place.database.map(percent_decode),
            query: Vec::new(),
            at_in_password: login.at_in_password,
        };
        url.add_query(place.query);
        Ok(url)
    }

    /// Adds `a=b&c=d`, as `parse_qsl` reads it: `+` is a space, a pair without value is dropped.
    pub fn add_query(&mut self, query: &str) {
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(_, value)| !value.is_empty());
        self.query.extend(pairs.map(|(key, value)| (decode(key), decode(value))));
    }

    /// The last value of a parameter.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// A word for yes or no, as SQLAlchemy reads them (`util.asbool`).
    pub fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        let Some(text) = self.last(key) else { return Ok(None) };
        match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "t" | "1" => Ok(Some(true)),
            "false" | "no" | "off" | "n" | "f" | "0" => Ok(Some(false)),
            _ => Err(format!("{key} in the URL is neither true nor false")),
        }
    }
}

/// A port from 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, String> {
    parse_int(text)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| "the port in the URL is not a number from 1 to 65535".to_owned())
}

/// What stands before the `@`.
struct Login<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    at_in_password: bool,
    /// What follows it.
    rest: &'a str,
}

impl<'a> Login<'a> {
    /// The user ends at the first `:` or `/`; the password at the first `@`, whatever is between.
    fn split(text: &'a str) -> Self {
        let (head, tail) = split_before(text, &[':', '/']);
        if let Some((password, rest)) = tail.strip_prefix(':').and_then(|tail| tail.split_once('@')) {
            let (authority, path) = split_before(rest, &['/', '?']);
            let Some((_, host)) = authority.rsplit_once('@') else {
                return Self { user: Some(head), password: Some(password), at_in_password: false, rest };
            };
            let rest = rest.get(rest.len() - path.len() - host.len()..).unwrap_or_default();
            let end = text.len() - rest.len() - 1;
            let password = text.get(head.len() + 1..end);
            return Self { user: Some(head), password, at_in_password: true, rest };
        }
        match head.rsplit_once('@') {
            Some((user, _)) => {
                let rest = text.get(user.len() + 1..).unwrap_or_default();
                Self { user: Some(user), password: None, at_in_password: false, rest }
            }
            None => Self { user: None, password: None, at_in_password: false, rest: text },
        }
    }
}

/// What stands after the `@`.
struct Location<'a> {
    host: Option<&'a str>,
    port: Option<&'a str>,
    database: Option<&'a str>,
    query: &'a str,
}

impl<'a> Location<'a> {
    fn split(text: &'a str) -> Result<Self, String> {
        let (authority, tail) = split_before(text, &['/', '?']);
        let bracketed = authority.strip_prefix('[').and_then(|inner| inner.rsplit_once(']'));
        let (host, after) = match bracketed {
            Some((host, after)) if !host.is_empty() => (host, after),
            _ => split_before(authority, &[':']),
        };
        let port = match after.strip_prefix(':') {
            None if !after.is_empty() => return Err("there is text between ] and the port in the URL".to_owned()),
            port => port,
        };
        let (database, query) = match tail.strip_prefix('/') {
            Some(tail) => {
                let (database, query) = split_before(tail, &['?']);
                (Some(database), query)
            }
            None => (None, tail),
        };
        let query = query.strip_prefix('?').unwrap_or_default();
        Ok(Self { host: Some(host).filter(|host| !host.is_empty()), port, database, query })
    }
}

/// Splits before the first of some characters.
fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}
