//! Counts the requests of a program, and may keep each for a while, as a distant server would: a proxy for plain HTTP, which
//! the program is told of by its environment.
//!
//! All the contestants' libraries heed `http_proxy`, and a proxy in that sense sees the requests to every server, whatever
//! addresses a catalog names. Rejected: proxies before the servers, whose answers would have to be rewritten; and the
//! servers' logs, each in another form. Requests over TLS can't be seen, and fail rather than being missed.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONNECTION, EXPECT, TE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::redirect::Policy;

/// Bytes of a body; the largest are listings.
const BODY: usize = 64 << 20;

/// What came through.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// By method and server.
    pub requests: BTreeMap<String, u64>,
    /// At most so many were waiting for their answers at the same time.
    pub at_once: usize,
    under_way: usize,
}

impl Count {
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}

/// Stands there until the program ends.
pub struct Counter {
    address: SocketAddr,
    count: Arc<Mutex<Count>>,
}

impl Counter {
    /// `latency`: how long each request is kept.
    pub fn open(latency: Duration) -> Result<Self> {
        // Fails where there is one already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, count) = (listener.local_addr()?, Arc::default());
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&count);
        // A thread of its own: ours waits for the contestants.
        thread::spawn(move || runtime.block_on(serve(listener, client, shared, latency)));
        Ok(Self { address, count })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came since this was asked last.
    pub fn take(&self) -> Count {
        std::mem::take(&mut locked(&self.count))
    }
}

fn locked(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    listener: TcpListener,
    client: reqwest::Client,
    count: Arc<Mutex<Count>>,
    latency: Duration,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (client, count) = (client.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, &client, &count, latency));
            // A connection that breaks is its client's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    request: Request<Incoming>,
    client: &reqwest::Client,
    count: &Mutex<Count>,
    latency: Duration,
) -> Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let server = head.uri.authority().context("a request that is not for a proxy")?;
    let kind = format!("{} {server}", head.method);
    let body = to_bytes(Body::new(body), BODY).await?;
    {
        let mut count = locked(count);
        *count.requests.entry(kind).or_default() += 1;
        count.under_way += 1;
        count.at_once = count.at_once.max(count.under_way);
    }
    tokio::time::sleep(latency).await;
    let mut order = client.request(head.method, head.uri.to_string()).headers(passed_on(head.headers));
    if !body.is_empty() {
        order = order.body(body);
    }
    let answer = answer(order).await;
    let mut count = locked(count);
    count.under_way = count.under_way.saturating_sub(1);
    answer
}

async fn answer(order: reqwest::RequestBuilder) -> Result<Response<Body>> {
    let mut reply = order.send().await?;
    let (status, headers) = (reply.status(), passed_on(std::mem::take(reply.headers_mut())));
    let body: Bytes = reply.bytes().await?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Without those that are about one connection.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, TRANSFER_ENCODING, TE, EXPECT] {
        headers.remove(name);
    }
    headers.remove("proxy-connection");
    headers.remove("keep-alive");
    headers
}
