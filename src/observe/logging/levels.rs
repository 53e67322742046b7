//! Which line is written: `debug` and `default_log_levels`.
//!
//! Promises: the rules of Python's logging (dotted names, the nearest ancestor decides), with two exceptions. Other
//! crates stay at WARNING unless named, since oslo's list of chatty libraries names only Python's. And no level opens
//! them below DEBUG, because at TRACE an HTTP library shows headers, and with them tokens.
//! Fails with [`LogError::Level`].

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::FilterFn;

use super::record::logger_name;
use super::{LOGGER, LogError};
use crate::config::LogConfig;

/// The level of each logger.
#[derive(Debug)]
pub(super) struct Levels {
    own: LevelFilter,
    named: Vec<(String, LevelFilter)>,
}

impl Levels {
    pub(super) fn new(config: &LogConfig) -> Result<Self, LogError> {
        let mut named = Vec::new();
        for (logger, level) in &config.levels {
            match parse(level) {
                Some(Some(filter)) => named.push((logger.clone(), filter)),
                Some(None) => {}
                None => return Err(LogError::Level { logger: logger.clone(), level: level.clone() }),
            }
        }
        let own = if config.debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
        Ok(Self { own, named })
    }

    pub(super) fn into_filter(self) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
        let most = self.named.iter().map(|(_, level)| *level).chain([self.own, LevelFilter::WARN]).max();
        let filter = FilterFn::new(move |event: &Metadata<'_>| *event.level() <= self.of(&logger_name(event.target())));
        filter.with_max_level_hint(most.unwrap_or(LevelFilter::TRACE))
    }

    fn of(&self, logger: &str) -> LevelFilter {
        // Of two entries with one name the last one counts, as in Python.
        let named = self.named.iter().filter(|(name, _)| is_ancestor(name, logger)).max_by_key(|(name, _)| name.len());
        match (named, is_ancestor(LOGGER, logger)) {
            (Some((_, level)), true) => *level,
            (Some((_, level)), false) => (*level).min(LevelFilter::DEBUG),
            (None, true) => self.own,
            (None, false) => LevelFilter::WARN,
        }
    }
}

fn is_ancestor(name: &str, logger: &str) -> bool {
    logger.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A level by Python's name or number; `Some(None)` is NOTSET, which leaves the decision to the ancestor.
fn parse(level: &str) -> Option<Option<LevelFilter>> {
    let level = level.trim();
    if let Ok(number) = level.parse::<i64>() {
        return Some(match number {
            0 => None,
            ..=5 => Some(LevelFilter::TRACE),
            6..=10 => Some(LevelFilter::DEBUG),
            11..=20 => Some(LevelFilter::INFO),
            21..=30 => Some(LevelFilter::WARN),
            31..=40 => Some(LevelFilter::ERROR),
            _ => Some(LevelFilter::OFF),
        });
    }
    Some(match level.to_ascii_uppercase().as_str() {
        "NOTSET" => None,
        "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        // AUDIT is oslo.log's own, between INFO and WARNING.
        "INFO" => Some(LevelFilter::INFO),
        "AUDIT" | "WARN" | "WARNING" => Some(LevelFilter::WARN),
        "ERROR" => Some(LevelFilter::ERROR),
        "CRITICAL" | "FATAL" => Some(LevelFilter::OFF),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn levels(debug: bool, named: &[(&str, &str)]) -> Levels {
        let levels = named.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
        Levels::new(&LogConfig { debug, levels, ..config() }).unwrap()
    }

    #[test]
    fn debug_opens_our_own_lines_only() {
        assert_eq!(levels(false, &[]).of("glance.scrubber"), LevelFilter::INFO);
        assert_eq!(levels(true, &[]).of("glance.scrubber"), LevelFilter::DEBUG);
        assert_eq!(levels(true, &[]).of("sqlx.query"), LevelFilter::WARN);
    }

    #[test]
    fn the_nearest_ancestor_decides() {
        let levels = levels(false, &[("sqlx", "ERROR"), ("sqlx.query", "INFO"), ("glance", "WARN"), ("h2", "NOTSET")]);
        assert_eq!(levels.of("sqlx.query"), LevelFilter::INFO);
        assert_eq!(levels.of("sqlx.pool"), LevelFilter::ERROR);
        assert_eq!(levels.of("sqlx_core.pool"), LevelFilter::WARN);
        assert_eq!(levels.of("glance.scrubber"), LevelFilter::WARN);
        assert_eq!(levels.of("h2"), LevelFilter::WARN);
    }

    #[test]
    fn libraries_never_go_below_debug() {
        let levels = levels(false, &[("hyper", "TRACE"), ("h2", "1"), ("glance.scrubber", "TRACE")]);
        assert_eq!(levels.of("hyper.client"), LevelFilter::DEBUG);
        assert_eq!(levels.of("h2"), LevelFilter::DEBUG);
        assert_eq!(levels.of("glance.scrubber"), LevelFilter::TRACE);
    }

    #[test]
    fn names_and_numbers_of_python() {
        for (text, level) in [
            ("warn", LevelFilter::WARN),
            (" WARNING ", LevelFilter::WARN),
            ("30", LevelFilter::WARN),
            ("CRITICAL", LevelFilter::OFF),
            ("5", LevelFilter::TRACE),
        ] {
            assert_eq!(parse(text), Some(Some(level)), "{text}");
        }
        let wrong = LogConfig { levels: vec![("amqp".into(), "LOUD".into())], ..config() };
        let error = Levels::new(&wrong).unwrap_err().to_string();
        assert!(error.starts_with("default_log_levels: amqp=LOUD names no level;"), "{error}");
    }
}
