//! A backlog: how many requests it costs, and how long it takes.

use std::time::{Duration, Instant};

use super::*;
use crate::support::fault_proxy::{Fault, FaultProxy};

const VOLUMES: usize = 60;

/// As far away as a Cinder behind a load balancer is, with its policy engine and its database.
const AWAY: Duration = Duration::from_millis(150);

#[test]
fn a_backlog_goes_at_once_and_is_waited_for_by_lists() {
    let Some(cloud) = Cloud::shared() else { return };
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let images: Vec<_> = (0..VOLUMES).map(|_| new_id()).collect();
    for image in &images {
        let volume = glance_volume(&cloud, image, "glance");
        cloud.call("cinder.control", json!({"name": "delay_delete", "value": 2, "volume": volume}));
        Image::pending(image, TimeDelta::hours(2), &[&format!("cinder://{volume}")]).insert(&site.database);
    }
    let proxy = FaultProxy::before(&cloud.fact("/cinder/url"));
    proxy.fault(Fault::on("*", "/").delay(AWAY));
    let endpoint = format!("cinder_endpoint_template = {}/v3/%(project_id)s\n", proxy.url());
    let config = site.config(&format!("{}{endpoint}", store_of(&cloud, "glance")));
    let begun = Instant::now();
    let run = Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).run().expect_code(0);
    let took = begun.elapsed();
    assert_shows_no_secret(&cloud, &run);
    for image in &images {
        assert_eq!(states(&site.database, image).0, "deleted", "{}", run.output());
    }
    let requests = proxy.seen().len();
    add_line(&format!(
        "cinder: {VOLUMES} volumes, 2 s each in deleting, 150 ms away | {took:.1?} | {requests} requests"
    ));
    // A look, a delete and a last look each, and some lists.
    assert!(requests < VOLUMES * 4, "{requests} requests");
    assert_eq!(proxy.count("DELETE", "/volumes/"), VOLUMES);
    // One after the other, the deletes alone would take that long.
    assert!(took < AWAY * u32::try_from(VOLUMES).unwrap(), "{took:?}");
}
