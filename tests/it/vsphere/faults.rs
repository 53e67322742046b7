//! Logins that are refused, sessions that end, servers and networks that fail: by way of a proxy before vcsim.

use std::path::Path;

use super::*;
use crate::support::cases::{PENDING, add_line};
use crate::support::fault_proxy::{Authority, Fault, FaultProxy};

const DEADLINE: &str = "[scrubber]\nstore_deadline = 6\n";

/// The requests before the one that deletes: what it is, the login, the datacenter.
const BEFORE: usize = 3;

fn proxy_before(cloud: &Cloud, authority: &Authority) -> FaultProxy {
    FaultProxy::before_https(&cloud.fact("/vcsim/url"), Path::new(&cloud.fact("/vcsim/ca_file")), authority)
}

/// The config with vcsim behind a proxy, and an image whose URI says so.
fn behind<'a>(cloud: &'a Cloud, name: &str, proxy: &FaultProxy, authority: &Authority) -> (Case<'a>, String) {
    let host = proxy.origin().strip_prefix("https://").unwrap();
    let image = new_id();
    let uri = cloud.text("vsphere.add", json!({"image": image}));
    let case = Case::of(cloud, name, &image, &uri.replace(&cloud.fact("/vcsim/host"), host));
    let ca_file = authority.write(case.site.directory.path()).display().to_string();
    let store = store_of(cloud).replace(&cloud.fact("/vcsim/host"), host);
    let store = store.replace(&cloud.fact("/vcsim/ca_file"), &ca_file);
    (case, store)
}

#[track_caller]
fn suffering(cloud: &Cloud, name: &str, fault: Fault) -> (Seen, FaultProxy) {
    let authority = Authority::new();
    let proxy = proxy_before(cloud, &authority);
    let (case, store) = behind(cloud, name, &proxy, &authority);
    proxy.fault(fault);
    let seen = case.scrub_as(&store, DEADLINE);
    (seen, proxy)
}

/// How often a call was made.
fn calls(proxy: &FaultProxy, method: &str) -> usize {
    let is_it = |body: &[u8]| String::from_utf8_lossy(body).contains(&format!("<{method} "));
    proxy.seen().iter().filter(|seen| is_it(&seen.body)).count()
}

/// As vCenter sends a fault.
fn fault(name: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode\
         </faultcode><faultstring>in its words</faultstring><detail><{name}Fault xmlns=\"urn:vim25\" xsi:type=\"{name}\"/>\
         </detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
}

#[test]
fn a_login_that_is_refused_is_tried_once() {
    let Some(cloud) = Cloud::shared() else { return };
    let authority = Authority::new();
    let proxy = proxy_before(&cloud, &authority);
    let (case, store) = behind(&cloud, "wrong password", &proxy, &authority);
    for _ in 0..4 {
        let image = new_id();
        let uri = cloud.text("vsphere.uri", json!({"image": image}));
        let host = proxy.origin().strip_prefix("https://").unwrap();
        let uri = uri.replace(&cloud.fact("/vcsim/host"), host);
        Image::pending(&image, TimeDelta::hours(1), &[&uri]).insert(&case.site.database);
    }
    let wrong = store.replace(&cloud.fact("/vcsim/password"), "nope-nope");
    let config = case.site.config(&wrong);
    let run = Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).run();
    assert_shows_no_secret(&cloud, &run);
    assert_eq!(run.code, Some(3), "{}", run.output());
    assert!(run.stdout.contains("forbidden") && run.stdout.contains("InvalidLogin"), "{}", run.output());
    assert_eq!(calls(&proxy, "Login"), 1, "or the account would be locked");
    add_line("vsphere: wrong password, five images | forbidden | one login was tried");

    let case = Case::new(&cloud, "no credentials");
    let none = "stores = file, vmware\nvmware_store_image_dir = /openstack_glance\n";
    case.scrub_as(none, "").is("forbidden", "there").says(&["vmware_server_username"]);
}

#[test]
fn what_passes_is_waited_out() {
    let Some(cloud) = Cloud::shared() else { return };
    let on = || Fault::on("POST", "/sdk").after(BEFORE).times(1);
    for (name, fault, logins) in [
        ("the session has ended in mid-run", on().answer(500).body(&fault("NotAuthenticated")), 2),
        ("the session has ended, said with 200", on().answer(200).body(&fault("NotAuthenticated")), 2),
        ("503 with Retry-After", on().answer(503).header("Retry-After", "1"), 1),
        ("the connection ends before the order is heard", on().close(), 1),
        ("the connection ends in the middle of an answer", Fault::on("POST", "/sdk").times(1).close_midway(), 1),
    ] {
        let (seen, proxy) = suffering(&cloud, name, fault);
        seen.is("deleted", "gone");
        assert_eq!(calls(&proxy, "Login"), logins, "{name}");
    }
    // It was done; the second order finds nothing, in a datastore that is there.
    let (seen, _) = suffering(&cloud, "the answer to the delete is lost", on().close().passing_on());
    seen.is("absent", "gone");
}

#[test]
fn what_does_not_pass_leaves_the_file_with_a_reason() {
    let Some(cloud) = Cloud::shared() else { return };
    let on = || Fault::on("POST", "/sdk").after(BEFORE);
    for (name, fault, outcome, words) in [
        ("no permission", on().answer(500).body(&fault("NoPermission")), "forbidden", "Datastore.FileManagement"),
        ("locked", on().answer(500).body(&fault("FileLocked")), "in_use", "has it open"),
        ("not accessible", on().answer(500).body(&fault("InaccessibleDatastore")), "unavailable", "in its words"),
        ("the session ends each time", on().answer(500).body(&fault("NotAuthenticated")), "unavailable", "sessions"),
        ("a fault that is new to us", on().answer(500).body(&fault("OutOfCheese")), "failed", "OutOfCheese"),
        ("500 for ever", on().answer(500), "unavailable", "500"),
        ("503 for ever", on().answer(503), "unavailable", "503"),
        ("a page instead of SOAP", on().answer(200).body("<html/>"), "failed", "vmware_server_host"),
        ("a server that is none", Fault::on("POST", "/sdk").answer(404), "failed", "404"),
        ("each connection ends", Fault::on("POST", "/sdk").close(), "unavailable", "broke"),
        (
            "a redirect to another host",
            on().answer(302).header("Location", "https://127.0.0.2:1/sdk"),
            "failed",
            "127.0.0.2:1",
        ),
    ] {
        let (seen, _) = suffering(&cloud, name, fault);
        seen.is(outcome, "there").says(&[words]);
    }
}

#[test]
fn what_became_of_a_task_must_be_seen() {
    let Some(cloud) = Cloud::shared() else { return };
    let on = || Fault::on("POST", "/sdk").after(BEFORE + 1);
    let seen_of = |name: &str, fault: Fault| suffering(&cloud, name, fault).0;
    for (name, fault) in [
        ("503 once the task has begun", on().answer(503)),
        ("a task that does not end", on().rewrite("<state>success</state>", "<state>running</state>")),
        ("a task that says nothing", on().rewrite("<state>success</state>", "")),
    ] {
        let seen = seen_of(name, fault);
        assert_eq!((seen.outcome.as_str(), seen.rows.as_str()), ("unavailable", PENDING), "{seen:#?}");
    }
    let running = on().times(3).rewrite("<state>success</state>", "<state>running</state>");
    seen_of("a task that takes a while", running).is("deleted", "gone");
}

#[test]
fn a_datastore_that_is_not_accessible_proves_nothing() {
    let Some(cloud) = Cloud::shared() else { return };
    let authority = Authority::new();
    let proxy = proxy_before(&cloud, &authority);
    let (case, store) = behind(&cloud, "gone, from a datastore that is not accessible", &proxy, &authority);
    cloud.call("vsphere.remove", json!({"path": case.path}));
    let not = Fault::on("POST", "/sdk").after(BEFORE + 2).rewrite(">true</val>", ">false</val>");
    proxy.fault(not);
    case.scrub_as(&store, "").is("unavailable", "gone").says(&["is not accessible"]);
    proxy.mend();
    case.named("accessible again").scrub_as(&store, "").is("absent", "gone");
}

#[test]
fn certificates_are_looked_at() {
    let Some(cloud) = Cloud::shared() else { return };
    let store = store_of(&cloud);
    let line = format!("vmware_ca_file = {}\n", cloud.fact("/vcsim/ca_file"));
    let none = store.replace(&line, "");
    let case = Case::new(&cloud, "TLS with a CA that is not given");
    case.scrub_as(&none, "").is("unavailable", "there").says(&["vmware_ca_file"]);
    let wrong = Authority::new().write(case.site.directory.path()).display().to_string();
    let wrong = store.replace(&cloud.fact("/vcsim/ca_file"), &wrong);
    let case = case.named("TLS with the wrong CA");
    case.scrub_as(&wrong, "").is("unavailable", "there").says(&["not to be trusted"]);
    // A CA file wins over vmware_insecure.
    let case = case.named("TLS with the wrong CA, insecure");
    case.scrub_as(&wrong, "vmware_insecure = true\n").is("unavailable", "there");
    case.named("TLS, insecure").scrub_as(&none, "vmware_insecure = true\n").is("deleted", "gone");
}

#[test]
fn no_log_shows_a_secret() {
    let Some(cloud) = Cloud::shared() else { return };
    let debug = "[DEFAULT]\ndebug = true\n";
    let seen = Case::new(&cloud, "with debug").scrub(debug);
    assert!(seen.run.output().contains("/sdk"), "there is something to be seen: {}", seen.run.output());
    let wrong = store_of(&cloud).replace(&cloud.fact("/vcsim/password"), "nope-nope");
    Case::new(&cloud, "with debug, wrong password").scrub_as(&wrong, debug).is("forbidden", "there");
}
