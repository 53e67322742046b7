//! Metrics and status over HTTP, for whoever may reach `[scrubber] listen`.
//!
//! Promises: the address is bound when [`serve`] returns. A thread of its own answers, with a bound on connections, on the
//! size of a request and on the time of each, and reads copies: no request holds up a cycle. Nothing can be changed
//! from here, nothing secret is known here, and no page asks another host for anything. It fails at the start with a
//! [`ServeError`]; afterwards a connection that fails fails alone.
//! Rejected: the daemon's own runtime (a flood of requests would take its threads), and keeping connections open (one
//! request in a quarter of a minute does not need it, and idle ones would have to be told from stuck ones).

mod page;
mod socket;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::socket::Listener;
use super::status::Status;
use crate::config::Listen;

/// Connections at once: a few scrapers, probes and people. The others wait in the system's queue.
const CONNECTIONS: usize = 32;

/// A request's head; the smallest that hyper takes.
const HEAD_BYTES: usize = 8 * 1024;

/// Until a request's head is there.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// From a connection's begin to its end, however slowly the other side reads.
const WHOLE_TIME: Duration = Duration::from_secs(30);

/// Before the next try, where no connection can be accepted (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else does.
    #[error("{0} is in use by another process; see [scrubber] listen")]
    InUse(Listen),
    /// Something stands where the socket should be.
    #[error("{} is there and is no socket; remove it, or change [scrubber] listen", .0.display())]
    NotASocket(PathBuf),
    /// Anything else.
    #[error("cannot listen on {listen}: {source}; see [scrubber] listen")]
    Io {
        /// The address.
        listen: Listen,
        /// Why.
        source: io::Error,
    },
}

/// A server at work. Dropping it ends it and removes its socket.
#[derive(Debug)]
pub struct ServerHandle {
    listen: Listen,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl ServerHandle {
    /// Where it really listens: with the port that the system chose for port 0.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It panicked or it ended; both are the end of it.
            let _ = thread.join();
        }
    }
}

/// Binds `listen` and answers there with what `status` knows, until the handle is dropped.
///
/// # Errors
/// The address is in use, or cannot be had.
pub fn serve(listen: &Listen, status: Arc<Status>) -> Result<ServerHandle, ServeError> {
    let io_error = |source| ServeError::Io { listen: listen.clone(), source };
    let listener = Listener::bind(listen)?;
    let bound = listener.listen().map_err(io_error)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io_error)?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let thread = std::thread::Builder::new()
        .name("status".to_owned())
        .spawn(move || runtime.block_on(run(listener, router(status), stopped)))
        .map_err(io_error)?;
    Ok(ServerHandle { listen: bound, stop, thread: Some(thread) })
}

async fn run(listener: Listener, router: Router, stop: CancellationToken) {
    let accept = async {
        let (listener, _socket) = match listener.into_tokio() {
            Ok(listener) => listener,
            Err(error) => return tracing::error!("The status pages cannot be served: {error}"),
        };
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // Closed never happens: nobody closes it.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok(socket::Stream::Tcp(stream)) => answer(stream, router.clone(), place),
                Ok(socket::Stream::Unix(stream)) => answer(stream, router.clone(), place),
                Err(error) => {
                    tracing::debug!("A connection to the status pages could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    // Connections under way end with the runtime; none of them is worth waiting for.
    stop.run_until_cancelled(accept).await;
}

fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router, place: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::spawn(async move {
        // What goes wrong with one connection is the other side's to notice.
        let _ = tokio::time::timeout(WHOLE_TIME, connection).await;
        drop(place);
    });
}

fn router(status: Arc<Status>) -> Router {
    Router::new()
        .route("/", get(html))
        .route("/style.css", get(style))
        .route("/metrics", get(metrics))
        .route("/status", get(json))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(map_response(strict))
        .with_state(status)
}

type Shared = State<Arc<Status>>;

async fn html(State(status): Shared) -> Response {
    typed("text/html; charset=utf-8", page::render(&status.snapshot()))
}

async fn style() -> Response {
    typed("text/css; charset=utf-8", page::STYLE.to_owned())
}

async fn metrics(State(status): Shared) -> Response {
    match status.metrics() {
        Some(text) => typed("text/plain; version=0.0.4; charset=utf-8", text),
        None => (StatusCode::NOT_FOUND, "no metrics are kept\n").into_response(),
    }
}

async fn json(State(status): Shared) -> Response {
    typed("application/json", format!("{}\n", status.to_json()))
}

/// Whether the loop shows life. Waiting for a database is life: starting the daemon anew would not help.
async fn healthz(State(status): Shared) -> Response {
    match status.silence() {
        None => "alive\n".into_response(),
        Some(silence) => {
            let words = format!("no sign of life for {} s\n", silence.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

/// Whether it can work: the configuration was read and the database answers.
async fn readyz(State(status): Shared) -> Response {
    match status.not_ready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

fn typed(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// On every answer, errors too: nothing is kept, framed, guessed at, or loaded from elsewhere.
async fn strict(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
