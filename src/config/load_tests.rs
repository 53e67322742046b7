//! Files on disk to a config, or to all that is wrong with them.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::super::sources::ConfigSource;
use super::*;

/// Loads one file; paths in errors are shortened to `FILE`.
fn load_text(text: &str) -> Result<Config, String> {
    load_with(text, |_| {})
}

fn load_with(text: &str, change: impl FnOnce(&mut Invocation)) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scrubber.conf");
    std::fs::write(&path, text).unwrap();
    let mut invocation = invocation(&path);
    change(&mut invocation);
    load(&invocation).map_err(|errors| errors.to_string().replace(&path.display().to_string(), "FILE"))
}

fn invocation(path: &Path) -> Invocation {
    Invocation { sources: vec![ConfigSource::File(path.into())], search: Some(Vec::new()), ..Invocation::default() }
}

const DATABASE: &str = "[database]\nconnection = sqlite:////db\n";

#[test]
fn a_config_without_anything_special() {
    let config = load_text(DATABASE).unwrap();
    assert_eq!((config.scrub_time.as_secs(), config.wakeup_time.as_secs()), (0, 300));
    assert_eq!((config.scrub_pool_size, config.daemon, config.restore), (None, false, None));
    assert!(config.encryption_keys.is_empty() && config.warnings.is_empty());
    let scrubber = &config.scrubber;
    assert_eq!((scrubber.max_images_per_cycle, scrubber.max_bytes_per_cycle), (None, None));
    assert_eq!((scrubber.max_percent_of_images, scrubber.file_marker.as_deref()), (None, None));
    assert_eq!((&scrubber.listen, &scrubber.audit_log), (&None, &None), "no port and no file unless asked for");
    assert_eq!(scrubber.min_age.as_secs(), 0);
    assert_eq!((scrubber.store_deadline.as_secs(), scrubber.database_deadline.as_secs()), (60, 60));
    let log = &config.log;
    assert!(log.stderr && !log.debug && !log.journal && !log.syslog && !log.json && log.file.is_none());
    assert_eq!((log.syslog_facility.as_str(), log.date_format.as_str()), ("LOG_USER", "%Y-%m-%d %H:%M:%S"));
    assert_eq!((log.levels.len(), log.levels[2].clone()), (20, ("sqlalchemy".to_owned(), "WARN".to_owned())));
}

#[test]
fn a_config_with_everything() {
    let text = format!(
        "[DEFAULT]\nscrub_time=3600\nscrub_pool_size=4\nwakeup_time=60\ndaemon=True\nrestore=\n\
         metadata_encryption_key=0123456789abcdef\nlog_dir=/var/log\nuse_stderr=no\ndefault_log_levels=a=B,c\n\
         unknown_key=1\n[unknown]\nx=1\n[Scrubber]\nmax_images_per_cycle=10\nmax_bytes_per_cycle=1_000\n\
         max_percent_of_images=50\nmin_age=7200\nlisten=0.0.0.0:9929\naudit_log=/var/log/audit\nfile_marker=.mounted\nstore_deadline=1\ndatabase_deadline=2\n\
         old_encryption_keys=0123456789abcdef01234567\nold_encryption_keys=\n{DATABASE}"
    );
    let config = load_text(&text).unwrap();
    assert_eq!((config.scrub_time.as_secs(), config.scrub_pool_size, config.daemon), (3600, Some(4), true));
    assert_eq!(config.restore.as_deref(), Some(""));
    let keys: Vec<_> = config.encryption_keys.iter().map(|key| key.expose_secret().len()).collect();
    assert_eq!(keys, [16, 24]);
    let scrubber = &config.scrubber;
    assert_eq!((scrubber.max_images_per_cycle, scrubber.max_bytes_per_cycle), (Some(10), Some(1000)));
    // min_age above scrub_time is a floor, and no error.
    assert_eq!((scrubber.max_percent_of_images, scrubber.min_age.as_secs()), (Some(50), 7200));
    assert_eq!(scrubber.file_marker.as_deref(), Some(".mounted"));
    assert_eq!((scrubber.store_deadline.as_secs(), scrubber.database_deadline.as_secs()), (1, 2));
    assert_eq!(config.log.file, Some(PathBuf::from("/var/log/glance-scrubber.log")));
    assert_eq!(config.log.levels, [("a".to_owned(), "B".to_owned())]);
    assert_eq!(scrubber.listen.as_ref().map(ToString::to_string).as_deref(), Some("0.0.0.0:9929"));
    assert_eq!(scrubber.audit_log, Some(PathBuf::from("/var/log/audit")));
    assert!(config.warnings[1].starts_with("[DEFAULT] default_log_levels: a piece without = is ignored"));
    assert!(config.warnings[0].starts_with("[scrubber] listen = 0.0.0.0:9929 is open to other hosts"));
    assert_eq!(config.warnings.len(), 2);
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_files() {
    let text = format!("[DEFAULT]\nscrub_time=1\ndaemon=false\nrestore=file\n{DATABASE}");
    let config = load_with(&text, |invocation| {
        invocation.overrides = vec![("daemon".into(), "true".into())];
        for (name, value) in [
            ("OS_DEFAULT__DAEMON", "false"),
            ("OS_DEFAULT__RESTORE", "env"),
            ("OS_DATABASE__CONNECTION", "sqlite:////from_env"),
            ("OS_SCRUBBER__MIN_AGE", "5"),
            ("OS_SCRUBBER__OLD_ENCRYPTION_KEYS", "0123456789abcdef"),
        ] {
            invocation.env.insert(name.into(), value.into());
        }
    })
    .unwrap();
    assert!(config.daemon);
    assert_eq!((config.restore.as_deref(), config.scrub_time.as_secs()), (Some("env"), 1));
    assert_eq!((config.scrubber.min_age.as_secs(), config.encryption_keys.len()), (5, 1));
    assert!(format!("{:?}", config.database.url).contains("from_env"));
}

#[test]
fn all_errors_are_told_at_once() {
    let text = "scrub_time = 1
[DEFAULT]
scrub_time = -1
scrub_pool_size = 0
wakeup_time =
daemon = maybe
metadata_encryption_key = hunter2hunter2hunter2
enabled_backends = a:file,
log_file = $nothing
this line has no separator
[database]
connection = mysql+nothing://glance:hunter2@db/glance
max_retries = ten
[scrubber]
max_image_per_cycle = 5
password = hunter2
max_percent_of_images = 101
min_age =
file_marker = a/b
store_deadline = 0
listen = localhost:9929
audit_log =
old_encryption_keys = hunter2
old_encryption_keys = 0123456789abcdef
[unknown]
whatever = hunter2
";
    let want = "FILE:1: assignment before any section; put a line [DEFAULT] above it
FILE:3: [DEFAULT] scrub_time: `-1` should be greater than or equal to 0
FILE:4: [DEFAULT] scrub_pool_size: `0` should be greater than or equal to 1
FILE:5: [DEFAULT] wakeup_time: is empty; give a number, or remove the line for the default
FILE:6: [DEFAULT] daemon: `maybe` is not a boolean (true, 1, on, yes; false, 0, off, no)
FILE:7: [DEFAULT] metadata_encryption_key: a key of 21 bytes; AES needs 16, 24 or 32 bytes (not characters)
FILE:8: [DEFAULT] enabled_backends: the value should be NAME:VALUE pairs separated by \",\", without a comma at the end
FILE:9: [DEFAULT] log_file: `$nothing` is not an option that can be referred to; write $$ for a plain $
FILE:10: no ':' or '=' found in assignment
FILE:12: [database] connection: the driver in the URL is not known for mysql; known are pymysql, mysqldb, \
mysqlconnector, mariadbconnector, cymysql, aiomysql, asyncmy
FILE:13: [database] max_retries: `ten` is not a whole number, or too large
FILE:15: [scrubber] has no option `max_image_per_cycle`; did you mean max_images_per_cycle?
FILE:16: [scrubber] has no option `password`
FILE:17: [scrubber] max_percent_of_images: `101` should be less than or equal to 100
FILE:18: [scrubber] min_age: is empty; give a number, or remove the line for the default
FILE:19: [scrubber] file_marker: must be the name of a file, without a directory
FILE:20: [scrubber] store_deadline: `0` should be greater than or equal to 1
FILE:21: [scrubber] listen: must be an address with a port, like 127.0.0.1:9929 or [::1]:9929 (not a host's name), or a \
socket, like unix:/run/glance-scrubber/status.sock
FILE:22: [scrubber] audit_log: must be the path of a file
FILE:23: [scrubber] old_encryption_keys: a key of 7 bytes; AES needs 16, 24 or 32 bytes (not characters)
environment variable OS_SCRUBBER__MINAGE: [scrubber] has no option `minage`; did you mean min_age?
command line: [DEFAULT] nonsense: there is no such option";
    let got = load_with(text, |invocation| {
        invocation.overrides = vec![("nonsense".into(), "1".into())];
        invocation.env.insert("OS_SCRUBBER__MINAGE".into(), "1".into());
    });
    assert_eq!(got.unwrap_err(), want);
}

#[test]
fn errors_name_file_and_line_for_machines_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.conf");
    std::fs::write(&path, "[DEFAULT]\ndaemon = x\n").unwrap();
    let errors = load(&invocation(&path)).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(
        (error.file(), error.line(), error.option.as_deref()),
        (Some(&*path), Some(2), Some("[DEFAULT] daemon"))
    );
}

#[test]
fn an_unread_file_is_not_blamed_twice() {
    let missing = load(&invocation(Path::new("/nowhere/c.conf"))).unwrap_err();
    assert_eq!(missing.to_string(), "/nowhere/c.conf: config file not found");
    let none = load(&Invocation { search: Some(Vec::new()), ..Invocation::default() }).unwrap_err();
    assert!(none.to_string().starts_with("[database] connection: not set"), "{none}");
}

#[test]
fn a_later_file_wins_and_conf_d_counts() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("glance.conf", &format!("[DEFAULT]\nscrub_time=1\nwakeup_time=1\nscrub_pool_size=1\n{DATABASE}"));
    write("glance-scrubber.conf", "[DEFAULT]\nscrub_time=2\nwakeup_time=2\n");
    write("glance-scrubber.conf.d/a.conf", "[DEFAULT]\nscrub_time=3\n");
    let config = load(&Invocation { search: Some(vec![dir.path().into()]), ..Invocation::default() }).unwrap();
    let seconds = [config.scrub_time, config.wakeup_time].map(|time| time.as_secs());
    assert_eq!((seconds, config.scrub_pool_size), ([3, 2], Some(1)));
}

/// Secrets with what confuses parsers in them, and long enough not to occur by chance.
fn secret() -> impl Strategy<Value = String> {
    "[a-z@$:/?#%&= '\"\\\\{}.,;\\[\\]-]{0,6}Zx9[a-z0-9]{6}[a-z@$:/?#%&= '\"\\\\{}.,;\\[\\]-]{0,6}"
}

/// The part of [`secret`] that a message could hold whole, even were it decoded or cut.
fn core(secret: &str) -> &str {
    let at = secret.find("Zx9").unwrap();
    &secret[at..at + 9]
}

proptest! {
    #[test]
    fn no_secret_is_in_an_error_or_in_debug(secret in secret(), line in 0..LINES.len(), broken in any::<bool>()) {
        let text = LINES[line].replace("SECRET", &secret);
        let fault = if broken { "[DEFAULT]\ndaemon = maybe\nlog_file = $metadata_encryption_key\n" } else { "" };
        let shown = match load_text(&format!("{text}\n{fault}")) {
            // The operator asked for the key to be in a file name then, and gets it there.
            Ok(config) => {
                let Config { database, encryption_keys, stores, warnings, .. } = config;
                format!("{database:?}{encryption_keys:?}{stores:?}{warnings:?}")
            },
            Err(errors) => errors,
        };
        prop_assert!(!shown.contains(core(&secret)), "{shown}");
    }

    #[test]
    fn any_file_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.conf");
        std::fs::write(&path, bytes).unwrap();
        let _ = load(&invocation(&path));
    }

    #[test]
    fn any_values_are_survived(values in proptest::collection::vec(VALUE, OPTIONS.len())) {
        let pairs = OPTIONS.iter().zip(values);
        let lines = pairs.map(|((section, name), value)| format!("[{section}]\n{name} = {value}\n"));
        let _ = load_text(&lines.collect::<String>());
    }
}

const VALUE: &str = "[$a-z_.:/@{}\\[\\]?=&%0-9,\\\\]{0,25}";

/// Places where a secret may stand, rightly or by mistake.
const LINES: &[&str] = &[
    "[database]\nconnection = mysql+pymysql://glance:SECRET@db/glance",
    "[database]\nconnection = mysql+pymysql://glance:SECRET@db:port/glance",
    "[database]\nconnection = postgresql://glance:SECRET@a,b/glance",
    "[database]\nconnection = sqlite://glance:SECRET@a/glance",
    "[database]\nconnection = nothing+SECRET://glance:SECRET@a/glance",
    "[database]\nconnection = SECRET",
    "[DEFAULT]\nsql_connection = oracle://glance:SECRET@a/glance",
    "[database]\nconnection = mysql://h/g\nconnection_parameters = password=SECRET&ssl_mode=SECRET",
    "[database]\nconnection = mysql://h/g?read_default_file=/SECRET&connect_timeout=SECRET",
    "[DEFAULT]\nmetadata_encryption_key = SECRET",
    "[DEFAULT]\nmetadata_encryption_key = $SECRET",
    "[scrubber]\nold_encryption_keys = SECRET\nold_encryption_keys = ${SECRET}",
    "[scrubber]\nmin_age = 1\n connection = mysql://u:SECRET@h/g",
    "[DEFAULT]\ndaemon = true\n metadata_encryption_key = SECRET",
    "[DEFAULT]\nscrub_time = $metadata_encryption_key\nmetadata_encryption_key = SECRET",
    "[DEFAULT]\nSECRET",
    "[SECRET\nSECRET=1",
    "[scrubber]\nSECRET = SECRET",
    "connection = SECRET",
    "[glance_store]\nstores = cinder\ncinder_store_user_name = u\ncinder_store_project_name = p\ncinder_store_password = SECRET",
    "[glance_store]\nstores = cinder\ncinder_store_application_credential_id = i\n\
     cinder_store_application_credential_secret = SECRET",
    "[glance_store]\nstores = vmware\nvmware_server_username = u\nvmware_server_password = SECRET",
];

const OPTIONS: &[(&str, &str)] = &[
    ("database", "connection"),
    ("DEFAULT", "enabled_backends"),
    ("DEFAULT", "log_file"),
    ("DEFAULT", "default_log_levels"),
    ("DEFAULT", "scrub_time"),
    ("glance_store", "stores"),
    ("glance_store", "filesystem_store_datadirs"),
    ("scrubber", "min_age"),
];
