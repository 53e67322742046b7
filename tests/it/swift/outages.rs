//! A Swift that answers late, wrongly or not at all.

use std::time::Duration;

use super::*;
use crate::support::cases::{add_line, verdict};
use crate::support::fault_proxy::{Authority, Fault, FaultProxy};

/// A proxy before Swift, and the options that lead there.
fn before(cloud: &Cloud) -> (FaultProxy, String) {
    let proxy = FaultProxy::before(&cloud.fact("/swift/keystone"));
    let options = by_way_of(cloud, &proxy);
    (proxy, options)
}

fn by_way_of(cloud: &Cloud, proxy: &FaultProxy) -> String {
    format!("{}swift_store_endpoint = {}/v1/AUTH_{}\n", own(cloud), proxy.origin(), cloud.user("glance").project_id)
}

const SOON: &str = "[scrubber]\nstore_deadline = 5\n";

#[test]
fn what_passes_is_waited_for() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    for (fault, note) in [
        (Fault::on("HEAD", "").answer(500).times(1), "HEAD 500 once"),
        (Fault::on("DELETE", "").answer(503).header("Retry-After", "1").times(1), "503 with Retry-After"),
        (Fault::on("DELETE", "").answer(498).times(1), "498 once"),
        (Fault::on("DELETE", "").answer(429).times(1), "429 once"),
        (Fault::on("DELETE", "").close().times(1), "connection lost before the delete"),
        (Fault::on("DELETE", "").close().passing_on().times(1), "connection lost after the delete"),
        (Fault::on("DELETE", "").answer(401).times(1), "token revoked midway"),
        (Fault::on("HEAD", "").answer(401).times(1), "token revoked at once"),
    ] {
        let (proxy, options) = before(&cloud);
        let case = Case::stored(&cloud, "passing trouble", &bin, 1000);
        proxy.fault(fault);
        case.scrub_with(note, &options).ends_as("deleted");
        case.is_gone_from(&bin);
    }
}

#[test]
fn what_does_not_pass_keeps_the_image() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    for (fault, note, outcome) in [
        (Fault::on("HEAD", "").answer(500), "HEAD 500", "unavailable"),
        (Fault::on("DELETE", "").answer(503), "DELETE 503", "unavailable"),
        (Fault::on("DELETE", "").answer(409), "DELETE 409", "failed"),
        (Fault::on("DELETE", "").answer(403), "DELETE 403", "forbidden"),
        (Fault::on("*", "").answer(401), "401 for ever", "forbidden"),
        (Fault::on("*", "").delay(Duration::from_secs(30)), "silence", "unavailable"),
        (Fault::on("HEAD", "").answer(404), "404 for everything", "unavailable"),
        (Fault::on("HEAD", "").answer(301).header("Location", "http://127.0.0.1:9/x"), "redirect", "failed"),
    ] {
        let (proxy, options) = before(&cloud);
        let case = Case::stored(&cloud, "lasting trouble", &bin, 1000);
        proxy.fault(fault);
        case.scrub_with(note, &format!("{options}{SOON}")).ends_as(outcome);
        assert_eq!(case.left(&bin).unwrap(), [""]);
    }
}

/// The report is in the body of a 200, and may never come to its end.
#[test]
fn a_report_that_is_cut_or_bad_keeps_manifest_and_location() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let errors = r#"  {"Number Deleted": 1, "Number Not Found": 0, "Response Status": "400 Bad Request", "Response Body": "",
        "Errors": [["/x/1", "503 Service Unavailable"], ["/x/2", "503 Service Unavailable"]]}"#;
    for (fault, note, outcome) in [
        (Fault::on("POST", "bulk-delete").close_midway(), "bulk report cut", "unavailable"),
        (Fault::on("POST", "bulk-delete").answer(200).body(errors), "errors in a 200", "unavailable"),
        (Fault::on("POST", "bulk-delete").answer(200).body("<html>"), "no report", "failed"),
        (
            Fault::on("DELETE", "multipart-manifest=delete").answer(200).body(errors),
            "errors of the manifest",
            "unavailable",
        ),
    ] {
        for kind in ["slo", "dlo"] {
            if kind == "dlo" && note.contains("manifest") {
                continue;
            }
            let (proxy, options) = before(&cloud);
            let image = new_id();
            cloud.call(&format!("swift.{kind}"), json!({"object": image, "segments": 3, "container": bin}));
            let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
            let case = Case::of(&cloud, kind, &image, &uri);
            proxy.fault(fault.clone());
            case.scrub_with(note, &format!("{options}{SOON}")).ends_as(outcome);
            assert!(case.left(&bin).unwrap().contains(&String::new()), "its manifest");
            proxy.mend();
            case.scrub_with("mended", &options).ends_as("deleted");
            case.is_gone_from(&bin);
        }
    }
}

/// Segments one by one.
#[test]
fn without_bulk_delete_segments_go_one_by_one() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image) = (container(), new_id());
    let (proxy, options) = before(&cloud);
    cloud.call("swift.dlo", json!({"object": image, "segments": 25, "container": bin}));
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "no bulk delete", &image, &uri);
    proxy.fault(Fault::on("GET", "/info").answer(404));
    proxy.fault(Fault::on("DELETE", "-00007").answer(409));
    case.scrub_with("one segment refused", &options).ends_as("failed").says(&["1 of 25 segments", "24 are gone"]);
    assert_eq!(case.left(&bin).unwrap(), ["", "-00007"]);
    proxy.mend();
    proxy.fault(Fault::on("GET", "/info").answer(404));
    case.scrub_with("mended", &options).ends_as("deleted");
    assert_eq!(proxy.count("POST", "bulk-delete"), 0);
    case.is_gone_from(&bin);
}

#[test]
fn certificates_are_looked_at() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, authority) = (container(), Authority::new());
    let keystone = FaultProxy::with_tls(&cloud.fact("/keystone/url"), &authority);
    let swift = FaultProxy::with_tls(&cloud.fact("/swift/keystone"), &authority);
    let case = Case::stored(&cloud, "TLS", &bin, 1000);
    let uri = cloud.text("swift.uri", json!({"object": case.image, "container": bin}));
    let uri = uri.replace(&cloud.fact("/keystone/url")["http://".len()..], &keystone.url()["https://".len()..]);
    let case = Case::of(&cloud, "TLS", &case.image, &uri.replace("swift+http://", "swift+https://"));
    let glance = cloud.user("glance");
    let options = format!("swift_store_endpoint = {}/v1/AUTH_{}\n", swift.origin(), glance.project_id);
    case.scrub_with("CA not known", &format!("{options}{SOON}")).ends_as("unavailable").says(&["swift_store_cacert"]);
    let with_ca = |authority: &Authority| {
        let path = authority.write(case.site.directory.path());
        format!("swift_store_cacert = {}\n{options}{SOON}", path.display())
    };
    case.scrub_with("wrong CA", &with_ca(&Authority::new())).ends_as("unavailable");
    assert_eq!(case.left(&bin).unwrap(), [""]);
    case.scrub_with("its CA", &with_ca(&authority)).ends_as("deleted");
    case.is_gone_from(&bin);
}

/// Of one's own, to be stopped.
#[test]
fn a_server_that_is_down_keeps_the_image() {
    let Some(cloud) = Cloud::private(&["swift"]) else { return };
    let user = "test:tester";
    for daemon in ["swift-object", "swift-container", "swift-account", "swift-tempauth"] {
        let image = new_id();
        cloud.call("swift.put", json!({"object": image, "user": user}));
        let uri = cloud.text("swift.uri", json!({"object": image, "user": user}));
        let site = Site::new(Engine::Sqlite);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending(&image, TimeDelta::hours(2), &[&uri]).insert(&site.database);
        let config = site.config(&format!("stores = file, swift\nswift_store_auth_version = 1\n{SOON}"));
        cloud.order(&format!("stop {daemon}"));
        let run = site.run_with(&config, &["--once", "-f", "json"]);
        let (outcome, detail) = verdict(&run);
        add_line(&format!("swift: {daemon} stopped | {outcome} | {} | ", detail.replace(&image, "IMAGE")));
        assert!(["unavailable", "deleted"].contains(&outcome.as_str()), "{daemon}: {}", run.output());
        cloud.order(&format!("start {daemon}"));
        let there = !cloud.call("swift.head", json!({"object": image, "user": user})).is_null();
        assert_eq!(there, outcome == "unavailable", "{daemon}: {}", run.output());
    }
}
