//! What goes wrong, with which requests, how often.

use std::time::Duration;

/// A fault for requests of a method (`*` is any) whose path and query contain a text. It goes on until it is mended, and
/// unless it says otherwise, the request reaches the server and its answer the client.
#[derive(Debug, Clone)]
pub struct Fault {
    method: String,
    part: String,
    spared: usize,
    left: Option<usize>,
    pub(super) delay: Duration,
    pub(super) held: bool,
    pub(super) passes_on: bool,
    pub(super) then: Then,
}

/// What the client gets.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// The server's answer.
    Pass,
    /// The server's answer, with a text in its body in place of another.
    Rewrite(String, String),
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The end of the connection.
    Close,
    /// The head of the server's answer and half of its body, then the end of the connection.
    CloseMidway,
}

impl Fault {
    pub fn on(method: &str, part: &str) -> Fault {
        Fault {
            method: method.to_owned(),
            part: part.to_owned(),
            spared: 0,
            left: None,
            delay: Duration::ZERO,
            held: false,
            passes_on: false,
            then: Then::Pass,
        }
    }

    /// Only the first so many of them.
    pub fn times(self, times: usize) -> Fault {
        Fault { left: Some(times), ..self }
    }

    /// Not the first so many of them.
    pub fn after(self, spared: usize) -> Fault {
        Fault { spared, ..self }
    }

    /// Waits before anything else.
    pub fn delay(self, delay: Duration) -> Fault {
        Fault { delay, ..self }
    }

    /// Waits for [`super::FaultProxy::release`] before anything else.
    pub fn hold(self) -> Fault {
        Fault { held: true, ..self }
    }

    /// The proxy answers, and the server hears nothing.
    pub fn answer(self, status: u16) -> Fault {
        Fault { then: Then::Answer { status, headers: Vec::new(), body: String::new() }, ..self }
    }

    /// Of what [`Fault::answer`] says.
    pub fn header(mut self, name: &str, value: &str) -> Fault {
        let Then::Answer { headers, .. } = &mut self.then else { panic!("answer(...) comes first") };
        headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Of what [`Fault::answer`] says.
    pub fn body(mut self, text: &str) -> Fault {
        let Then::Answer { body, .. } = &mut self.then else { panic!("answer(...) comes first") };
        text.clone_into(body);
        self
    }

    /// Ends the connection instead of answering; the server hears nothing.
    pub fn close(self) -> Fault {
        Fault { then: Then::Close, ..self }
    }

    /// Ends the connection in the middle of the server's answer.
    pub fn close_midway(self) -> Fault {
        Fault { then: Then::CloseMidway, ..self }
    }

    /// The server's answer, with `to` for `from` in its body.
    pub fn rewrite(self, from: &str, to: &str) -> Fault {
        Fault { then: Then::Rewrite(from.to_owned(), to.to_owned()), ..self }
    }

    /// With [`Fault::answer`] and [`Fault::close`]: only after the server has done what it was asked.
    pub fn passing_on(self) -> Fault {
        Fault { passes_on: true, ..self }
    }

    /// Whether a request is one of them, and its turn; to be asked once for each request.
    pub(super) fn takes(&mut self, method: &str, target: &str) -> bool {
        if !matches(&self.method, &self.part, method, target) {
            return false;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

pub(super) fn matches(wanted: &str, part: &str, method: &str, target: &str) -> bool {
    (wanted == "*" || wanted == method) && target.contains(part)
}
