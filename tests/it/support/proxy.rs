//! A TCP proxy that can be cut: a network that fails, a server that restarts.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Stands before a server until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    way: Way,
    streams: Vec<TcpStream>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Open,
    /// Connections are taken and dropped.
    Cut,
    /// Nobody listens.
    Gone,
}

impl Proxy {
    pub fn before(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { way: Way::Open, streams: Vec::new() }));
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming() {
                // Not in the match: it would hold the lock to its end, and `connect` wants it.
                let way = shared.lock().unwrap().way;
                match (way, client) {
                    (Way::Open, Ok(client)) => {
                        let _ = connect(client, &server, &shared);
                    }
                    (Way::Cut, _) | (_, Err(_)) => {}
                    (Way::Gone, _) => return,
                }
            }
        });
        Proxy { address, state }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks every connection, and each new one.
    pub fn cut(&self) {
        self.become_(Way::Cut);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.become_(Way::Open);
    }

    /// Breaks every connection and refuses new ones, for good.
    pub fn vanish(&self) {
        self.become_(Way::Gone);
        // Its thread waits for a connection; the next one finds nobody.
        let _ = TcpStream::connect(self.address);
    }

    fn become_(&self, way: Way) {
        let mut state = self.state.lock().unwrap();
        state.way = way;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.vanish();
    }
}

fn connect(client: TcpStream, server: &str, shared: &Mutex<State>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let mut state = shared.lock().unwrap();
    // Cut while we connected.
    if state.way != Way::Open {
        return Ok(());
    }
    state.streams.extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
