//! How many requests it takes.

use super::*;
use crate::support::cases::report;
use crate::support::fault_proxy::FaultProxy;

const IMAGES: usize = 3000;

#[test]
fn thousands_of_images_take_a_few_requests() {
    let Some(cloud) = Cloud::shared() else { return };
    let mut case = Case::empty(&cloud, "radosgw", "3000 images");
    let proxy = FaultProxy::before(&case.server_url());
    case.url = Some(proxy.url());
    let keys: Vec<_> = (0..IMAGES).map(|_| new_id()).collect();
    cloud.call("s3.put_many", json!({"server": "radosgw", "keys": keys, "bucket": case.bucket}));
    let image = |key: &String| {
        let uri = case.uri().replace(&case.image, key);
        Image::pending(key, TimeDelta::hours(2), &[&uri]).sql(Engine::Sqlite)
    };
    case.site.database.execute(&keys.iter().map(image).collect::<Vec<_>>().join("\n"));
    let run = case.run(&["--once", "-f", "json"], "");
    case.assert_shows_no_key(&run);
    assert_eq!(run.code, Some(0), "{}", run.output());
    let report = report(&run);
    assert_eq!(report["done"][0]["outcome"], "deleted", "{}", run.output());
    let left = cloud.texts("s3.keys", json!({"server": "radosgw", "bucket": case.bucket}));
    assert_eq!(left, [case.living.clone()]);
    let requests = proxy.seen();
    assert!(requests.len() <= IMAGES / 100, "{}", requests.len());
    add_line(&format!("s3 radosgw | {IMAGES} images in one bucket | deleted | {} requests | gone |", requests.len()));
}

#[test]
fn what_is_asked_of_a_bucket_is_asked_once() {
    let Some(cloud) = Cloud::shared() else { return };
    let mut case = Case::new(&cloud, "moto", "requests for one image");
    let proxy = FaultProxy::before(&case.server_url());
    case.url = Some(proxy.url());
    case.scrub("").is("deleted", "gone");
    for (method, part) in
        [("GET", "?versioning"), ("HEAD", case.living.as_str()), ("GET", "?uploads"), ("POST", "?delete")]
    {
        assert_eq!(proxy.count(method, part), 1, "{method} {part}: {:#?}", proxy.seen());
    }
    assert_eq!(proxy.seen().len(), 4, "{:#?}", proxy.seen());
}
