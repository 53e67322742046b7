//! Against a listener that plays Keystone and a service behind it.

use std::collections::VecDeque;
use std::sync::Mutex as Lock;

use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::store::client::Trust;

/// Statuses that come first; afterwards tokens are made and the service is content. All request heads.
struct Fake {
    tokens: Lock<VecDeque<u16>>,
    service: Lock<VecDeque<u16>>,
    life: i64,
    heads: Lock<Vec<String>>,
}

impl Fake {
    async fn start(tokens: &[u16], service: &[u16], life: i64) -> (Arc<Self>, Session) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: reqwest::Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let queue = |codes: &[u16]| Lock::new(codes.iter().copied().collect());
        let (tokens, service) = (queue(tokens), queue(service));
        let fake = Arc::new(Self { tokens, service, life, heads: Lock::default() });
        let serving = Arc::clone(&fake);
        let endpoint = url.join("service").unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8192];
                let length = stream.read(&mut request).await.unwrap();
                let head = String::from_utf8_lossy(&request[..length]).into_owned();
                let answer = serving.answer(&head, endpoint.as_str());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let trust = Trust { ca_file: None, insecure: false, ca_option: "some_cacert" };
        let who = Who::Application { id: "id".to_owned(), secret: SecretString::from("hidden") };
        let wanted = Wanted {
            service: "object-store".to_owned(),
            interface: Interface::Public,
            region: Some("two".to_owned()),
            endpoint: None,
        };
        let client = Arc::new(Client::new(trust, Duration::from_secs(20)));
        (fake, Session::new(client, Credentials { auth_url: url, who }, wanted))
    }

    fn answer(&self, head: &str, endpoint: &str) -> String {
        self.heads.lock().unwrap().push(head.to_owned());
        let is_token = head.starts_with("POST /v3/auth/tokens ");
        let (queue, usual) = if is_token { (&self.tokens, 201) } else { (&self.service, 204) };
        let status = queue.lock().unwrap().pop_front().unwrap_or(usual);
        let (now, number) = (Utc::now(), self.asked());
        let body = serde_json::json!({ "token": {
            "issued_at": now, "expires_at": now + TimeDelta::milliseconds(self.life),
            "project": { "id": "b5c4" }, "roles": [{ "name": "admin" }],
            "catalog": [{ "type": "object-store", "endpoints": [
                { "interface": "public", "region": "one", "region_id": "one", "url": "http://127.0.0.1:1/" },
                { "interface": "admin", "region": "two", "region_id": "two", "url": "http://127.0.0.1:1/" },
                { "interface": "public", "region": "two", "region_id": "two", "url": endpoint },
            ] }],
        } });
        let body = if status == 201 { body.to_string() } else { String::new() };
        let length = body.len();
        format!(
            "HTTP/1.1 {status} X\r\nX-Subject-Token: token-{number}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    /// How often a token was asked for.
    fn asked(&self) -> usize {
        self.heads.lock().unwrap().iter().filter(|head| head.starts_with("POST /v3/")).count()
    }

    /// The tokens that the service was shown.
    fn shown(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let token = |head: &String| head.lines().find_map(|line| Some(line.strip_prefix("x-auth-token: ")?.to_owned()));
        heads.iter().filter_map(token).collect()
    }
}

async fn call(session: &Session) -> Result<u16, Answer> {
    session.send(|token| Ok(Order::get(token.endpoint.clone()))).await.map(|reply| reply.status.as_u16())
}

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn one_token_serves_everybody() {
    let (fake, session) = Fake::start(&[], &[], HOUR).await;
    let calls = futures::future::join_all((0..8).map(|_| call(&session))).await;
    assert!(calls.iter().all(|status| *status == Ok(204)), "{calls:?}");
    assert_eq!(fake.asked(), 1);
    let token = session.token().await.unwrap();
    assert_eq!((token.project_id.as_deref(), token.roles.len()), (Some("b5c4"), 1));
}

#[tokio::test]
async fn a_token_that_the_service_refuses_is_replaced_once() {
    let (fake, session) = Fake::start(&[], &[401], HOUR).await;
    assert_eq!(call(&session).await, Ok(204));
    assert_eq!(fake.shown(), ["token-1", "token-2"]);
    let (fake, session) = Fake::start(&[], &[401, 401, 401, 401], HOUR).await;
    assert_eq!(call(&session).await, Ok(401), "and not again and again");
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let (fake, session) = Fake::start(&[], &[], 400).await;
    assert_eq!(call(&session).await, Ok(204));
    tokio::time::sleep(Duration::from_millis(310)).await;
    assert_eq!(call(&session).await, Ok(204));
    assert_eq!(fake.asked(), 2, "three quarters of its life were over");
}

#[tokio::test]
async fn credentials_that_were_refused_are_not_shown_again_at_once() {
    let (fake, session) = Fake::start(&[401, 401], &[], HOUR).await;
    let first = call(&session).await.unwrap_err();
    assert_eq!(first.outcome, Outcome::Forbidden);
    assert_eq!(call(&session).await.unwrap_err(), first);
    assert_eq!(fake.asked(), 1);
    let (fake, session) = Fake::start(&[500, 500, 500, 500], &[], HOUR).await;
    assert_eq!(call(&session).await.unwrap_err().outcome, Outcome::Unavailable);
    assert_eq!(call(&session).await, Ok(204), "what was no refusal is asked again");
    assert_eq!(fake.asked(), 5);
}

#[tokio::test]
async fn a_catalog_without_the_service_says_what_was_looked_for() {
    let (_, mut session) = Fake::start(&[], &[], HOUR).await;
    session.wanted.region = Some("three".to_owned());
    let answer = call(&session).await.unwrap_err();
    assert_eq!(answer.outcome, Outcome::Failed);
    let detail = answer.detail.unwrap();
    assert_eq!(detail, "Keystone's catalog has no public endpoint of object-store in region three");
}
