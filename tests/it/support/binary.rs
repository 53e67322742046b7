//! The real program, run as a user would, but with nothing of this machine's environment.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than anything here takes on a loaded machine, shorter than a builder's patience.
const LIMIT: Duration = Duration::from_secs(60);

/// A command line in the making.
pub struct Scrubber {
    command: Command,
    home: TempDir,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A run that goes on; killed when dropped.
pub struct Running {
    pid: Pid,
    ended: Receiver<ExitStatus>,
    /// Once it has ended, and somebody has asked.
    status: Option<ExitStatus>,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
    _home: TempDir,
}

impl Scrubber {
    /// `glance-scrubber`, as built with these tests, or the one that `SCRUBBER_TEST_BINARY` names.
    pub fn new() -> Scrubber {
        let built = env!("CARGO_BIN_EXE_glance-scrubber");
        Scrubber::at(&std::env::var_os("SCRUBBER_TEST_BINARY").unwrap_or_else(|| built.into()))
    }

    /// The program as `"$0" "$@"` of a shell script.
    pub fn within(script: &str) -> Scrubber {
        let built = env!("CARGO_BIN_EXE_glance-scrubber");
        let program = std::env::var_os("SCRUBBER_TEST_BINARY").unwrap_or_else(|| built.into());
        Scrubber::at(OsStr::new("/bin/sh")).arg("-c").arg(script).arg(program)
    }

    /// The program as a user to whom file modes apply: nobody, where root runs the tests.
    pub fn unprivileged() -> Scrubber {
        if !rustix::process::geteuid().is_root() {
            return Scrubber::new();
        }
        // The builder's directories may be closed to others, so nobody gets a program of its own.
        let mut nobodys = Scrubber::new();
        let program = nobodys.home.path().join("glance-scrubber");
        std::fs::copy(nobodys.command.get_program(), &program).unwrap();
        std::fs::set_permissions(nobodys.home.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir("/").env("HOME", nobodys.home.path()).uid(65534).gid(65534);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        nobodys.command = command;
        nobodys
    }

    fn at(program: &OsStr) -> Scrubber {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.env_clear().current_dir(home.path()).env("HOME", home.path());
        command.env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Scrubber { command, home }
    }

    pub fn config_file(self, file: &Path) -> Scrubber {
        self.arg("--config-file").arg(file)
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Scrubber {
        self.command.arg(argument);
        self
    }

    pub fn args(self, arguments: &[&str]) -> Scrubber {
        arguments.iter().fold(self, Scrubber::arg)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Scrubber {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().wait()
    }

    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("{:?}: {e}", self.command.get_program()));
        let stdout = Stream::collecting(child.stdout.take().unwrap());
        let stderr = Stream::collecting(child.stderr.take().unwrap());
        let pid = Pid::from_child(&child);
        Running { pid, ended: wait_beside(child), status: None, stdout, stderr, _home: self.home }
    }
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        self.try_signal(signal).unwrap();
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it has said so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// An error where it has ended already.
    pub fn try_signal(&self, signal: Signal) -> rustix::io::Result<()> {
        kill_process(self.pid, signal)
    }

    /// Returns as soon as `text` stands in stderr.
    pub fn until_stderr(&self, text: &str) {
        self.stderr.until(|so_far, _| so_far.contains(text)).unwrap_or_else(|so_far| {
            panic!("{text:?} did not come in {LIMIT:?}; stderr:\n{so_far}");
        });
    }

    /// Whether it is stopped, as by SIGSTOP.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // After the name, which may have anything in it.
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Whether it ends by itself in so much time.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        self.status_within(time).is_some()
    }

    fn status_within(&mut self, time: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.recv_timeout(time).ok();
        }
        self.status
    }

    /// Waits for the end.
    pub fn wait(self) -> Finished {
        self.wait_up_to(LIMIT)
    }

    /// Waits for the end of a run that may well take longer than others.
    pub fn wait_up_to(mut self, limit: Duration) -> Finished {
        let Some(status) = self.status_within(limit) else {
            let (stdout, stderr) = (self.stdout.so_far(), self.stderr.so_far());
            panic!("still running after {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        };
        let whole =
            |stream: &Stream| stream.until(|_, ended| ended).expect("a child of the program holds its output open");
        let (stdout, stderr) = (whole(&self.stdout), whole(&self.stderr));
        Finished { code: status.code(), signal: status.signal(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ends_within(Duration::ZERO) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl Finished {
    /// Panics with everything it said unless it ended with `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Finished {
        assert_eq!(self.code, Some(code), "exit code; signal {:?}\n{}", self.signal, self.output());
        self
    }

    /// Both streams, for messages and for looking for what must not be there.
    pub fn output(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
    }
}

/// Waits for `child` on a thread, so that we can wait with a limit.
fn wait_beside(mut child: Child) -> Receiver<ExitStatus> {
    let (ended, receiver) = channel();
    std::thread::spawn(move || ended.send(child.wait().unwrap()));
    receiver
}

/// What came through a pipe so far, and whether it has ended.
struct Stream {
    state: Mutex<(Vec<u8>, bool)>,
    grown: Condvar,
}

impl Stream {
    fn collecting(mut pipe: impl Read + Send + 'static) -> Arc<Stream> {
        let stream = Arc::new(Stream { state: Mutex::default(), grown: Condvar::new() });
        let filled = Arc::clone(&stream);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut state = filled.state.lock().unwrap();
                state.0.extend_from_slice(&buffer[..count]);
                state.1 = count == 0;
                filled.grown.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        stream
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.state.lock().unwrap().0).into_owned()
    }

    /// The text once `enough(text, ended)`; as error when that does not come in time.
    fn until(&self, enough: impl Fn(&str, bool) -> bool) -> Result<String, String> {
        let missing = |state: &mut (Vec<u8>, bool)| !enough(&String::from_utf8_lossy(&state.0), state.1);
        let (state, waited) = self.grown.wait_timeout_while(self.state.lock().unwrap(), LIMIT, missing).unwrap();
        let text = String::from_utf8_lossy(&state.0).into_owned();
        if waited.timed_out() { Err(text) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Scrubber {
        Scrubber::at(OsStr::new("/bin/sh")).arg("-c").arg(script)
    }

    #[test]
    fn a_run_tells_both_streams_and_the_exit_code() {
        let finished = shell("echo out; echo $WORD >&2; exit 3").env("WORD", "err").run().expect_code(3);
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn nothing_of_our_environment_gets_through() {
        let finished = shell("env").run().expect_code(0);
        assert!(!finished.stdout.contains("CARGO"), "{}", finished.stdout);
    }

    #[test]
    fn a_run_can_be_signalled_once_it_says_that_it_is_ready() {
        let running = shell("trap 'exit 7' USR1; echo ready >&2; while :; do sleep 0.01; done").start();
        running.until_stderr("ready");
        running.signal(Signal::USR1);
        running.wait().expect_code(7);
    }

    #[test]
    fn a_dropped_run_is_killed() {
        let running = shell("echo ready >&2; exec sleep 1000").start();
        running.until_stderr("ready");
        let stderr = Arc::clone(&running.stderr);
        drop(running);
        stderr.until(|_, ended| ended).expect("it still holds its stderr open");
    }
}
