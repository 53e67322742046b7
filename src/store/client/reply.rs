//! What a server answered.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::Trouble;
use super::order::address;
use crate::observe::text::harmless;
use crate::store::{Answer, Outcome};

/// No body may be longer, in bytes: the longest that is asked for, a listing of 10,000 objects, has some 3 MB.
const LONGEST: usize = 32 << 20;

/// How much of what a server says is worth showing, in characters.
const SHOWN: usize = 200;

/// A whole answer.
#[derive(Debug)]
pub(in crate::store) struct Reply {
    pub(in crate::store) status: StatusCode,
    pub(in crate::store) headers: HeaderMap,
    pub(in crate::store) body: Bytes,
    host: String,
}

impl Reply {
    /// Reads the body: no pause in it may be longer than `silence`, and where it stands for something that goes on, it
    /// is left as soon as that may not.
    pub(super) async fn read(
        mut response: Response,
        url: &Url,
        silence: Duration,
        lasts: impl Fn() -> bool,
    ) -> Result<Self, Trouble> {
        let host = address(url);
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        loop {
            match tokio::time::timeout(silence, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(Self { status, headers, body: body.freeze(), host }),
                Ok(Err(error)) => return Err(Trouble::Cut { host, why: super::trouble::innermost(&error) }),
                Err(_) => return Err(Trouble::Silent { host, limit: silence }),
            }
            if body.len() > LONGEST {
                return Err(Trouble::TooLong { host });
            }
            if !lasts() {
                return Err(Trouble::RanOut);
            }
        }
    }

    /// A header that is text; the first one, where it comes several times.
    pub(in crate::store) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let seconds = || value.parse().ok().map(Duration::from_secs);
        let date = || (DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc) - Utc::now()).to_std().ok();
        seconds().or_else(date)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `failed`: whatever this is, it is not the server that we took it for.
    pub(in crate::store) fn json<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Without the text around it: a token may be part of it.
            let (line, column) = (error.line(), error.column());
            Answer::because(
                Outcome::Failed,
                format!("{} sent no JSON that can be understood (line {line}, column {column})", self.host),
            )
        })
    }

    /// The answer for a status that nobody has a better word for. `what` was to be done: "delete the object".
    pub(in crate::store) fn unexpected(&self, what: &str) -> Answer {
        self.refusal(what, None)
    }

    /// The same with the server's own words, where the caller found some in the body.
    pub(in crate::store) fn refusal(&self, what: &str, words: Option<&str>) -> Answer {
        let status = self.status;
        let outcome = match status.as_u16() {
            401 | 403 => Outcome::Forbidden,
            408 | 429 | 498 | 499 | 500..=599 => Outcome::Unavailable,
            _ => Outcome::Failed,
        };
        let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
        let words = words.map(|words| format!(": {}", shown(words))).unwrap_or_default();
        let verb = match outcome {
            Outcome::Forbidden => "refused",
            _ => "could not",
        };
        let to = if verb == "refused" { "to " } else { "" };
        Answer::because(outcome, format!("{} {verb} {to}{what} ({}{reason}){words}", self.host, status.as_u16()))
    }
}

/// A server's words, short and harmless.
pub(in crate::store) fn shown(words: &str) -> String {
    let short: String = words.trim().chars().take(SHOWN).collect();
    harmless(&short).into_owned()
}
