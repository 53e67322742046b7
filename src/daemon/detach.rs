//! Going into the background, before there is a runtime or any thread.
//!
//! Promises: whoever typed the command hears how the start went: the process that he waits for ends when the daemon
//! says that it is ready, or with the daemon's exit code and words when it fails before. The working directory stays, as
//! paths in the configuration may be relative to it; standard input, output and error become /dev/null.
//! Rejected: ending at once after the fork, as daemons used to, which reports success to a script whatever follows.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

use daemonize::{Daemonize, Outcome};

use crate::exit::Exit;

/// Which process this is after the fork.
pub(crate) enum Side {
    /// The one that was started; all that is left for it is to end like this, after saying this.
    Terminal(u8, String),
    /// The daemon.
    Daemon(Announcer),
}

/// The daemon's way to the process that somebody waits for. Nobody, where it was not detached.
#[derive(Debug, Default)]
pub(crate) struct Announcer(Option<PipeWriter>);

impl Announcer {
    /// The start is over, and went well.
    pub(crate) fn ready(&mut self) {
        if let Some(mut pipe) = self.0.take() {
            // The terminal may have gone; then nobody waits.
            let _ = pipe.write_all(&[Exit::Clean.code()]);
        }
    }

    /// The start is over, and failed. Does nothing after [`Self::ready`].
    pub(crate) fn failed(&mut self, exit: Exit, words: &str) {
        if let Some(mut pipe) = self.0.take() {
            let _ = pipe.write_all(&[exit.code()]).and_then(|()| pipe.write_all(words.as_bytes()));
            // Closed by the end of this process, for which the other one waits: whoever starts a daemon again then must
            // not meet the lock of this one.
            std::mem::forget(pipe);
        }
    }
}

/// Forks twice, so that the daemon has no terminal and cannot get one.
///
/// # Errors
/// The system's, in words; nothing was started.
pub(crate) fn detach() -> Result<Side, String> {
    let (reader, writer) = io::pipe().map_err(|error| format!("cannot detach: {error}"))?;
    let here = std::env::current_dir().map_err(|error| format!("cannot detach: the working directory: {error}"))?;
    match Daemonize::new().working_directory(here).umask(0o027).execute() {
        Outcome::Parent(Ok(_)) => {
            // Else the pipe would never end.
            drop(writer);
            Ok(wait(reader))
        }
        Outcome::Child(Ok(_)) => {
            drop(reader);
            Ok(Side::Daemon(Announcer(Some(writer))))
        }
        Outcome::Parent(Err(error)) | Outcome::Child(Err(error)) => Err(format!("cannot detach: {error}")),
    }
}

fn wait(mut reader: PipeReader) -> Side {
    let mut said = Vec::new();
    let read = reader.read_to_end(&mut said);
    match (read, said.split_first()) {
        (Ok(_), Some((code, words))) => Side::Terminal(*code, String::from_utf8_lossy(words).into_owned()),
        _ => Side::Terminal(Exit::Unexpected.code(), "the daemon ended before it was ready; see its log".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(speak: impl FnOnce(&mut Announcer)) -> (u8, String) {
        let (reader, writer) = io::pipe().unwrap();
        speak(&mut Announcer(Some(writer)));
        match wait(reader) {
            Side::Terminal(code, words) => (code, words),
            Side::Daemon(_) => unreachable!("waiting is for the terminal's side"),
        }
    }

    #[test]
    fn the_terminal_hears_how_the_start_went() {
        assert_eq!(heard(Announcer::ready), (0, String::new()));
        assert_eq!(heard(|_| ()).0, Exit::Unexpected.code(), "a daemon that dies says nothing");
    }
}
