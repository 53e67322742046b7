//! `[DEFAULT]`: the options of oslo.log (`oslo_log/_options.py`).

use super::super::types::Kind;
use super::{OptionSpec as O, alias};

/// Options with which oslo.log formats lines in Python's own language. They are accepted; the layout here is fixed.
const PYTHON_FORMAT: &str = "A format in Python's logging language. Accepted, but the layout of a line is fixed here.";
/// Rotation belongs to logrotate or journald; the file is opened again when it was renamed.
const ROTATION: &str = "Rotation of the log file. Accepted, but left to logrotate: a renamed file is opened anew.";
/// Limits of oslo.log that have no meaning here.
const RATE: &str = "Rate limit of log lines. Accepted, but without effect here.";

pub(super) const OPTIONS: &[O] = &[
    O::flag("debug", "false", "Log at level DEBUG instead of INFO."),
    O::text("log_file", "File to log to. A relative path is taken from log_dir.").was(&[alias("logfile")]),
    O::text("log_dir", "Directory of the log file. Alone, it means glance-scrubber.log in it.").was(&[alias("logdir")]),
    O::flag("use_stderr", "true", "Log to standard error."),
    O::flag("use_journal", "false", "Log to systemd's journal, with fields."),
    O::flag("use_syslog", "false", "Log to syslog."),
    O::text("syslog_log_facility", "Facility of lines sent to syslog.").or("LOG_USER"),
    O::flag("use_json", "false", "Write each log line as one JSON object."),
    O::text("log_date_format", "Format of the date and time in log lines, in the language of strftime.")
        .or("%Y-%m-%d %H:%M:%S"),
    O::new("default_log_levels", Kind::List, "Levels of single loggers, as LOGGER=LEVEL separated by commas.").or(
        "amqp=WARN,boto=WARN,sqlalchemy=WARN,suds=INFO,oslo.messaging=INFO,oslo_messaging=INFO,iso8601=WARN,\
         requests.packages.urllib3.connectionpool=WARN,urllib3.connectionpool=WARN,websocket=WARN,\
         requests.packages.urllib3.util.retry=WARN,urllib3.util.retry=WARN,keystonemiddleware=WARN,\
         routes.middleware=WARN,stevedore=WARN,taskflow=WARN,keystoneauth=WARN,oslo.cache=INFO,oslo_policy=INFO,\
         dogpile.core.dogpile=INFO",
    ),
    O::text("log_config_append", "A logging config file of Python. It cannot be read here, and a warning says so.")
        .was(&[alias("log_config"), alias("log-config")]),
    O::flag("log_color", "false", "Colour log lines on a terminal. Accepted, but without effect here.").unused(),
    O::flag("publish_errors", "false", "Send errors as notifications. Accepted, but without effect here.").unused(),
    O::flag("fatal_deprecations", "false", "Stop at deprecated features. Accepted, but without effect here.").unused(),
    O::flag("watch_log_file", "false", "Watch the log file for renaming, which is always done here.").unused(),
    O::new("log_rotation_type", Kind::Choice { words: &["interval", "size", "none"], ignore_case: true }, ROTATION)
        .or("none")
        .unused(),
    O::int("log_rotate_interval", ROTATION).or("1").unused(),
    O::new(
        "log_rotate_interval_type",
        Kind::Choice { words: &["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"], ignore_case: true },
        ROTATION,
    )
    .or("days")
    .unused(),
    O::int("max_logfile_count", ROTATION).or("30").unused(),
    O::int("max_logfile_size_mb", ROTATION).or("200").unused(),
    O::int("rate_limit_interval", RATE).or("0").unused(),
    O::int("rate_limit_burst", RATE).or("0").unused(),
    O::choice("rate_limit_except_level", &["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""], RATE)
        .or("CRITICAL")
        .unused(),
    O::text("logging_context_format_string", PYTHON_FORMAT)
        .or("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s %(request_id)s \
             %(user_identity)s] %(instance)s%(message)s")
        .unused(),
    O::text("logging_default_format_string", PYTHON_FORMAT)
        .or("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s")
        .unused(),
    O::text("logging_debug_format_suffix", PYTHON_FORMAT).or("%(funcName)s %(pathname)s:%(lineno)d").unused(),
    O::text("logging_exception_prefix", PYTHON_FORMAT)
        .or("%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s")
        .unused(),
    O::text("logging_user_identity_format", PYTHON_FORMAT)
        .or("%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s")
        .unused(),
    O::text("instance_format", PYTHON_FORMAT).or("[instance: %(uuid)s] ").unused(),
    O::text("instance_uuid_format", PYTHON_FORMAT).or("[instance: %(uuid)s] ").unused(),
];
