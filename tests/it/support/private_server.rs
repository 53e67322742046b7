//! A MariaDB or PostgreSQL of a test's own, which it may stop and start. The servers that `tests/all` starts are shared.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::eventually;
use super::servers::Engine;

/// Goes with the value, or at the latest with the test's thread. Not durable, as in `tests/servers/databases.sh`.
pub struct PrivateServer {
    pub engine: Engine,
    port: u16,
    process: Option<Child>,
    directory: TempDir,
}

impl PrivateServer {
    /// Makes one, not started yet. None where the engine is not at hand.
    pub fn new(engine: Engine) -> Option<PrivateServer> {
        engine.admin_url()?;
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = PrivateServer { engine, port, process: None, directory };
        if rustix::process::geteuid().is_root() {
            succeed(Command::new("chown").arg(user(engine)).arg(server.directory.path()));
        }
        let (data, directory) = (server.data(), server.directory.path().display().to_string());
        succeed(&mut match engine {
            Engine::Mariadb => {
                let mut command = server.command("mariadb-install-db");
                command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                // A MariaDB that starts clears its temporary directory of the others' tables: each has one of its own.
                command.arg(format!("--datadir={data}")).arg(format!("--tmpdir={directory}"));
                command
            }
            _ => {
                let mut command = server.command(&bin("initdb"));
                command.args(["-U", "scrubber", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
                command.arg("-D").arg(&data);
                command
            }
        });
        Some(server)
    }

    /// SQLAlchemy URL of an administrator, ending in `/`.
    pub fn admin_url(&self) -> String {
        match self.engine {
            Engine::Mariadb => format!("mysql+pymysql://root@127.0.0.1:{}/", self.port),
            _ => format!("postgresql+psycopg2://scrubber@127.0.0.1:{}/", self.port),
        }
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        let (data, port) = (self.data(), self.port);
        let directory = self.directory.path().display().to_string();
        let mut command = match self.engine {
            Engine::Mariadb => {
                let init = self.directory.path().join("init.sql");
                let grants = "CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1';";
                std::fs::write(&init, grants).unwrap();
                let mut command = self.command("/usr/sbin/mariadbd");
                command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
                command.args(["--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--performance-schema=OFF"]);
                command.args(["--character-set-server=utf8mb3", "--innodb-buffer-pool-size=32M"]);
                command.arg(format!("--datadir={data}")).arg(format!("--socket={directory}/socket"));
                command.arg(format!("--port={port}")).arg(format!("--init-file={}", init.display()));
                command.arg(format!("--tmpdir={directory}"));
                command
            }
            _ => {
                let mut command = self.command(&bin("postgres"));
                command.args(["-D", &data, "-p", &port.to_string(), "-k", &directory]);
                command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
                command
            }
        };
        self.process = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually("the server to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        eventually("the server to answer", || self.ask().then_some(()));
    }

    /// Shuts it down as an administrator would: connections are ended.
    pub fn stop(&mut self) {
        let signal = if self.engine == Engine::Mariadb { Signal::TERM } else { Signal::INT };
        self.end(signal);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            let _ = kill_process(Pid::from_child(&process), signal);
            let _ = process.wait();
        }
    }

    /// Feeds a file of SQL to PostgreSQL's own client, which knows what stands in a dump.
    pub fn feed(&self, database: &str, file: &Path) {
        let mut command = Command::new(bin("psql"));
        command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "scrubber"]);
        command.args(["-p", &self.port.to_string(), "-d", database, "-f"]).arg(file);
        succeed(command.env_remove("PGPASSWORD"));
    }

    fn ask(&self) -> bool {
        let mut command = match self.engine {
            Engine::Mariadb => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-u", "root", "-e", "SELECT 1"]);
                command.arg(format!("--port={}", self.port));
                command
            }
            _ => {
                let mut command = Command::new(bin("psql"));
                command.args(["-h", "127.0.0.1", "-U", "scrubber", "-d", "postgres", "-c", "SELECT 1"]);
                command.args(["-p", &self.port.to_string()]);
                command
            }
        };
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    /// As the engine's user where we are root, and ended by the kernel with our thread.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            let user = user(self.engine);
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "setpriv"]);
        }
        command.args(["--pdeathsig", "KILL", program]).current_dir(self.directory.path());
        command
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // QUIT takes PostgreSQL's children along.
        self.end(if self.engine == Engine::Mariadb { Signal::KILL } else { Signal::QUIT });
    }
}

fn user(engine: Engine) -> &'static str {
    if engine == Engine::Mariadb { "mysql" } else { "postgres" }
}

/// One of PostgreSQL's programs, of the newest version.
fn bin(program: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    let newest = versions.max().expect("a PostgreSQL");
    newest.join("bin").join(program).display().to_string()
}

fn succeed(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
