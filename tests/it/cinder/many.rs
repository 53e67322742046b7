//! A backlog: how many orders are on their way at once, and how many requests it costs.

use std::time::Instant;

use super::*;
use crate::support::cases::add_line;
use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::rows::states;

/// More than a lane has in hand.
const VOLUMES: usize = 40;
const AT_ONCE: usize = 32;

#[test]
fn a_backlog_goes_at_once_and_is_waited_for_by_lists() {
    let Some(cloud) = Cloud::shared() else { return };
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let images: Vec<_> = (0..VOLUMES).map(|_| new_id()).collect();
    for image in &images {
        let volume = glance_volume(&cloud, image, "glance");
        cloud.call("cinder.control", json!({"name": "delay_delete", "value": 4, "volume": volume}));
        Image::pending(image, TimeDelta::hours(2), &[&format!("cinder://{volume}")]).insert(&site.database);
    }
    let proxy = FaultProxy::before(&cloud.fact("/cinder/url"));
    proxy.fault(Fault::on("DELETE", "/volumes/").hold());
    let endpoint = format!("cinder_endpoint_template = {}/v3/%(project_id)s\n", proxy.url());
    let config = site.config(&format!("{}{endpoint}", store_of(&cloud, "glance")));
    let running = Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).start();
    proxy.wait_for(AT_ONCE, "DELETE", "/volumes/");
    let begun = Instant::now();
    proxy.release();
    let run = running.wait().expect_code(0);
    let took = begun.elapsed();
    assert_shows_no_secret(&cloud, &run);
    for image in &images {
        assert_eq!(states(&site.database, image).0, "deleted", "{}", run.output());
    }
    let (requests, lists) = (proxy.seen().len(), proxy.count("GET", "status=deleting"));
    add_line(&format!(
        "cinder: {VOLUMES} volumes, 4 s each in deleting | {took:.1?} | {requests} requests, {lists} lists"
    ));
    assert_eq!(proxy.count("DELETE", "/volumes/"), VOLUMES);
    assert!(lists > 0, "{:#?}", proxy.seen());
    // A look, a delete and a last look each; asked one by one, those that are looked at meanwhile would be many more.
    assert!(requests < VOLUMES * 4, "{requests} requests");
}
