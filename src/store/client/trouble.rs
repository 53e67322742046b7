//! Why there is no answer.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Response, Url};

use super::Trust;
use super::order::address;
use crate::observe::text::harmless;
use crate::store::{Answer, Outcome};

/// Why an order has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum Trouble {
    /// The client could not be made, or the request.
    #[error("{0}")]
    Setup(String),
    /// The file of certificate authorities is no such file.
    #[error("{option} {}: {why}", .path.display())]
    Trust { option: &'static str, path: PathBuf, why: String },
    /// Nothing was sent.
    #[error("{host} cannot be reached: {why}")]
    Unreachable { host: String, why: String },
    /// Nothing was sent, to whoever it is.
    #[error("the certificate of {host} is not to be trusted ({why}); see {option}")]
    Untrusted { host: String, why: String, option: &'static str },
    /// It may have been done.
    #[error("the connection to {host} broke: {why}")]
    Cut { host: String, why: String },
    /// It may have been done.
    #[error("{host} gave no answer within {} s", .limit.as_secs())]
    Silent { host: String, limit: Duration },
    /// The body was longer than any that was asked for. It may have been done.
    #[error("{host} sent more than was asked for")]
    TooLong { host: String },
    /// Not sent: it asks for longer pauses than a call may take.
    #[error("{host} asks for fewer requests than there are to make")]
    Throttled { host: String },
    /// Not followed.
    #[error("{host} sends us on to {to}, and credentials go nowhere else; set that address if it is right")]
    Redirected { host: String, to: String },
    /// Not sent, or left: the claim does not last.
    #[error("its claim ran out before its turn came")]
    RanOut,
}

impl Trouble {
    /// Takes reqwest's error apart; its own text has the URL in it.
    pub(super) fn of(host: String, error: reqwest::Error, trust: &Trust) -> Self {
        if let Some(why) = distrust(&error) {
            return Self::Untrusted { host, why, option: trust.ca_option };
        }
        let why = innermost(&error);
        if error.is_builder() {
            Self::Setup(why)
        } else if error.is_connect() {
            Self::Unreachable { host, why }
        } else {
            Self::Cut { host, why }
        }
    }

    pub(super) fn redirected(from: &Url, response: &Response) -> Self {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|to| from.join(to).ok()).map_or_else(
            || "an address that it does not name".to_owned(),
            |to| format!("{}://{}", to.scheme(), address(&to)),
        );
        Self::Redirected { host: address(from), to: harmless(&to).into_owned() }
    }

    /// Whether nothing of the order can have arrived.
    pub(super) fn is_before_sending(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether trying again at once may help.
    pub(super) fn is_brief(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Cut { .. })
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        let outcome = match trouble {
            Trouble::Setup(_) | Trouble::Redirected { .. } | Trouble::TooLong { .. } => Outcome::Failed,
            _ => Outcome::Unavailable,
        };
        Self::because(outcome, trouble.to_string())
    }
}

/// Why a certificate was refused, if that is what happened.
fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(harmless(&why.to_string()).into_owned());
        }
        // An io::Error does not name what is inside of it as its source, and there may be another one in it.
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// The innermost cause: the outer ones repeat it, and name the URL. Without the address of a manual that rustls adds.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let words = cause.to_string();
    let words = words.split_once(": https://docs.rs/").map_or(words.as_str(), |(words, _)| words);
    harmless(words).into_owned()
}
