//! Servers and networks that fail, by way of a proxy before a real Cinder and a real Keystone.

use super::*;
use crate::support::cases::PENDING;
use crate::support::fault_proxy::{Authority, Fault, FaultProxy};

/// Faults come and go while a scrubber works; none may take so long.
const DEADLINE: &str = "[scrubber]\nstore_deadline = 6\n";

/// The config with Cinder behind a proxy, by the endpoint template.
fn by_way_of(cloud: &Cloud, proxy: &FaultProxy) -> String {
    format!("{}cinder_endpoint_template = {}/v3/%(project_id)s\n", store_of(cloud, "glance"), proxy.url())
}

/// A volume, and what becomes of it where this goes wrong.
#[track_caller]
fn suffering(cloud: &Cloud, name: &str, faults: impl IntoIterator<Item = Fault>) -> (Seen, FaultProxy) {
    let proxy = FaultProxy::before(&cloud.fact("/cinder/url"));
    let case = Case::volume_of(cloud, name, "glance");
    faults.into_iter().for_each(|fault| proxy.fault(fault));
    let seen = case.scrub_as(&by_way_of(cloud, &proxy), DEADLINE);
    (seen, proxy)
}

fn on_delete() -> Fault {
    Fault::on("DELETE", "/volumes/")
}

#[test]
fn what_passes_is_waited_out() {
    let Some(cloud) = Cloud::shared() else { return };
    for (name, fault, deletes) in [
        ("500 once", on_delete().times(1).answer(500), 2),
        ("503 with Retry-After", on_delete().times(2).answer(503).header("Retry-After", "1"), 3),
        ("429 with Retry-After", on_delete().times(1).answer(429).header("Retry-After", "1"), 2),
        ("the token is refused in mid-run", on_delete().times(1).answer(401), 2),
        ("the connection ends before the order is heard", on_delete().times(1).close(), 2),
        ("503 for a while on the looks", Fault::on("GET", "/volumes/").times(2).answer(503), 1),
        ("the connection ends in the middle of a look", Fault::on("GET", "/volumes/").times(1).close_midway(), 1),
    ] {
        let (seen, proxy) = suffering(&cloud, name, [fault]);
        seen.is("deleted", "gone");
        assert_eq!(proxy.count("DELETE", "/volumes/"), deletes, "{name}: {:#?}", proxy.seen());
    }
}

/// The answer to a delete was lost, and what comes next is not taken for a refusal.
#[test]
fn a_delete_whose_answer_was_lost_is_looked_after() {
    let Some(cloud) = Cloud::shared() else { return };
    for (name, fault) in [
        ("the answer to the delete is lost", on_delete().times(1).close().passing_on()),
        ("the answer to the delete is a 504", on_delete().times(1).answer(504).passing_on()),
    ] {
        let proxy = FaultProxy::before(&cloud.fact("/cinder/url"));
        proxy.fault(fault);
        let case = Case::volume_of(&cloud, name, "glance");
        case.control("delay_delete", json!(2));
        case.scrub_as(&by_way_of(&cloud, &proxy), DEADLINE).is("deleted", "gone");
        // The second one met 400, as the volume was `deleting`.
        let statuses: Vec<_> = proxy.seen_of("DELETE", "/volumes/").iter().map(|seen| seen.status).collect();
        assert_eq!(statuses.last(), Some(&Some(400)), "{statuses:?}");
    }
}

#[test]
fn what_does_not_pass_leaves_the_volume_with_a_reason() {
    let Some(cloud) = Cloud::shared() else { return };
    let forbidden = r#"{"forbidden": {"code": 403, "message": "Policy doesn't allow volume:delete"}}"#;
    let over_limit = r#"{"overLimit": {"code": 413, "message": "This request was rate-limited.", "retryAfter": 9}}"#;
    let other = r#"{"volume": {"id": "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d", "status": "available", "size": 1}}"#;
    for (name, fault, outcome, words) in [
        ("no permission", on_delete().answer(403).body(forbidden), "forbidden", "volume:delete"),
        ("500 for ever", on_delete().answer(500), "unavailable", "500"),
        ("503 for ever", Fault::on("*", "/volumes").answer(503), "unavailable", "503"),
        ("503, Retry-After too far away", on_delete().answer(503).header("Retry-After", "600"), "unavailable", "503"),
        ("413 as of old", on_delete().answer(413).body(over_limit), "unavailable", "rate-limited"),
        ("the token is refused for ever", Fault::on("*", "/volumes").answer(401), "forbidden", "401"),
        ("a 404 that is not Cinder's", Fault::on("GET", "/volumes").answer(404).body("<html>"), "failed", "404"),
        ("a page instead of JSON", Fault::on("GET", "/volumes").answer(200).body("<html>"), "failed", "no JSON"),
        (
            "another volume than the one asked for",
            Fault::on("GET", "/volumes").answer(200).body(other),
            "failed",
            "another",
        ),
        ("each connection ends", Fault::on("*", "/volumes").close(), "unavailable", "broke"),
        (
            "a redirect to another host",
            Fault::on("*", "/volumes").answer(302).header("Location", "http://127.0.0.2:1/v3"),
            "failed",
            "127.0.0.2:1",
        ),
    ] {
        let (seen, _) = suffering(&cloud, name, [fault]);
        seen.is(outcome, "available").says(&[words]);
    }
}

/// Looks that fail after the order was taken: nothing is recorded before the volume is seen to be gone.
#[test]
fn the_end_of_a_delete_that_cannot_be_seen_is_not_recorded() {
    let Some(cloud) = Cloud::shared() else { return };
    let later = Fault::on("GET", "/volumes/").after(1).answer(503);
    let (seen, _) = suffering(&cloud, "Cinder is lost after it took the order", [later]);
    assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), ("unavailable", PENDING), "{seen:#?}");
    let later = Fault::on("GET", "/volumes/").after(1).answer(404).body("nothing here");
    let (seen, _) = suffering(&cloud, "a 404 that is not Cinder's after it took the order", [later]);
    assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), ("failed", PENDING), "{seen:#?}");
}

#[test]
fn a_cinder_of_before_strict_filters_proves_nothing_by_them() {
    let Some(cloud) = Cloud::shared() else { return };
    let proxy = FaultProxy::before(&cloud.fact("/cinder/url"));
    proxy.fault(Fault::on("GET", "glance-scrubber=1").answer(200).body(r#"{"volumes": []}"#));
    let case = Case::of(
        &cloud,
        "gone, and Cinder is too old to say who is an administrator",
        &new_id(),
        &format!("cinder://{}", new_id()),
    );
    case.scrub_as(&by_way_of(&cloud, &proxy), "").is("failed", "gone").says(&["nothing shows"]);
}

#[test]
fn certificates_are_looked_at() {
    let Some(cloud) = Cloud::shared() else { return };
    let (ours, theirs) = (Authority::new(), Authority::new());
    let keystone = FaultProxy::with_tls(&cloud.fact("/keystone/url"), &ours);
    let cinder = FaultProxy::with_tls(&cloud.fact("/cinder/url"), &ours);
    let case = Case::volume_of(&cloud, "TLS with a CA that is not given", "glance");
    let directory = case.site.directory.path().to_owned();
    let store = by_way_of(&cloud, &cinder).replace(&cloud.fact("/keystone/url"), &keystone.url());
    case.scrub_as(&store, "").is("unavailable", "available").says(&["cinder_ca_certificates_file"]);
    let wrong = theirs.write(&directory);
    let case = case.named("TLS with the wrong CA");
    let with = |path: &std::path::Path| format!("cinder_ca_certificates_file = {}\n", path.display());
    case.scrub_as(&store, &with(&wrong)).is("unavailable", "available").says(&["not to be trusted"]);
    let case = case.named("TLS, insecure");
    let run = case.scrub_as(&store, "cinder_api_insecure = true\n");
    run.is("deleted", "gone");
    let case = Case::volume_of(&cloud, "TLS with its own CA", "glance");
    let right = ours.write(case.site.directory.path());
    case.scrub_as(&store, &with(&right)).is("deleted", "gone");
}

/// With logs at their most talkative, too: see `assert_shows_no_secret`, which every case asks.
#[test]
fn no_log_shows_a_secret() {
    let Some(cloud) = Cloud::shared() else { return };
    let debug = "[DEFAULT]\ndebug = true\n";
    let case = Case::volume_of(&cloud, "with debug", "glance");
    let seen = case.scrub(debug);
    assert!(seen.run.output().contains("/volumes/"), "there is something to be seen: {}", seen.run.output());
    Case::volume_of(&cloud, "with debug, application credential", "glance")
        .scrub_as(&store_of_application(&cloud), debug)
        .is("deleted", "gone");
    let wrong = store_of(&cloud, "glance").replace(&cloud.user("glance").password, "nope-nope");
    Case::volume_of(&cloud, "with debug, wrong password", "glance")
        .scrub_as(&wrong, debug)
        .is("forbidden", "available");
}
