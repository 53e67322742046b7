//! An HTTP server with one file, for locations of Glance's `http` store, that remembers what was asked of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Web {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves `body` under every path, until the process ends.
    pub fn serving(body: Vec<u8>) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let _ = answer(connection.unwrap(), &body, &seen); // a client that went away is no concern of ours
            }
        });
        Web { address, requests }
    }

    /// A location on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The request lines so far, such as `GET /a HTTP/1.1`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(mut connection: TcpStream, body: &[u8], seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
    seen.lock().unwrap().push(request.clone());
    write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    if !request.starts_with("HEAD ") {
        connection.write_all(body)?;
    }
    Ok(())
}
