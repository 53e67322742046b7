//! A reverse proxy for HTTP/1.1 before one server: it remembers every request, and brings about what a real server will not
//! show when asked. It lives in the test's process and ends with its value.
//!
//! A request that no fault is meant for reaches the server as it is, with its `Host`, so that signatures hold. A server that
//! is not there looks like one that ends the connection.
//!
//! ```ignore
//! let proxy = FaultProxy::before(&cloud.fact("/moto/url"));
//! proxy.fault(Fault::on("DELETE", &image).times(2).answer(503).header("Retry-After", "1"));
//! // ... scrub against proxy.url() ...
//! assert_eq!(proxy.count("DELETE", &image), 3);
//! ```

mod fault;
mod tls;

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::fault::Fault;
use self::fault::{Then, matches};
pub use self::tls::Authority;

/// So much of a request's body is remembered.
const REMEMBERED: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

/// The proxy. All of it goes with the value.
pub struct FaultProxy {
    origin: String,
    path: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came, and what was answered.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// Its beginning.
    pub body: Vec<u8>,
    /// None as long as, or if, there was no answer.
    pub status: Option<u16>,
    number: u64,
}

impl Seen {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }
}

struct Shared {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    state: Mutex<State>,
    came: Condvar,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    seen: Vec<Seen>,
    count: u64,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl FaultProxy {
    /// Before a server at `http://...`.
    pub fn before(url: &str) -> FaultProxy {
        FaultProxy::start(url, None, None)
    }

    /// Before a server at `http://...`; to its clients it is one at `https://...`.
    pub fn with_tls(url: &str, authority: &Authority) -> FaultProxy {
        FaultProxy::start(url, None, Some(authority))
    }

    /// Before a server at `https://...` that a CA vouches for; to its clients it is one with another CA.
    pub fn before_https(url: &str, ca_file: &Path, authority: &Authority) -> FaultProxy {
        FaultProxy::start(url, Some(tls::client(ca_file)), Some(authority))
    }

    fn start(url: &str, upstream_tls: Option<Arc<ClientConfig>>, authority: Option<&Authority>) -> FaultProxy {
        let rest = url.split_once("://").expect("a URL").1;
        let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let name = address.split(':').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(name).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if authority.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            tls: upstream_tls.map(|config| (TlsConnector::from(config), name)),
            state: Mutex::default(),
            came: Condvar::new(),
            released: watch::Sender::new(false),
        });
        let acceptor = authority.map(|authority| TlsAcceptor::from(authority.server()));
        let (stop, stopped) = oneshot::channel();
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(listener, acceptor, for_thread, stopped));
        FaultProxy { origin, path: path.to_owned(), shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The server's URL, by way of the proxy.
    pub fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Scheme, host and port alone.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Of several faults that a request would suffer, it suffers the first.
    pub fn fault(&self, fault: Fault) {
        self.shared.state.lock().unwrap().faults.push(fault);
    }

    /// Takes all faults away, and lets go what is held.
    pub fn mend(&self) {
        self.shared.state.lock().unwrap().faults.clear();
        self.release();
    }

    /// Lets requests go that a fault holds; for good.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// All requests so far, in their order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state.lock().unwrap().seen.clone()
    }

    /// The requests of a method (`*` is any) whose path and query contain a text.
    pub fn seen_of(&self, method: &str, part: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|one| matches(method, part, &one.method, &one.target));
        seen
    }

    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen_of(method, part).len()
    }

    /// Returns once so many such requests have come; they need not be answered yet.
    #[track_caller]
    pub fn wait_for(&self, count: usize, method: &str, part: &str) {
        let too_few = |state: &mut State| {
            state.seen.iter().filter(|one| matches(method, part, &one.method, &one.target)).count() < count
        };
        let state = self.shared.state.lock().unwrap();
        let (state, waited) = self.shared.came.wait_timeout_while(state, PATIENCE, too_few).unwrap();
        assert!(!waited.timed_out(), "waited for {count} of {method} {part}: {:#?}", state.seen);
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.state.lock().unwrap().seen.clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Takes connections until it is stopped; those that are open then end with the runtime.
fn run(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else { return serve(stream, shared).await };
                    // A handshake that fails is the client's to report.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, shared).await;
                    }
                });
            }
        };
        tokio::select! { () = accept => {}, _ = stopped => {} }
    });
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    });
    // An error is the end of the connection, as faults ask for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request = Request::from_parts(head, body);
        let (number, fault) = self.remember(&request);
        let fault = fault.unwrap_or_else(|| Fault::on("*", ""));
        tokio::time::sleep(fault.delay).await;
        if fault.held {
            let _ = self.released.subscribe().wait_for(|&released| released).await;
        }
        let passed = match &fault.then {
            Then::Answer { .. } | Then::Close if !fault.passes_on => None,
            _ => Some(self.pass_on(request).await?),
        };
        let answer = match (fault.then, passed) {
            (Then::Answer { status, headers, body }, _) => made_up(status, &headers, body),
            (Then::Rewrite(from, to), Some(answer)) => rewritten(answer, &from, &to),
            (Then::CloseMidway, Some(answer)) => half(answer),
            (Then::Pass, Some(answer)) => answer.map(full),
            (Then::Close, _) | (_, None) => return Err(io::Error::other("a fault ends the connection")),
        };
        if let Some(seen) = self.state.lock().unwrap().seen.iter_mut().find(|seen| seen.number == number) {
            seen.status = Some(answer.status().as_u16());
        }
        Ok(answer)
    }

    /// Its number, and what is to go wrong with it.
    fn remember(&self, request: &Request<Bytes>) -> (u64, Option<Fault>) {
        let method = request.method().as_str();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let number = state.count;
        state.seen.push(Seen {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: request.body().iter().copied().take(REMEMBERED).collect(),
            status: None,
            number,
        });
        self.came.notify_all();
        let chosen = state.faults.iter_mut().position(|fault| fault.takes(method, target));
        (number, chosen.map(|index| state.faults[index].clone()))
    }

    /// By a connection of its own.
    async fn pass_on(&self, mut request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        request.headers_mut().remove(CONNECTION);
        request.headers_mut().remove(TRANSFER_ENCODING); // it is a body of known length now
        let stream = TcpStream::connect(&self.address).await?;
        let answer = match &self.tls {
            Some((tls, name)) => ask(tls.connect(name.clone(), stream).await?, request).await,
            None => ask(stream, request).await,
        };
        answer.map_err(io::Error::other)
    }
}

async fn ask<S>(stream: S, request: Request<Bytes>) -> hyper::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    head.headers.remove(CONNECTION);
    head.headers.remove(TRANSFER_ENCODING);
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

fn made_up(status: u16, headers: &[(String, String)], body: String) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(full(Bytes::from(body))).unwrap()
}

fn rewritten(answer: Response<Bytes>, from: &str, to: &str) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let body = String::from_utf8_lossy(&body).replace(from, to);
    Response::from_parts(head, full(Bytes::from(body)))
}

/// Its head promises more than comes.
fn half(answer: Response<Bytes>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    head.headers.insert(CONTENT_LENGTH, body.len().max(1).into());
    let beginning = Frame::data(body.slice(..body.len() / 2));
    let end = async {
        tokio::task::yield_now().await; // or what comes before it would not be sent
        Err(io::Error::other("a fault ends the connection"))
    };
    let frames = stream::iter([Ok(beginning)]).chain(stream::once(end));
    Response::from_parts(head, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ceph::new_id;
    use super::super::cloud::Cloud;
    use super::*;

    /// A server that says hello to everybody, and counts.
    fn server() -> FaultProxy {
        let server = FaultProxy::before("http://127.0.0.1:1");
        server.fault(Fault::on("*", "").answer(200).header("x-said-by", "the server").body("hello, world"));
        server
    }

    fn ask(method: &str, url: &str) -> Result<Response<ureq::Body>, ureq::Error> {
        let config = ureq::config::Config::builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        config.new_agent().run(Request::builder().method(method).uri(url).body(()).unwrap())
    }

    fn status(method: &str, url: &str) -> u16 {
        ask(method, url).unwrap().status().as_u16()
    }

    fn text(url: &str) -> Result<String, ureq::Error> {
        ask("GET", url).and_then(|mut answer| answer.body_mut().read_to_string())
    }

    #[test]
    fn what_no_fault_is_meant_for_passes_unchanged_and_is_remembered() {
        let server = server();
        let proxy = FaultProxy::before(&format!("{}/v3", server.origin()));
        let mut answer = ask("GET", &format!("{}/x?y=z", proxy.url())).unwrap();
        assert_eq!(answer.headers()["x-said-by"], "the server");
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "hello, world");
        for seen in [proxy.seen(), server.seen()] {
            assert_eq!(
                (seen[0].method.as_str(), seen[0].target.as_str(), seen[0].status),
                ("GET", "/v3/x?y=z", Some(200))
            );
            // Of whom the client asks, not of the server behind.
            assert_eq!(Some(seen[0].header("host").unwrap()), proxy.origin().strip_prefix("http://"));
        }
    }

    #[test]
    fn a_fault_spares_what_it_is_told_to_spare_and_ends_when_it_is_told_to_end() {
        let (server, path) = (server(), "/a/b");
        let proxy = FaultProxy::before(server.origin());
        proxy.fault(Fault::on("DELETE", "/b").after(1).times(2).answer(503));
        let url = format!("{}{path}", proxy.url());
        assert_eq!(status("GET", &url), 200);
        assert_eq!([(); 4].map(|()| status("DELETE", &url)), [200, 503, 503, 200]);
        assert_eq!((proxy.count("DELETE", path), server.count("DELETE", path)), (4, 2));
        proxy.fault(Fault::on("*", "").answer(500));
        assert_eq!(status("GET", &url), 500);
        proxy.mend();
        assert_eq!(status("GET", &url), 200);
        proxy.forget();
        assert_eq!(proxy.count("*", ""), 0);
    }

    #[test]
    fn a_connection_ends_before_and_in_the_middle_of_the_answer() {
        let server = server();
        let proxy = FaultProxy::before(server.origin());
        proxy.fault(Fault::on("GET", "/before").close());
        proxy.fault(Fault::on("GET", "/done").close().passing_on());
        proxy.fault(Fault::on("GET", "/midway").close_midway());
        assert!(ask("GET", &format!("{}/before", proxy.url())).is_err());
        assert!(ask("GET", &format!("{}/done", proxy.url())).is_err());
        assert_eq!((server.count("GET", "/before"), server.count("GET", "/done")), (0, 1));
        assert_eq!(status("GET", &format!("{}/midway", proxy.url())), 200, "the head comes");
        let error = text(&format!("{}/midway", proxy.url())).unwrap_err();
        assert!(!matches!(error, ureq::Error::Timeout(_)), "{error}");
        let statuses: Vec<_> = proxy.seen().iter().map(|seen| seen.status).collect();
        assert_eq!(statuses, [None, None, Some(200), Some(200)]);
    }

    #[test]
    fn what_is_held_goes_on_when_it_is_released() {
        let server = server();
        let proxy = FaultProxy::before(server.origin());
        proxy.fault(Fault::on("GET", "/slow").hold());
        let url = format!("{}/slow", proxy.url());
        std::thread::scope(|scope| {
            let asking = [0, 1].map(|_| scope.spawn(|| status("GET", &url)));
            proxy.wait_for(2, "GET", "/slow");
            for _ in 0..20 {
                assert_eq!(status("GET", &format!("{}/quick", proxy.url())), 200, "others go on");
            }
            assert_eq!((server.count("GET", "/slow"), proxy.seen_of("GET", "/slow")[0].status), (0, None));
            proxy.release();
            assert_eq!(asking.map(|thread| thread.join().unwrap()), [200, 200]);
        });
    }

    #[test]
    fn an_answer_can_be_delayed_and_rewritten() {
        let server = server();
        let proxy = FaultProxy::before(server.origin());
        let delay = Duration::from_millis(200);
        proxy.fault(Fault::on("GET", "").delay(delay).rewrite("world", "everybody in it"));
        let began = std::time::Instant::now();
        assert_eq!(text(&proxy.url()).unwrap(), "hello, everybody in it");
        assert!(began.elapsed() >= delay);
    }

    #[test]
    fn the_certificate_is_of_the_ca_that_it_is_said_to_be_of() {
        let (server, directory) = (server(), tempfile::tempdir().unwrap());
        let (ours, another) = (Authority::new(), Authority::new());
        let proxy = FaultProxy::with_tls(server.origin(), &ours);
        assert!(proxy.url().starts_with("https://127.0.0.1:"));
        let status_with = |authority: &Authority| {
            let ca_file = authority.write(directory.path());
            let client = FaultProxy::start(&proxy.url(), Some(tls::client(&ca_file)), None);
            ask("GET", &client.url()).map(|answer| answer.status().as_u16())
        };
        assert_eq!(status_with(&ours).unwrap(), 200);
        assert!(status_with(&another).is_err());
        assert_eq!(server.count("*", ""), 1);
    }

    #[test]
    fn signed_requests_reach_a_real_server() {
        let Some(cloud) = Cloud::shared() else { return };
        let image = new_id();
        for server in ["moto", "radosgw", "s3api"] {
            let proxy = FaultProxy::before(&cloud.fact(&format!("/{server}/url")));
            let options = json!({"s3_store_host": proxy.url()});
            let uri =
                cloud.text("s3.add", json!({"server": server, "image": image, "size": 6 << 20, "options": options}));
            assert_eq!(uri, format!("s3://{}/glance/{image}", proxy.origin().strip_prefix("http://").unwrap()));
            let parts = proxy.seen_of("PUT", "partNumber=");
            assert_eq!(parts.iter().map(|part| part.status).collect::<Vec<_>>(), [Some(200), Some(200)], "{server}");
            assert_eq!(parts[0].body.len(), REMEMBERED, "{server}");
            assert_eq!(cloud.call("s3.there", json!({"server": server, "key": image})), json!(true));
        }
    }

    #[test]
    fn a_head_tells_the_length_of_what_it_does_not_send() {
        let Some(cloud) = Cloud::shared() else { return };
        let proxy = FaultProxy::before(&cloud.fact("/swift/tempauth"));
        let object = new_id();
        cloud.call("swift.put", json!({"object": object, "user": "test:tester", "container": "open"}));
        let open = json!({"container": "open", "user": "test:tester", "headers": {"X-Container-Read": ".r:*"}});
        cloud.call("swift.make_container", open);
        let url = format!("{}/v1/AUTH_test/open/{object}", proxy.url());
        assert_eq!(ask("HEAD", &url).unwrap().headers()["content-length"], "1000");
    }

    #[test]
    fn vcsim_answers_behind_the_proxy() {
        let Some(cloud) = Cloud::shared() else { return };
        let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
        let ca_file = cloud.fact("/vcsim/ca_file");
        let proxy = FaultProxy::before_https(&cloud.fact("/vcsim/url"), Path::new(&ca_file), &authority);
        let client = FaultProxy::start(&proxy.url(), Some(tls::client(&authority.write(directory.path()))), None);
        assert_eq!(status("GET", &client.url()), 405, "a SOAP service takes POST alone");
        assert_eq!(proxy.seen()[0].target, "/sdk");
    }
}
