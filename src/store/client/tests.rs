//! Against a listener that answers what it was told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::claim::{Lease, Moment, Tenure};
use crate::store::{Answer, Outcome};

/// Gives each connection the next of `answers`, and the last one from then on; an empty one closes. With the requests
/// that came.
async fn serve(answers: &'static [&'static str]) -> (reqwest::Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/bucket/key?secret=1", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answers[seen.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url.parse().unwrap(), count)
}

fn client(deadline: u64) -> Client {
    let trust = Trust { ca_file: None, insecure: false, ca_option: "some_cacert" };
    Client::new(trust, Duration::from_secs(deadline))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
const AWAY: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://elsewhere:1/x?secret=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_get_outlives_faults_that_pass() {
    let (url, count) = serve(&[BUSY, "", BROKEN, OK]).await;
    assert_eq!(client(20).send(&Order::get(url)).await.unwrap().status, 200);
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_post_that_may_have_arrived_is_not_sent_again_unless_it_may() {
    let (url, count) = serve(&["", OK]).await;
    let trouble = client(20).send(&Order::post(url)).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Cut { .. }), "{trouble:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (url, _) = serve(&["", OK]).await;
    assert_eq!(client(20).send(&Order::post(url).safe_to_repeat()).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_none() {
    let (url, count) = serve(&[CUT]).await;
    let trouble = client(20).send(&Order::get(url)).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Cut { .. }), "{trouble:?}");
    assert_eq!(count.load(Ordering::SeqCst), 4);
    assert_eq!(Answer::from(trouble).outcome, Outcome::Unavailable);
}

#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let (url, count) = serve(&[AWAY]).await;
    let trouble = client(20).send(&Order::get(url)).await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let answer = Answer::from(trouble);
    assert_eq!(answer.outcome, Outcome::Failed);
    let detail = answer.detail.unwrap();
    assert!(detail.contains("http://elsewhere:1") && !detail.contains("secret"), "{detail}");
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_an_answer() {
    let (url, _) =
        serve(&["HTTP/1.1 301 Moved\r\nx-amz-bucket-region: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
            .await;
    let reply = client(20).send(&Order::get(url)).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("x-amz-bucket-region")), (301, Some("a")));
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let trouble = client(1).send(&Order::get(url)).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble:?}");
    drop(listener);
}

#[tokio::test]
async fn nothing_is_taken_away_without_leave_or_after_the_claim() {
    let (url, count) = serve(&[BROKEN, OK]).await;
    assert!(matches!(client(20).send(&Order::delete(url.clone())).await, Err(Trouble::Setup(_))));
    let second = Duration::from_secs(1);
    let over = Tenure::of(Lease::since(Moment::now(), second), second * 2);
    let order = Order::delete(url.clone()).under([&over]);
    assert_eq!(client(20).send(&order).await.unwrap_err(), Trouble::RanOut);
    assert_eq!(count.load(Ordering::SeqCst), 0, "nothing was sent");
    // The claim is lost between two tries.
    let short = Tenure::of(Lease::since(Moment::now(), second / 10), Duration::ZERO);
    let order = Order::delete(url).under([&short]);
    assert_eq!(client(20).send(&order).await.unwrap_err(), Trouble::RanOut);
    assert_eq!(count.load(Ordering::SeqCst), 1, "not sent again");
}

#[tokio::test]
async fn what_cannot_be_reached_says_so_without_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: reqwest::Url =
        format!("http://user:hidden@{}/x?secret=1", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let answer = Answer::from(client(20).send(&Order::get(url)).await.unwrap_err());
    assert_eq!(answer.outcome, Outcome::Unavailable);
    let detail = answer.detail.unwrap();
    assert!(
        detail.contains("cannot be reached") && !detail.contains("secret") && !detail.contains("hidden"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_told_with_its_option() {
    let trust = Trust { ca_file: Some("/nowhere/ca.pem".into()), insecure: false, ca_option: "some_cacert" };
    let client = Client::new(trust, Duration::from_secs(20));
    let trouble = client.send(&Order::get("https://127.0.0.1:1/".parse().unwrap())).await.unwrap_err();
    assert!(trouble.to_string().starts_with("some_cacert /nowhere/ca.pem: "), "{trouble}");
}
