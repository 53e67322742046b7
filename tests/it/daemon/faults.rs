//! A daemon in trouble: signals in the midst of its work, databases and stores that go away, disks that are full.

use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use super::*;
use crate::faults::{AHEAD, MANY, MOST_UNRECORDED, State, assert_finishes, held_by, servers, site_with};
use crate::support::ceph::{Ceph, Kept, new_id};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::servers::engines_at_hand;

#[test]
fn a_signal_in_the_midst_of_deletes_is_answered_by_finishing_what_is_in_hand() {
    for engine in servers() {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_by(&site, || daemon(&site, "").start());
        running.signal(Signal::TERM);
        running.until_stderr("Stopping: what is in hand is finished and recorded");
        lock.execute("COMMIT");
        let run = running.wait().expect_code(0);
        let state = State::of(&site);
        assert_eq!(state.unrecorded(MANY), 0, "{engine:?}: {}", run.stderr);
        assert!(state.files > 0, "{engine:?}: it was not interrupted, so this test shows nothing");
        assert_finishes(&site, MANY, 0);
    }
}

#[test]
fn what_cannot_be_finished_in_time_is_abandoned_aloud() {
    for engine in servers().take(1) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_by(&site, || daemon(&site, "[scrubber]\nshutdown_grace = 1").start());
        running.signal(Signal::TERM);
        let run = running.wait().expect_code(143);
        lock.execute("ROLLBACK");
        assert!(run.stderr.contains("Stopped with work in hand, which the next cycle takes up:"), "{}", run.stderr);
        assert!(run.stderr.contains("store file: "), "{}", run.stderr);
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{unrecorded} unrecorded");
        assert_finishes(&site, MANY, unrecorded);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for engine in servers().take(1) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_by(&site, || daemon(&site, "[scrubber]\nshutdown_grace = 3600").start());
        running.signal(Signal::TERM);
        running.until_stderr("Stopping: ");
        running.signal(Signal::INT);
        running.wait().expect_code(130);
        lock.execute("ROLLBACK");
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert_finishes(&site, MANY, unrecorded);
    }
}

#[test]
fn a_reload_in_the_midst_of_a_cycle_counts_for_the_next_one() {
    for engine in servers().take(1) {
        let (site, manager) = (site_with(engine, MANY), Manager::new());
        let (running, mut lock) = held_by(&site, || manager.start(&site, "[DEFAULT]\nwakeup_time = 3600"));
        site.config("[DEFAULT]\nscrub_time = 86400000\nwakeup_time = 1");
        running.signal(Signal::HUP);
        running.until_stderr("Configuration reloaded: wakeup_time=1");
        lock.execute("COMMIT");
        // The cycle goes on by what was planned.
        eventually("the whole cycle", || (State::of(&site).deleted() == MANY).then_some(()));
        let report = manager.until("STATUS=Idle");
        assert!(report.contains("3000 locations"), "{report}");
        add_due(&site, "later");
        for _ in 0..2 {
            manager.until("STATUS=Idle");
        }
        assert!(site.has("later"), "by the new config it is not due");
        running.signal(Signal::TERM);
        running.wait().expect_code(0);
    }
}

/// With the real servers of all other tests behind a proxy that plays the restart.
#[test]
fn a_database_that_goes_away_and_comes_back_is_waited_for() {
    for engine in servers() {
        let (site, manager) = (site_on(engine), Manager::new());
        let host = site.database.url().split(['@', '/']).nth(3).unwrap();
        let proxy = Proxy::before(host);
        let url = site.database.url().replace(host, &proxy.address());
        let config = format!(
            "[DEFAULT]\nwakeup_time = 1\n[database]\nconnection = {url}\n[scrubber]\ndatabase_patience = 1\n\
             database_deadline = 2\nlisten = unix:{{dir}}/status.sock"
        );
        proxy.cut();
        let running = manager.start(&site, &config);
        // Down at the start already.
        running.until_stderr("Waiting for the database: ");
        let ask = |path: &str| get(&site.directory.path().join("status.sock"), path);
        eventually("readyz to say so", || ask("/readyz").starts_with("HTTP/1.1 503").then_some(()));
        assert!(ask("/healthz").starts_with("HTTP/1.1 200"), "it lives");
        add_due(&site, "first");
        proxy.mend();
        running.until_stderr("The database answers again");
        eventually("the first cycle", || is_gone(&site, "first"));
        proxy.cut();
        manager.until("STATUS=Waiting for the database since");
        add_due(&site, "second");
        proxy.mend();
        eventually("the cycle after it came back", || is_gone(&site, "second"));
        eventually("readyz", || ask("/readyz").starts_with("HTTP/1.1 200").then_some(()));
        running.signal(Signal::TERM);
        let run = running.wait().expect_code(0);
        let password = site.database.url().split([':', '@']).nth(2).unwrap();
        assert!(!run.output().contains(password), "{engine:?}");
    }
}

#[test]
fn a_database_that_refuses_us_ends_the_start() {
    for engine in servers() {
        let site = site_on(engine);
        let password = site.database.url().split([':', '@']).nth(2).unwrap();
        let url = site.database.url().replace(password, "wrong");
        let run = daemon(&site, &format!("[database]\nconnection = {url}")).run().expect_code(6);
        assert!(run.stderr.contains("the database refused the login"), "{}", run.output());
    }
}

#[test]
fn a_full_disk_under_the_audit_log_stops_nothing_and_is_said_once() {
    let site = site();
    for number in 0..50 {
        add_due(&site, &format!("due{number}"));
    }
    std::os::unix::fs::symlink("/dev/full", site.directory.path().join("audit.log")).unwrap();
    let running = daemon(&site, "[scrubber]\naudit_log = {dir}/audit.log").start();
    eventually("the cycle", || (0..50).all(|number| is_gone(&site, &format!("due{number}")).is_some()).then_some(()));
    running.signal(Signal::USR2);
    running.until_stderr("lines of the audit log were lost");
    running.signal(Signal::TERM);
    let run = running.wait().expect_code(0);
    assert_eq!(run.stderr.matches("No space left on device").count(), 1, "{}", run.stderr);
}

#[test]
fn an_address_in_use_is_told_also_from_the_background() {
    let site = site();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!("[scrubber]\nlisten = {}", taken.local_addr().unwrap());
    for how in ["--daemon", "--detach"] {
        let run = Scrubber::new().config_file(&site.config(&config)).arg(how).run().expect_code(5);
        assert!(run.stderr.contains("is in use by another process"), "{how}: {}", run.output());
    }
}

/// An rbd store whose osd is frozen hangs until its deadline; the file store and the watchdog do not notice.
#[test]
fn a_store_that_hangs_holds_up_neither_the_others_nor_the_watchdog() {
    let Some(ceph) = Ceph::private(Kept::InMemory(256)) else { return };
    let (site, manager) = (site(), Manager::new());
    let image = new_id();
    let uri = ceph.add(&image);
    Image::pending(&image, TimeDelta::hours(2), &[&uri]).insert(&site.database);
    let config = format!(
        "stores = file, rbd\nrbd_store_user = glance\nrados_connect_timeout = 0\nrbd_store_ceph_conf = {}\n\
         [scrubber]\nstore_deadline = 1\n[DEFAULT]\nwakeup_time = 1",
        ceph.conf().display()
    );
    // Connects while all is well.
    ceph.call("add", json!([new_id(), 4096]));
    ceph.order("freeze osd");
    add_due(&site, "file");
    let begun = Instant::now();
    let command = daemon(&site, &config).env("WATCHDOG_USEC", "2000000");
    let running = command.env("NOTIFY_SOCKET", manager.directory.path().join("notify")).start();
    eventually("the file store's image", || is_gone(&site, "file"));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let mut fed = 0;
    let words = "gave no sign of life for 40 s";
    while begun.elapsed().as_secs() < 38 {
        manager.until("WATCHDOG=1");
        fed += 1;
    }
    assert!(fed > 20, "{fed} times");
    running.until_stderr(words);
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

/// A few hundred cycles with something to do: whatever a cycle opens, it closes.
#[test]
fn cycles_leave_no_files_open_and_no_memory_behind() {
    let (site, manager) = (site(), Manager::new());
    // One image a cycle, and the next cycle at once while there is work.
    let running = manager.start(&site, "[DEFAULT]\nwakeup_time = 0\n[scrubber]\nmax_images_per_cycle = 1");
    manager.until("READY=1");
    let pid = running.pid();
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let resident = || -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let work = |from: usize| {
        let ids: Vec<_> = (from..from + 200).map(|number| format!("due{number}")).collect();
        ids.iter().for_each(|id| add_due(&site, id));
        eventually("a cycle for each", || ids.iter().all(|id| is_gone(&site, id).is_some()).then_some(()));
    };
    work(0);
    let (files, pages) = (open(), resident());
    work(200);
    assert!(open() <= files + 1, "{files} files were open, and {} are", open());
    assert!(resident() < pages + pages / 4, "{pages} pages were resident, and {} are", resident());
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

/// A PostgreSQL of the test's own, which really is stopped and started.
#[test]
fn a_database_server_that_restarts_is_found_again() {
    if !engines_at_hand().contains(&Engine::Postgres) {
        return;
    }
    let server = PrivatePostgres::new();
    let (site, manager) = (site(), Manager::new());
    let config = format!(
        "[DEFAULT]\nwakeup_time = 1\n[database]\nconnection = {}\n[scrubber]\ndatabase_patience = 1",
        server.url()
    );
    let running = manager.start(&site, &config);
    manager.until("STATUS=Idle");
    manager.until("STATUS=Idle");
    server.stop();
    running.until_stderr("Waiting for the database: ");
    server.start();
    running.until_stderr("The database answers again");
    manager.until("STATUS=Idle");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

struct PrivatePostgres {
    directory: TempDir,
    port: u16,
}

impl PrivatePostgres {
    fn new() -> PrivatePostgres {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = PrivatePostgres { directory, port };
        if rustix::process::geteuid().is_root() {
            server.shell("chown postgres: \"$D\"");
        }
        server.shell("as \"$B/initdb\" -D \"$D/data\" -U scrubber --auth=trust --no-sync -E UTF8 --locale=C.UTF-8");
        server.start();
        server.shell("as \"$B/psql\" -h 127.0.0.1 -p $PORT -U scrubber -q -c 'CREATE DATABASE glance' postgres");
        server.shell("as \"$B/psql\" -h 127.0.0.1 -p $PORT -U scrubber -q -o /dev/null -v ON_ERROR_STOP=1 glance <\"$SCRUBBER_TEST_SCHEMA_DIR/postgres.sql\"");
        server
    }

    fn url(&self) -> String {
        format!("postgresql+psycopg2://scrubber@127.0.0.1:{}/glance", self.port)
    }

    fn start(&self) {
        self.shell("as \"$B/pg_ctl\" -D \"$D/data\" -w -l \"$D/log\" -o \"-p $PORT -k $D -c listen_addresses=127.0.0.1 -c fsync=off\" start");
    }

    fn stop(&self) {
        self.shell("as \"$B/pg_ctl\" -D \"$D/data\" -w -m fast stop");
    }

    #[track_caller]
    fn shell(&self, script: &str) {
        let script = format!(
            "as() {{ if [ \"$(id -u)\" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups \"$@\"; \
             else \"$@\"; fi; }}\nB=$(dirname \"$(printf '%s\\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)\")\n{script}"
        );
        let mut shell = Command::new("/bin/bash");
        shell.arg("-c").arg(&script).current_dir("/");
        let output = shell.env("D", self.directory.path()).env("PORT", self.port.to_string()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.shell("as \"$B/pg_ctl\" -D \"$D/data\" -m immediate stop || true");
    }
}
