//! `[database]`: the options of oslo.db (`oslo_db/options.py`), with the names it had until release 15.

use super::{OptionSpec as O, alias, alias_in};

/// Options of oslo.db for code paths that Glance does not have.
const NOT_GLANCE: &str = "An option of oslo.db that Glance does not use. Accepted, but without effect here.";

pub(super) const OPTIONS: &[O] = &[
    O::text(
        "connection",
        "SQLAlchemy URL of Glance's database, the same as in glance-api.conf, for example \
         mysql+pymysql://glance:PASSWORD@controller/glance. A $ in the password is written $$. Must be set, here or in the \
         environment as OS_DATABASE__CONNECTION.",
    )
    .secret()
    .was(&[alias_in("DEFAULT", "sql_connection"), alias("sql_connection"), alias_in("sql", "connection")]),
    O::text(
        "connection_parameters",
        "Parameters to add to the URL in connection, in the form param1=value1&param2=value2.",
    )
    .or("")
    .secret(),
    O::int("max_pool_size", "At most so many connections to the database. 0 means the default.")
        .or("5")
        .was(&[alias_in("DEFAULT", "sql_max_pool_size"), alias("sql_max_pool_size")]),
    O::int("connection_recycle_time", "Seconds after which a connection is replaced by a new one; -1 means never.")
        .within(-1, super::default::SECONDS_MAX)
        .or("3600")
        .was(&[alias_in("DEFAULT", "sql_idle_timeout"), alias("sql_idle_timeout"), alias_in("sql", "idle_timeout")]),
    O::int("max_retries", "How often the first connection is tried again before giving up; -1 means for ever.")
        .or("10")
        .was(&[alias_in("DEFAULT", "sql_max_retries"), alias("sql_max_retries")]),
    O::int("retry_interval", "Seconds between those tries.")
        .within(0, super::default::SECONDS_MAX)
        .or("10")
        .was(&[alias_in("DEFAULT", "sql_retry_interval"), alias("reconnect_interval")]),
    O::text("mysql_sql_mode", "The SQL mode that is set in each MySQL session.").or("TRADITIONAL"),
    O::int("mysql_wsrep_sync_wait", "Causality checks of Galera on each connection; reads are checked in any case."),
    O::flag("sqlite_synchronous", "true", "Whether SQLite waits until data is on disk."),
    O::text("slave_connection", "A URL for reading. Ignored: the scrubber must not read old rows.").secret().unused(),
    O::text("asyncio_connection", NOT_GLANCE).secret().unused(),
    O::text("asyncio_slave_connection", NOT_GLANCE).secret().unused(),
    O::flag("synchronous_reader", "true", NOT_GLANCE).unused(),
    O::int("max_overflow", "Connections beyond max_pool_size. Accepted, but max_pool_size is the limit here.")
        .or("50")
        .was(&[alias_in("DEFAULT", "sql_max_overflow"), alias("sqlalchemy_max_overflow")])
        .unused(),
    O::int("pool_timeout", "Seconds to wait for a connection of the pool. Accepted, but without effect here.")
        .was(&[alias("sqlalchemy_pool_timeout")])
        .unused(),
    O::int("connection_debug", NOT_GLANCE).within(0, 100).or("0").unused(),
    O::flag("connection_trace", "false", NOT_GLANCE).unused(),
    O::text("backend", NOT_GLANCE).or("sqlalchemy").unused(),
    O::flag("use_db_reconnect", "false", NOT_GLANCE).unused(),
    O::int("db_max_retries", NOT_GLANCE).or("20").unused(),
    O::int("db_retry_interval", NOT_GLANCE).or("1").unused(),
    O::flag("db_inc_retry_interval", "true", NOT_GLANCE).unused(),
    O::int("db_max_retry_interval", NOT_GLANCE).or("10").unused(),
    O::flag("mysql_enable_ndb", "false", NOT_GLANCE).unused(),
];
