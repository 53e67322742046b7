//! Against a listener that plays a vSphere server.

use std::sync::Mutex as Lock;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::soap::Reference;
use super::*;
use crate::claim::{Lease, Moment};
use crate::store::client::Trust;

const CONTENT: &str = "<returnval><searchIndex type=\"SearchIndex\">s</searchIndex><fileManager type=\"FileManager\">f\
                       </fileManager><propertyCollector type=\"PropertyCollector\">p</propertyCollector>\
                       <sessionManager type=\"SessionManager\">m</sessionManager></returnval>";

/// The calls that came, by name.
#[derive(Default)]
struct Fake(Lock<Vec<String>>);

impl Fake {
    async fn start() -> (Arc<Self>, Session) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sdk", listener.local_addr().unwrap()).parse().unwrap();
        let fake = Arc::new(Self::default());
        let serving = Arc::clone(&fake);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"</Envelope>") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                let answer = serving.answer(&String::from_utf8_lossy(&request));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let trust = Trust { ca_file: None, insecure: false, ca_option: "vmware_ca_file" };
        let client = Client::new(trust, Duration::from_secs(20));
        (fake, Session::new(client, url, "user".to_owned(), SecretString::from("hidden")))
    }

    fn answer(&self, request: &str) -> String {
        let name = request.split("<Body><").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let inner = if name == "RetrieveServiceContent" { CONTENT } else { "" };
        let body = format!("<Envelope><Body><{name}Response>{inner}</{name}Response></Body></Envelope>");
        self.0.lock().unwrap().push(name);
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nSet-Cookie: vmware_soap_session=\"it\"; Path=/; HttpOnly\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }

    fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn delete(content: &Content) -> String {
    soap::delete_file(&content.file_manager, "[ds] /a/b", &Reference::new("Datacenter", "d"))
}

#[tokio::test]
async fn nothing_is_taken_away_without_a_claim_that_lasts() {
    let (fake, session) = Fake::start().await;
    let lapsed = Tenure::of(Lease::since(Moment::now(), Duration::from_secs(1)), Duration::from_secs(60));
    let answer = session.call(delete, &[lapsed]).await.unwrap_err();
    assert_eq!(answer.outcome, Outcome::Unavailable);
    assert_eq!(fake.calls(), ["RetrieveServiceContent", "Login"]);
    let lasting = Tenure::of(Lease::since(Moment::now(), Duration::from_secs(90)), Duration::from_secs(60));
    assert!(session.call(delete, &[lasting]).await.unwrap().is_ok());
    assert_eq!(fake.calls().last().map(String::as_str), Some("DeleteDatastoreFile_Task"));
}

#[tokio::test]
async fn one_login_serves_everybody() {
    let (fake, session) = Fake::start().await;
    let answers = futures::future::join_all((0..8).map(|_| session.call(delete, &[]))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Ok(_)))));
    assert_eq!(fake.calls().iter().filter(|name| *name == "Login").count(), 1);
}
