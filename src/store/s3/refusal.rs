//! What S3's error codes mean for a location (Amazon S3 API Reference, "Error responses").
//!
//! Promises: `absent` is never said here: it takes a bucket that was seen to answer, which the callers know. A server's
//! own words are shown without our keys.

use super::sign::Signer;
use crate::store::client::{Reply, shown};
use crate::store::xml::Element;
use crate::store::{Answer, Outcome};

/// A server's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// 200 where it stood in a list.
    pub status: u16,
    /// `AccessDenied`; empty where the server gave none, as always for a HEAD.
    pub code: String,
    message: String,
    /// Where the bucket is, if the server says so.
    region: Option<String>,
}

impl Refusal {
    pub(super) fn of(reply: &Reply, signer: &Signer) -> Self {
        let stated = Element::parse(&reply.body).filter(|document| document.name == "Error");
        let mut refusal = stated.map(|error| Self::stated(&error, signer)).unwrap_or_else(Self::unnamed);
        refusal.status = reply.status.as_u16();
        let region = reply.header("x-amz-bucket-region").map(shown);
        refusal.region = refusal.region.or(region);
        refusal
    }

    /// An `Error` element.
    pub(super) fn stated(error: &Element, signer: &Signer) -> Self {
        let text = |name: &str| error.text_of(name).map(|text| shown(&signer.without_keys(text)));
        Self {
            status: 200,
            code: text("Code").unwrap_or_default(),
            message: text("Message").unwrap_or_default(),
            region: text("Region"),
        }
    }

    fn unnamed() -> Self {
        Self { status: 200, code: String::new(), message: String::new(), region: None }
    }

    /// The key is not in the bucket, as it says.
    pub(super) fn is_no_key(&self) -> bool {
        matches!(self.code.as_str(), "NoSuchKey" | "NoSuchVersion")
    }

    /// A 404 that leaves open what is missing.
    pub(super) fn is_bare_404(&self) -> bool {
        self.status == 404 && self.code.is_empty()
    }

    pub(super) fn is_no_upload(&self) -> bool {
        self.code == "NoSuchUpload"
    }

    /// The server cannot do this at all.
    pub(super) fn is_unknown_request(&self) -> bool {
        matches!(self.status, 405 | 501) || matches!(self.code.as_str(), "NotImplemented" | "MethodNotAllowed")
    }

    /// The user is known, and may not do just this.
    pub(super) fn is_access_denied(&self) -> bool {
        self.code == "AccessDenied" || (self.status == 403 && self.code.is_empty())
    }

    /// The server wants fewer requests.
    pub(super) fn is_throttle(&self) -> bool {
        matches!(
            self.code.as_str(),
            "SlowDown"
                | "ServiceUnavailable"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests"
        )
    }

    fn outcome(&self) -> Outcome {
        match self.code.as_str() {
            "AccessDenied"
            | "AllAccessDisabled"
            | "AccountProblem"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "NotSignedUp"
            | "InvalidObjectState"
            | "ObjectLocked"
            | "InvalidToken"
            | "ExpiredToken"
            | "UserSuspended" => Outcome::Forbidden,
            "NoSuchBucket"
            | "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "RequestTimeTooSkewed"
            | "InternalError"
            | "OperationAborted"
            | "RequestTimeout"
            | "RequestTimedOut" => Outcome::Unavailable,
            _ if self.is_throttle() => Outcome::Unavailable,
            // Has a status of the same class as "down", but will not pass.
            _ if self.is_unknown_request() => Outcome::Failed,
            _ => match self.status {
                401 | 403 => Outcome::Forbidden,
                // A HEAD gets no words with it: the region is the only reason that Amazon has for one.
                301 => Outcome::Unavailable,
                404 | 408 | 429 | 498 | 499 | 500..=599 => Outcome::Unavailable,
                _ => Outcome::Failed,
            },
        }
    }

    /// The answer; `what` was to be done: "delete it", `place` is bucket and host, `right` what allows it.
    pub(super) fn answer(&self, what: &str, place: &str, right: &str) -> Answer {
        let detail = match self.code.as_str() {
            "NoSuchBucket" => {
                format!("{place} does not exist, so that nothing is known of what it held; see s3_store_host")
            }
            "InvalidAccessKeyId" => format!("{place}: s3_store_access_key is not known there"),
            "SignatureDoesNotMatch" => {
                format!(
                    "{place}: the signature is not accepted; is s3_store_secret_key the one of s3_store_access_key?"
                )
            }
            "RequestTimeTooSkewed" => {
                format!("{place}: this host's clock and the server's are too far apart; set the clock (NTP)")
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => self.elsewhere(place),
            "" if self.status == 301 => self.elsewhere(place),
            "AccessDenied" => {
                format!("{place} refused to {what}{}; the user needs {right}", self.words())
            }
            "" if self.status == 403 => {
                format!(
                    "{place} refused to {what}; check s3_store_access_key, s3_store_secret_key, and that the user has {right}"
                )
            }
            "" => format!("{place} could not {what} (status {})", self.status),
            code => format!("{place} could not {what}: {code}{}", self.words()),
        };
        Answer::because(self.outcome(), detail)
    }

    fn elsewhere(&self, place: &str) -> String {
        match &self.region {
            Some(region) => format!("{place} is in another region; set s3_store_region_name = {region}"),
            None => format!("{place} is in another region; set s3_store_region_name and s3_store_host to it"),
        }
    }

    fn words(&self) -> String {
        let own = self.message.trim_end_matches('.');
        // "Access Denied" says nothing more than its code.
        if own.is_empty() || own.replace(' ', "").eq_ignore_ascii_case(&self.code) {
            String::new()
        } else {
            format!(" ({own})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new("AKIAEXAMPLE".into(), "topsecret".into(), "us-east-1".to_owned())
    }

    fn refusal(code: &str, message: &str) -> Refusal {
        let error = format!("<Error><Code>{code}</Code><Message>{message}</Message><Region>eu-west-1</Region></Error>");
        Refusal::stated(&Element::parse(error.as_bytes()).unwrap(), &signer())
    }

    #[test]
    fn each_code_has_its_word_and_says_what_to_do() {
        for (code, outcome, words) in [
            ("AccessDenied", Outcome::Forbidden, "s3:DeleteObject"),
            ("InvalidAccessKeyId", Outcome::Forbidden, "s3_store_access_key is not known"),
            ("SignatureDoesNotMatch", Outcome::Forbidden, "s3_store_secret_key"),
            ("NoSuchBucket", Outcome::Unavailable, "s3_store_host"),
            ("SlowDown", Outcome::Unavailable, "SlowDown"),
            ("InternalError", Outcome::Unavailable, "InternalError"),
            ("RequestTimeTooSkewed", Outcome::Unavailable, "clock"),
            ("PermanentRedirect", Outcome::Unavailable, "s3_store_region_name = eu-west-1"),
            ("AuthorizationHeaderMalformed", Outcome::Unavailable, "s3_store_region_name = eu-west-1"),
            ("MalformedXML", Outcome::Failed, "MalformedXML"),
            ("NoSuchKey", Outcome::Failed, "NoSuchKey"),
        ] {
            let answer = refusal(code, "").answer("delete it", "bucket b at h", "s3:DeleteObject");
            assert_eq!(answer.outcome, outcome, "{code}");
            let detail = answer.detail.unwrap();
            assert!(detail.contains(words), "{detail}");
            assert!(!answer.outcome.finishes());
        }
    }

    #[test]
    fn a_reason_is_told_and_no_key() {
        let detail = |code: &str, message: &str| refusal(code, message).answer("delete it", "b", "r").detail.unwrap();
        assert_eq!(detail("AccessDenied", "Access Denied."), "b refused to delete it; the user needs r");
        let locked = detail("AccessDenied", "Access Denied because object protected by object lock.");
        assert!(locked.contains("(Access Denied because object protected by object lock)"), "{locked}");
        assert_eq!(detail("Odd", "AKIAEXAMPLE and topsecret"), "b could not delete it: Odd (*** and ***)");
    }
}
