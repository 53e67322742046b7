//! Claims that run out, at a listener that counts what is asked of it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::endpoint::Endpoint;
use super::super::sign::Signer;
use super::*;
use crate::claim::{Lease, Moment};
use crate::config::Addressing;
use crate::store::client::{Client, Trust};

/// An API at a server that breaks down at each request, with the number of those.
async fn breaking() -> (Api, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    });
    let trust = Trust { ca_file: None, insecure: false, ca_option: "s3_store_cacert" };
    let client = Client::new(trust, Duration::from_secs(20));
    let endpoint = Endpoint::new(&host, None, Addressing::Path).unwrap();
    let signer = Signer::new("access".into(), "secret".into(), endpoint.region.clone());
    (Api { client, endpoint, signer }, count)
}

/// Removes one object, alone or in a batch, under a claim that lasts so long.
async fn removed_under(lease: Duration, key: &str) -> (Removed, usize) {
    let (api, count) = breaking().await;
    // Making the first connection takes its time.
    let _ = api.send(Ask::head("glance", "x")).await;
    let before = count.load(Ordering::SeqCst);
    let tenures = [Tenure::default(), Tenure::of(Lease::since(Moment::now(), lease), Duration::ZERO)];
    let mut removed = {
        let bucket = Bucket::new("glance", Vec::new());
        let (no_batches, pulse) = (AtomicBool::new(false), Pulse::default());
        let call = Call { api: &api, bucket: &bucket, no_batches: &no_batches, pulse: &pulse };
        remove(call, &[Item { key, version: None, tenures: &tenures }]).await
    };
    (removed.pop().unwrap(), count.load(Ordering::SeqCst) - before)
}

#[tokio::test]
async fn nothing_is_removed_after_its_claim() {
    let ran_out = Removed::Kept(Trouble::RanOut.into());
    for key in ["in-a-batch", "alone\u{1}"] {
        assert_eq!(removed_under(Duration::ZERO, key).await, (ran_out.clone(), 0), "{key:?}");
        // Lost between two of four tries.
        let (removed, tries) = removed_under(Duration::from_millis(600), key).await;
        assert!(removed == ran_out && (1..4).contains(&tries), "{key:?}: {removed:?} after {tries}");
    }
}

#[tokio::test]
async fn each_version_is_gone_only_by_its_own_word() {
    let (api, _) = breaking().await;
    let item = |version| Item { key: "k", version, tenures: &[] };
    let (one, two) = (item(Some("1")), item(Some("2")));
    let gone = |answer: &str, items: &[Item<'_>]| {
        let result = Element::parse(format!("<DeleteResult>{answer}</DeleteResult>").as_bytes()).unwrap();
        let (bucket, no_batches, pulse) = (Bucket::default(), AtomicBool::new(false), Pulse::default());
        let removed = read(&result, Call { api: &api, bucket: &bucket, no_batches: &no_batches, pulse: &pulse }, items);
        removed.iter().map(|removed| matches!(removed, Removed::Gone { .. })).collect::<Vec<_>>()
    };
    let deleted = |version: &str| format!("<Deleted><Key>k</Key>{version}</Deleted>");
    let error = |version: &str| format!("<Error><Key>k</Key>{version}<Code>AccessDenied</Code></Error>");
    let (first, second) = ("<VersionId>1</VersionId>", "<VersionId>2</VersionId>");
    for (answer, expected) in [
        (deleted(first) + &deleted(second), [true, true]),
        (deleted(second) + &error(first), [false, true]),
        (deleted(first), [true, false]),
        (deleted(first) + &error(first) + &deleted(second), [false, true]),
        (deleted("") + &deleted(""), [true, true]),
        (deleted("") + &error(""), [false, false]),
        (deleted(""), [false, false]),
        (deleted(first) + &deleted(""), [true, true]),
        ("<Deleted><Key>other</Key></Deleted>".repeat(2), [false, false]),
        (String::new(), [false, false]),
    ] {
        assert_eq!(gone(&answer, &[one, two]), expected, "{answer}");
    }
    assert_eq!(gone(&deleted("<DeleteMarker>true</DeleteMarker>"), &[item(None)]), [true]);
    assert_eq!(gone(&deleted(first), &[item(None)]), [true], "a version more than was asked for");
}
