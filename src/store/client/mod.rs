//! The HTTP client of all stores that speak HTTP.
//!
//! Promises: an order ends within its deadline, with an answer or with a [`Trouble`] that says what to do; what may come
//! twice is repeated where the server asks for it or the connection broke; a request that takes something away is sent
//! only while its claims last, which is asked before each attempt; nobody is followed to another address, as the
//! credentials would go along; and no credential is ever shown. One client a store: connections, trust and the pace that
//! a server asks for are not shared with other stores.
//!
//! Rejected: a layer of retries around reqwest (`reqwest-middleware`): it knows nothing of claims, and would send again
//! what a restore has waited for.

mod gate;
mod order;
mod patience;
mod reply;
mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use tokio::sync::OnceCell;
use tokio::time::Instant;

pub(in crate::store) use order::Order;
pub(in crate::store) use reply::{Reply, shown};
pub(in crate::store) use trouble::Trouble;

use gate::Gate;
use patience::{Event, Patience};

/// No connection is waited for longer; a server that is there accepts at once.
const CONNECTING: Duration = Duration::from_secs(10);

/// A connection that was not used for so long is not used again: servers and load balancers close them after a minute,
/// and a request that meets just that has to be sent twice.
const IDLE: Duration = Duration::from_secs(20);

/// Whom to trust.
#[derive(Debug, Clone)]
pub(in crate::store) struct Trust {
    /// Certificate authorities in a PEM file, which then are the only ones. `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificates are not looked at.
    pub insecure: bool,
    /// The option that names `ca_file`, for errors.
    pub ca_option: &'static str,
}

/// Sends [`Order`]s.
pub(in crate::store) struct Client {
    trust: Trust,
    deadline: Duration,
    gate: Gate,
    /// Made by the first order: a CA file that cannot be read is the trouble of this store's locations alone, and of
    /// the next order no more once it can.
    inner: OnceCell<reqwest::Client>,
}

impl Client {
    /// `deadline` is that of one order: until the head of the answer, repeats included, and then for each silence within
    /// the body. Contacts nobody and opens no file.
    pub(in crate::store) fn new(trust: Trust, deadline: Duration) -> Self {
        Self { trust, deadline, gate: Gate::default(), inner: OnceCell::new() }
    }

    /// See [`Self::new`].
    pub(in crate::store) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Sends an order, again if that may help. Any status but a redirect to somewhere is a reply.
    ///
    /// # Errors
    /// What kept us from an answer. Where the request was sent, it may have had its effect.
    pub(in crate::store) async fn send(&self, order: &Order<'_>) -> Result<Reply, Trouble> {
        let client = self.inner.get_or_try_init(|| self.build()).await?;
        let mut patience = Patience::new(self.deadline, order.may_repeat());
        loop {
            let end = patience.end();
            if !self.gate.pass(end).await {
                return Err(Trouble::Throttled { host: order.host() });
            }
            order.allowed()?;
            let begun = Instant::now();
            let tried = self.attempt(client, order, end).await;
            order.log(&tried, begun.elapsed());
            let event = match &tried {
                Ok(reply) => Event::Status { status: reply.status, wait: reply.retry_after() },
                Err(trouble) => Event::of(trouble),
            };
            match &event {
                Event::Status { wait, .. } if event.is_throttle() => self.gate.narrow(*wait),
                Event::Status { status, .. } if status.is_success() => self.gate.widen(),
                _ => {}
            }
            match patience.after(&event) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return tried,
            }
        }
    }

    /// Takes note that the server asked for fewer requests in a body that carried another status (S3's `SlowDown` of
    /// single keys). `wait`: how long it asked us to wait.
    pub(in crate::store) fn slow_down(&self, wait: Option<Duration>) {
        self.gate.narrow(wait);
    }

    async fn attempt(&self, client: &reqwest::Client, order: &Order<'_>, end: Instant) -> Result<Reply, Trouble> {
        let host = order.host();
        let sending = tokio::time::timeout_at(end, client.execute(order.request()));
        let response = match sending.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Trouble::of(host, error, &self.trust)),
            Err(_) => return Err(Trouble::Silent { host, limit: self.deadline }),
        };
        // One that names no address is an answer like any other: Amazon's, for a bucket in another region.
        if response.status().is_redirection() && response.headers().contains_key(LOCATION) {
            return Err(Trouble::redirected(&order.url, &response));
        }
        Reply::read(response, &order.url, self.deadline, || order.lasts()).await
    }

    async fn build(&self) -> Result<reqwest::Client, Trouble> {
        // Fails where there is one already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECTING.min(self.deadline))
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(Duration::from_secs(30))
            .user_agent(concat!("glance-scrubber/", env!("CARGO_PKG_VERSION")))
            .tls_danger_accept_invalid_certs(self.trust.insecure);
        // With both, glance_store's libraries do not look at certificates at all.
        if let Some(path) = self.trust.ca_file.as_ref().filter(|_| !self.trust.insecure) {
            let wrong = |why: String| Trouble::Trust { option: self.trust.ca_option, path: path.clone(), why };
            let pem = tokio::fs::read(path).await.map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            if certificates.is_empty() {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder.build().map_err(|error| Trouble::Setup(trouble::innermost(&error)))
    }
}

#[cfg(test)]
mod tests;
