//! Whole lines, from the macro to the destination.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Barrier, Mutex};

use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};
use tracing::{debug, error, info, trace, warn};

use super::record::Stamp;
use super::sink::{Entry, Sink};
use super::*;

const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";

/// The defaults of the Python scrubber, but without any destination.
pub(super) fn config() -> LogConfig {
    LogConfig {
        debug: false,
        file: None,
        stderr: false,
        journal: false,
        syslog: false,
        syslog_facility: "LOG_USER".to_owned(),
        json: false,
        date_format: "%Y-%m-%d %H:%M:%S".to_owned(),
        levels: Vec::new(),
    }
}

#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<String>>>);

impl Sink for Memory {
    fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        self.0.lock().unwrap().push(entry.line.to_owned());
        Ok(())
    }
    fn name(&self) -> Option<String> {
        None
    }
}

fn fixed() -> Stamp {
    let time: DateTime<FixedOffset> = "2026-03-07T09:05:06.007089+01:00".parse().unwrap();
    Stamp { time, process: 4242 }
}

/// What `run` logs to `sink` under `config`.
fn log_to(sink: impl Sink, config: &LogConfig, run: impl FnOnce()) {
    let layer = LogLayer::new(Formatter::new(config).unwrap(), vec![Destination::new(sink)]).with_stamp(fixed);
    let filter = Levels::new(config).unwrap().into_filter();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(layer), run);
}

fn logged(config: &LogConfig, run: impl FnOnce()) -> String {
    let memory = Memory::default();
    log_to(memory.clone(), config, run);
    memory.0.lock().unwrap().concat()
}

fn one_of_each() {
    info!("Starting Daemon: wakeup_time=300");
    warn!(image_id = ID, location_id = 17, "Leaving image '{ID}' in 'pending_delete' status");
    error!(image_id = %ID, store = "file", reason = "disk is full", nothing = "", "Unable to scrub from store file");
    debug!("not without debug");
    trace!("never");
    info!(target: "sqlx::query", "not a library");
    warn!(target: "sqlx::query", elapsed = 1.5, slow = true, rows = -3_i64, "slow statement");
}

#[test]
fn default_lines() {
    let want = "\
2026-03-07 09:05:06.007 4242 INFO glance.scrubber [-] Starting Daemon: wakeup_time=300
2026-03-07 09:05:06.007 4242 WARNING glance.scrubber [-] Leaving image '71c675ab-d94f-49cd-a114-e12490b328d9' in \
'pending_delete' status location_id=17
2026-03-07 09:05:06.007 4242 ERROR glance.scrubber [-] Unable to scrub from store file \
image_id=71c675ab-d94f-49cd-a114-e12490b328d9 store=file reason=\"disk is full\" nothing=\"\"
2026-03-07 09:05:06.007 4242 WARNING sqlx.query [-] slow statement elapsed=1.5 slow=true rows=-3
";
    assert_eq!(logged(&config(), one_of_each), want);
}

#[test]
fn date_format_and_debug() {
    let levels = vec![("glance.scrubber".to_owned(), "TRACE".to_owned())];
    let zoned = LogConfig { date_format: "%d/%b/%Y:%H:%M:%S %z".to_owned(), levels, ..config() };
    let want = "07/Mar/2026:09:05:06 +0100.007 4242 DEBUG glance.scrubber [-] deep\n";
    assert_eq!(logged(&zoned, || trace!("deep")), want);

    let debug = LogConfig { debug: true, date_format: String::new(), ..config() };
    let want = "2026-03-07 09:05:06.007 4242 DEBUG glance.scrubber [-] d\n";
    assert_eq!(logged(&debug, || (debug!("d"), debug!(target: "hyper", "h"), trace!("t")).0), want);

    let wrong = Formatter::new(&LogConfig { date_format: "%Q".to_owned(), ..config() }).unwrap_err();
    assert_eq!(wrong.to_string(), "log_date_format \"%Q\" is not a valid strftime format");
}

#[test]
fn json_lines() {
    let lines = logged(&LogConfig { json: true, ..config() }, || {
        error!(image_id = ID, location_id = 17, store = "ceph1", outcome = "in_use", "two\nlines \u{9b}\"");
        warn!(target: "sqlx", process = "not ours", "b");
    });
    let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut first = lines.next().unwrap();
    let hostname = first.as_object_mut().unwrap().remove("hostname").unwrap();
    assert_eq!(hostname.as_str().unwrap(), fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim_end());
    let want = json!({
        "message": "two\nlines \u{9b}\"", "asctime": "2026-03-07 09:05:06", "name": "glance.scrubber",
        "levelname": "ERROR", "levelno": 40, "created": 1_772_870_706.007_089, "msecs": 7, "process": 4242,
        "image_id": ID, "location_id": 17, "store": "ceph1", "outcome": "in_use",
    });
    assert_eq!(first, want);
    let second = lines.next().unwrap();
    assert_eq!((&second["process"], &second["field_process"]), (&json!(4242), &json!("not ours")));
    assert!(lines.next().is_none());
}

#[test]
fn hostile_text_stays_in_its_line() {
    let name = "x\n2026-03-07 09:05:06.007 1 INFO glance.scrubber [-] Image has been scrubbed\r\x1b[2J\u{202e}\u{2028}";
    let run = || warn!(name, other = %"a b=\"c\"", "Unable to scrub image {name}");
    let text = logged(&config(), run);
    let want = "2026-03-07 09:05:06.007 4242 WARNING glance.scrubber [-] Unable to scrub image x\\n2026-03-07 \
                09:05:06.007 1 INFO glance.scrubber [-] Image has been scrubbed\\r\\x1b[2J\\u{202e}\\u{2028} \
                other=\"a b=\\\"c\\\"\"\n";
    assert_eq!(text, want);
    let json = logged(&LogConfig { json: true, ..config() }, run);
    assert!(json.strip_suffix('\n').unwrap().chars().all(|c| !c.is_control() && c.is_ascii()), "{json}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["name"], "glance.scrubber");
}

#[test]
fn only_whole_long_values_are_not_repeated() {
    let line = |run: fn()| logged(&config(), run).split(" [-] ").nth(1).unwrap().trim_end().to_owned();
    assert_eq!(line(|| info!(id = "abcd-1234", "seen abcd-1234.")), "seen abcd-1234.");
    assert_eq!(line(|| info!(id = "abcd-1234", "seen abcd-1234-5")), "seen abcd-1234-5 id=abcd-1234");
    assert_eq!(line(|| info!(id = "abcd-1234", "seen xabcd-1234")), "seen xabcd-1234 id=abcd-1234");
    assert_eq!(line(|| info!(id = "short", "seen short")), "seen short id=short");
}

#[test]
fn a_rotated_file_is_left_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("scrubber.log"), dir.path().join("scrubber.log.1"));
    fs::write(&path, "kept\n").unwrap();
    log_to(FileSink::open(&path).unwrap(), &config(), || {
        info!("one");
        fs::rename(&path, &old).unwrap();
        info!("two");
        fs::remove_file(&path).unwrap();
        info!("three");
        info!("four");
    });
    let messages = |path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(messages(&old), ["kept", "one"]);
    assert_eq!(messages(&path), ["three", "four"]);
    // The umask may take more away, never less.
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
}

#[test]
fn the_old_file_serves_until_the_new_one_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, moved) = (dir.path().join("logs"), dir.path().join("moved"));
    fs::create_dir(&logs).unwrap();
    log_to(FileSink::open(&logs.join("a.log")).unwrap(), &config(), || {
        fs::rename(&logs, &moved).unwrap();
        info!("still here");
    });
    assert!(fs::read_to_string(moved.join("a.log")).unwrap().ends_with(" still here\n"));
}

#[test]
fn two_processes_can_share_a_file() {
    const LINES: usize = 5000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shared.log");
    let line = format!("{}\n", "x".repeat(300));
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let sink = FileSink::open(&path).unwrap();
                let entry = Entry { time: fixed().time, level: tracing::Level::INFO, line: &line };
                start.wait();
                (0..LINES).for_each(|_| sink.write(&entry).unwrap());
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 2 * LINES * line.len());
    assert!(text.lines().all(|read| read.len() == 300));
}

#[test]
fn a_log_file_that_cannot_be_written_says_so() {
    let file = Some(PathBuf::from("/nonexistent/glance/scrubber.log"));
    let error = Destinations::open(&LogConfig { file, ..config() }, Terminal::hidden()).err().unwrap();
    let want = "cannot write the log file /nonexistent/glance/scrubber.log: No such file or directory (os error 2); \
                check that its directory exists and that this user may write there (log_file, log_dir)";
    assert_eq!(error.to_string(), want);
}

#[test]
fn destinations_that_apply() {
    let names = |config: LogConfig| {
        let open = Destinations::open(&config, Terminal::hidden()).unwrap();
        open.lines.iter().map(|line| format!("{line:?}")).collect::<String>()
    };
    assert!(names(config()).contains("StdoutSink"));
    let dir = tempfile::tempdir().unwrap();
    let both = names(LogConfig { file: Some(dir.path().join("a.log")), stderr: true, ..config() });
    assert!(both.contains("FileSink") && both.contains("StderrSink") && !both.contains("StdoutSink"), "{both}");
    let facility = "LOG_LOCAL9".to_owned();
    let wrong = LogConfig { syslog: true, stderr: true, syslog_facility: facility, ..config() };
    let error = Destinations::open(&wrong, Terminal::hidden()).err().unwrap().to_string();
    assert!(error.starts_with("syslog_log_facility \"LOG_LOCAL9\" is none of LOG_KERN"), "{error}");
}

#[test]
fn syslog_datagrams() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let facility = Facility::find("LOG_LOCAL0").unwrap();
    let mut buffer = [0; 10_000];
    let mut send = |listener: &UnixDatagram, run: fn()| {
        log_to(SyslogSink::new(facility, &path).unwrap(), &config(), run);
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let listener = UnixDatagram::bind(&path).unwrap();
    let want =
        "<131>Mar  7 09:05:06 glance-scrubber: 2026-03-07 09:05:06.007 4242 ERROR glance.scrubber [-] bad\\nluck";
    assert_eq!(send(&listener, || error!("bad\nluck")), want);
    assert!(send(&listener, || info!("fine")).starts_with("<134>Mar  7 "));
    assert!(send(&listener, || warn!("{}", "ü".repeat(9000))).len() <= 8192);
}

#[test]
fn syslog_survives_a_restart_of_its_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sink = SyslogSink::new(Facility::find("USER").unwrap(), &path).unwrap();
    let entry = Entry { time: fixed().time, level: tracing::Level::INFO, line: "line\n" };
    assert_eq!(sink.probe().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(sink.write(&entry).is_err());
    for _ in 0..2 {
        let listener = UnixDatagram::bind(&path).unwrap();
        sink.probe().unwrap();
        sink.write(&entry).unwrap();
        let mut buffer = [0; 100];
        let length = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"<14>Mar  7 09:05:06 glance-scrubber: line");
        fs::remove_file(&path).unwrap();
    }
}
