//! `--check`: whether the configured bucket answers, and lets us do what a cycle does. Changes nothing.

use super::Ready;
use super::api::{Ask, Failed};
use super::bucket;
use crate::store::xml::Element;
use crate::store::{Answer, Finding, State};

/// Looks at the bucket for new images; locations in others are asked for when their turn comes.
pub(super) async fn check(ready: &Ready, bucket: &str) -> Vec<Finding> {
    let place = bucket::place(bucket, &ready.api);
    let finding = |state, detail: String| Finding { subject: place.clone(), state, detail };
    let ask = |query, what: &'static str| async move { ready.api.document(Ask::get(bucket, query), what).await };
    let words = |failed, what: &str, right: &str| -> Answer {
        match failed {
            Failed::Refused(refusal) => refusal.answer(what, &place, right),
            Failed::Unanswered(answer) => answer,
        }
    };
    let mut findings = Vec::new();
    let listed = ask(&[("list-type", "2"), ("max-keys", "1")], "list its objects").await;
    if let Err(failed) = listed {
        let is_denied = matches!(&failed, Failed::Refused(refusal) if refusal.is_access_denied());
        let detail = words(failed, "list its objects", "s3:ListBucket").detail.unwrap_or_default();
        let state = if is_denied { State::Warning } else { State::Fault };
        findings.push(finding(state, detail));
        if !is_denied {
            return findings;
        }
    }
    match ask(&[("versioning", "")], "say whether it keeps versions").await {
        Ok(said) => findings.push(finding(State::Ok, format!("answers; {}", kept(&said, ready.all_versions)))),
        Err(Failed::Refused(refusal)) if refusal.is_unknown_request() => {
            findings.push(finding(State::Ok, "answers; the server knows no versions".to_owned()));
        }
        Err(failed) => {
            let answer = words(failed, "say whether it keeps versions", "s3:GetBucketVersioning");
            findings.push(finding(State::Warning, answer.detail.unwrap_or_default()));
        }
    }
    let (uploads, right) = ("list its unfinished uploads", "s3:ListBucketMultipartUploads");
    if let Err(failed) = ask(&[("uploads", ""), ("max-uploads", "1")], uploads).await {
        findings.push(finding(State::Warning, words(failed, uploads, right).detail.unwrap_or_default()));
    }
    // What may not be asked, or is not known there, is nobody's trouble here.
    if let Ok(lifecycle) = ask(&[("lifecycle", "")], "show its lifecycle rules").await
        && expires(&lifecycle)
    {
        let detail = "a lifecycle rule expires its objects: images go without Glance's knowledge";
        findings.push(finding(State::Warning, detail.to_owned()));
    }
    findings
}

fn kept(said: &Element, all_versions: bool) -> &'static str {
    match (said.text_of("Status"), all_versions) {
        (None, _) => "it keeps no versions",
        (Some(_), true) => "it keeps versions, and all of an image's go",
        (Some(_), false) => "it keeps versions, and they stay (s3_all_versions = false)",
    }
}

/// Whether a rule that is in force takes current objects away, rather than versions or parts of uploads.
fn expires(lifecycle: &Element) -> bool {
    lifecycle.all("Rule").any(|rule| {
        let takes = |expiration: &Element| expiration.text_of("Days").or(expiration.text_of("Date")).is_some();
        rule.text_of("Status") == Some("Enabled") && rule.all("Expiration").any(takes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_that_take_current_objects_are_told() {
        let expires = |rules: &str| expires(&Element::parse(format!("<L>{rules}</L>").as_bytes()).unwrap());
        let rule = |status: &str, does: &str| format!("<Rule><Status>{status}</Status>{does}</Rule>");
        assert!(expires(&rule("Enabled", "<Expiration><Days>3</Days></Expiration>")));
        assert!(!expires(&rule("Disabled", "<Expiration><Days>3</Days></Expiration>")));
        let other = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
                     <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        assert!(!expires(&rule("Enabled", other)));
    }
}
