//! What a real server does not show when asked: errors, cut answers, other regions, requests that it does not have.

use std::time::Duration;

use super::*;
use crate::support::cases::report;
use crate::support::fault_proxy::{Authority, Fault, FaultProxy};

/// One image at moto, behind a proxy.
fn behind<'a>(cloud: &'a Cloud, name: &str) -> (Case<'a>, FaultProxy) {
    let mut case = Case::new(cloud, "moto", name);
    let proxy = FaultProxy::before(&case.server_url());
    case.url = Some(proxy.url());
    (case, proxy)
}

/// An answer in S3's words.
fn error(fault: Fault, status: u16, code: &str, more: &str) -> Fault {
    let body = format!("<Error><Code>{code}</Code><Message>said the test</Message>{more}</Error>");
    fault.answer(status).header("Content-Type", "application/xml").body(&body)
}

const DELETE: &str = "?delete";

/// Suffers a fault, and the next cycle gets over it.
#[track_caller]
fn passes(cloud: &Cloud, name: &str, fault: Fault, outcome: &str, words: &[&str]) {
    let (mut case, proxy) = behind(cloud, name);
    proxy.fault(fault);
    let seen = case.scrub("store_deadline = 10");
    assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), (outcome, PENDING), "{}", seen.run.output());
    seen.says(words);
    proxy.mend();
    case.name = format!("{name}, and then not");
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_fault_that_passes_within_a_call_is_survived() {
    let Some(cloud) = Cloud::shared() else { return };
    for (name, fault) in [
        ("500 twice", error(Fault::on("POST", DELETE).times(2), 500, "InternalError", "")),
        (
            "503 with Retry-After",
            error(Fault::on("POST", DELETE).times(1), 503, "SlowDown", "").header("Retry-After", "1"),
        ),
        ("connection cut once in the middle of the answer", Fault::on("POST", DELETE).times(1).close_midway()),
        ("connection closed once", Fault::on("POST", DELETE).times(1).close()),
    ] {
        let (case, proxy) = behind(&cloud, name);
        proxy.fault(fault);
        case.scrub("").is("deleted", "gone");
    }
}

#[test]
fn a_fault_that_does_not_pass_leaves_the_image_pending() {
    let Some(cloud) = Cloud::shared() else { return };
    let on = || Fault::on("POST", DELETE);
    passes(&cloud, "500 for ever", error(on(), 500, "InternalError", ""), "unavailable", &["InternalError"]);
    passes(&cloud, "503 for ever", error(on(), 503, "SlowDown", ""), "unavailable", &["SlowDown"]);
    passes(&cloud, "answers cut in the middle", on().close_midway(), "unavailable", &["the connection to"]);
    passes(&cloud, "connections closed", on().close(), "unavailable", &["the connection to"]);
    passes(&cloud, "silence", on().delay(Duration::from_secs(30)), "unavailable", &["no answer within 10 s"]);
    passes(&cloud, "no XML", on().answer(200).body("<html>"), "failed", &["no XML"]);
    passes(&cloud, "nothing said of the key", on().answer(200).body("<DeleteResult/>"), "failed", &["did not say"]);
    passes(
        &cloud,
        "an error with status 200",
        error(on(), 200, "InternalError", ""),
        "unavailable",
        &["InternalError"],
    );
}

#[test]
fn an_error_of_one_key_is_that_keys() {
    let Some(cloud) = Cloud::shared() else { return };
    for (code, outcome) in
        [("SlowDown", "unavailable"), ("InternalError", "unavailable"), ("AccessDenied", "forbidden")]
    {
        let (case, proxy) = behind(&cloud, &format!("{code} of the key"));
        let other = new_id();
        let uri = case.add(&other, 10);
        Image::pending(&other, TimeDelta::hours(2), &[&uri]).insert(&case.site.database);
        let said = format!(
            "<DeleteResult><Deleted><Key>{other}</Key></Deleted><Error><Key>{}</Key><Code>{code}</Code></Error></DeleteResult>",
            case.image
        );
        cloud.call("s3.remove", json!({"server": "moto", "key": other, "bucket": case.bucket}));
        proxy.fault(Fault::on("POST", DELETE).answer(200).body(&said));
        let run = case.run(&["--once", "-f", "json"], "");
        let report = report(&run);
        assert_eq!((&report["done"][0]["outcome"], &report["kept"][0]["reason"]), (&json!("deleted"), &json!(outcome)));
        assert_eq!(states(&case.site.database, &other).0, "deleted");
        assert_eq!(
            (states(&case.site.database, &case.image).0.as_str(), case.left().as_str()),
            ("pending_delete", "object")
        );
    }
}

#[test]
fn a_key_that_is_said_not_to_be_there_is_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    let (case, proxy) = behind(&cloud, "NoSuchKey of the key");
    cloud.call("s3.remove", json!({"server": "moto", "key": case.image, "bucket": case.bucket}));
    let error = format!("<Error><Key>{}</Key><Code>NoSuchKey</Code></Error>", case.image);
    proxy.fault(Fault::on("POST", DELETE).answer(200).body(&format!("<DeleteResult>{error}</DeleteResult>")));
    case.scrub("").is("absent", "gone");
}

#[test]
fn another_region_a_wrong_clock_and_a_redirect_are_told() {
    let Some(cloud) = Cloud::shared() else { return };
    let any = || Fault::on("*", "");
    let region = &["s3_store_region_name = eu-west-9"];
    let bare = any().answer(301).header("x-amz-bucket-region", "eu-west-9");
    passes(&cloud, "wrong region, without words", bare, "unavailable", region);
    let moved = error(any(), 301, "PermanentRedirect", "").header("x-amz-bucket-region", "eu-west-9");
    passes(&cloud, "wrong region (PermanentRedirect)", moved, "unavailable", region);
    let malformed = error(any(), 400, "AuthorizationHeaderMalformed", "<Region>eu-west-9</Region>");
    passes(&cloud, "wrong region (AuthorizationHeaderMalformed)", malformed, "unavailable", region);
    let skewed = error(any(), 403, "RequestTimeTooSkewed", "");
    passes(&cloud, "clock wrong", skewed, "unavailable", &["set the clock"]);
    let away = any().answer(307).header("Location", "http://elsewhere.example.com:1/");
    passes(&cloud, "redirect to another host", away, "failed", &["sends us on to http://elsewhere.example.com:1"]);
}

#[test]
fn a_server_without_batches_is_asked_one_by_one() {
    let Some(cloud) = Cloud::shared() else { return };
    for status in [501, 405] {
        let (case, proxy) = behind(&cloud, &format!("no DeleteObjects ({status})"));
        proxy.fault(error(Fault::on("POST", DELETE), status, "NotImplemented", ""));
        case.scrub("").is("deleted", "gone");
        assert_eq!((proxy.count("POST", DELETE), proxy.count("DELETE", &case.image)), (1, 1));
    }
    // A 404 without a word: it takes a bucket that answers.
    for (name, bucket_answers, outcome) in
        [("404 of the key", true, "absent"), ("404 of everything", false, "unavailable")]
    {
        let (case, proxy) = behind(&cloud, &format!("no DeleteObjects, {name}"));
        proxy.fault(error(Fault::on("POST", DELETE), 501, "NotImplemented", ""));
        cloud.call("s3.remove", json!({"server": "moto", "key": case.image, "bucket": case.bucket}));
        proxy.fault(Fault::on("DELETE", &case.image).answer(404));
        if !bucket_answers {
            proxy.fault(Fault::on("GET", "list-type").answer(404));
        }
        case.scrub("").is(outcome, "gone");
    }
}

#[test]
fn what_a_bucket_does_not_tell_is_not_needed() {
    let Some(cloud) = Cloud::shared() else { return };
    for (status, code) in [(403, "AccessDenied"), (501, "NotImplemented")] {
        let (case, proxy) = behind(&cloud, &format!("GetBucketVersioning {status}"));
        proxy.fault(error(Fault::on("GET", "?versioning"), status, code, ""));
        case.scrub("").is("deleted", "gone");

        for server in SERVERS {
            let mut case =
                Case::versioned(&cloud, server, &format!("GetBucketVersioning {status}, and there are versions"));
            cloud.call("s3.put", json!({"server": server, "key": case.image, "bucket": case.bucket}));
            assert_eq!(case.left(), "2 versions");
            let proxy = FaultProxy::before(&case.server_url());
            case.url = Some(proxy.url());
            proxy.fault(error(Fault::on("GET", "?versioning"), status, code, ""));
            case.scrub("").is("deleted", "gone");
        }

        let (case, proxy) = behind(&cloud, &format!("ListMultipartUploads {status}"));
        proxy.fault(error(Fault::on("GET", "?uploads"), status, code, ""));
        case.scrub("").is("deleted", "gone").remarks("what was uploaded in part stays");
    }
}

#[test]
fn versions_that_may_not_be_listed_keep_the_image_pending() {
    let Some(cloud) = Cloud::shared() else { return };
    let (case, proxy) = behind(&cloud, "versioned, ListObjectVersions 403");
    cloud.call("s3.versioning", json!({"server": "moto", "bucket": case.bucket}));
    cloud.call("s3.put", json!({"server": "moto", "key": case.image, "bucket": case.bucket}));
    proxy.fault(error(Fault::on("GET", "?versions"), 403, "AccessDenied", ""));
    case.scrub("").is("forbidden", "2 versions").says(&["s3:ListBucketVersions"]);
}

#[test]
fn an_upload_that_may_not_be_aborted_keeps_the_image_pending() {
    let Some(cloud) = Cloud::shared() else { return };
    let (case, proxy) = behind(&cloud, "AbortMultipartUpload 403");
    cloud.call("s3.begin_upload", json!({"server": "moto", "key": case.image, "bucket": case.bucket}));
    proxy.fault(error(Fault::on("DELETE", "uploadId"), 403, "AccessDenied", ""));
    case.scrub("").is("forbidden", "1 uploads").says(&["s3:AbortMultipartUpload"]);
    proxy.mend();
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_bucket_that_does_not_show_what_lives_is_not_touched() {
    let Some(cloud) = Cloud::shared() else { return };
    let (case, proxy) = behind(&cloud, "HEAD of a living image 403");
    proxy.fault(Fault::on("HEAD", &case.living).answer(403));
    case.scrub("").is("forbidden", "object").says(&["s3:GetObject"]);
    assert_eq!(proxy.count("POST", DELETE), 0);
    proxy.mend();
    proxy.fault(Fault::on("HEAD", &case.living).answer(503));
    case.scrub("store_deadline = 5").is("unavailable", "object");
    assert_eq!(proxy.count("POST", DELETE), 0);
}

#[test]
fn certificates_are_looked_at() {
    let Some(cloud) = Cloud::shared() else { return };
    let mut case = Case::new(&cloud, "moto", "TLS with a private CA that is not named");
    let directory = tempfile::tempdir().unwrap();
    let (right, wrong) = (Authority::new(), Authority::new());
    let proxy = FaultProxy::with_tls(&case.server_url(), &right);
    case.url = Some(proxy.url());
    case.scrub("").is("unavailable", "object").says(&["certificate", "s3_store_cacert"]);
    let named = |authority: &Authority, name: &str| {
        let place = directory.path().join(name);
        std::fs::create_dir(&place).unwrap();
        format!("[glance_store]\ns3_store_cacert = {}", authority.write(&place).display())
    };
    case.name = "TLS with another CA".to_owned();
    case.scrub(&named(&wrong, "wrong")).is("unavailable", "object").says(&["certificate", "s3_store_cacert"]);
    case.name = "TLS with its CA".to_owned();
    case.scrub(&named(&right, "right")).is("deleted", "gone");
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let Some(cloud) = Cloud::shared() else { return };
    let mut case = Case::new(&cloud, "moto", "nobody listens");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    case.url = Some(format!("http://127.0.0.1:{port}"));
    case.scrub("").is("unavailable", "object").says(&["cannot be reached"]);
}
