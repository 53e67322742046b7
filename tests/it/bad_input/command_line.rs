//! Arguments that are wrong, short, or old.

use super::*;
use crate::support::binary::Scrubber;

/// Asserts a usage error that has `words` and names `--help`.
#[track_caller]
fn assert_usage(site: &Site, arguments: &[&str], words: &str) {
    let run = site.run(arguments);
    assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.output());
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains(words) && run.stderr.contains("--help"), "{arguments:?}: {}", run.stderr);
}

#[test]
fn wrong_arguments() {
    let site = site_on(Engine::Sqlite);
    assert_usage(&site, &["--frobnicate"], "unexpected argument '--frobnicate'");
    assert_usage(&site, &["--verbose"], "unexpected argument '--verbose'");
    assert_usage(&site, &["--dryrun"], "--dry-run");
    assert_usage(&site, &["due"], "unexpected argument 'due'");
    assert_usage(&site, &["--once", "--dry-run"], "cannot be used with");
    // On its own it would be a scrub, by a user who meant to look.
    assert_usage(&site, &["--probe"], "--dry-run");
    for action in ["--once", "--check", "--daemon", "--restore=due"] {
        assert_usage(&site, &[action, "--probe"], "cannot be used with");
    }
    assert_usage(&site, &["--config-file"], "a value is required");
    assert_usage(&site, &["--restore"], "a value is required");
    assert_usage(&site, &["--daemon=yes"], "unexpected value 'yes'");
    assert_usage(&site, &["-f", "yaml"], "[possible values: table, json, csv, value]");
    // `--d` may be --dry-run, --debug or --daemon.
    assert_usage(&site, &["--d"], "'--d'");
    assert_untouched(&site);
}

#[test]
fn completion_scripts_need_no_configuration() {
    for (shell, words) in [("bash", "complete -F"), ("zsh", "#compdef glance-scrubber")] {
        let run = Scrubber::new().arg("--shell_completion").arg(shell).run();
        assert_eq!(run.code, Some(0), "{}", run.output());
        assert!(run.stdout.contains(words) && run.stdout.contains("--dry-run"), "{shell}");
    }
}

/// An unset shell variable, which makes Glance's own scrubber scrub.
#[test]
fn an_empty_restore_scrubs_nothing() {
    let site = site_on(Engine::Sqlite);
    for arguments in [&["--restore", ""][..], &["--restore="], &["--restore", "  "]] {
        assert_refused(&site.run(arguments), 2, &["--restore needs an image id", "nothing was done"]);
    }
    assert_untouched(&site);
}

#[test]
fn what_this_version_cannot_do_is_refused() {
    let site = site_on(Engine::Sqlite);
    assert_refused(&site.run(&["--restore", "due"]), 2, &["cannot restore"]);
    for daemon in ["--daemon", "-D", "--daem"] {
        assert_refused(&site.run(&[daemon]), 2, &["not as a daemon", "--once"]);
    }
    assert_untouched(&site);
}

#[test]
fn abbreviations_work_as_in_python() {
    let site = site_on(Engine::Sqlite);
    let run = site.run(&["--dry", "--form", "value"]);
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert!(run.stdout.starts_with("due "), "{}", run.stdout);
    assert_untouched(&site);
}

#[test]
fn help_and_version_need_no_config() {
    for (argument, words) in [("--help", "Usage: glance-scrubber"), ("-h", "Usage:"), ("--version", "0.")] {
        let run = Scrubber::new().arg(argument).run();
        assert_eq!(run.code, Some(0), "{}", run.output());
        assert!(run.stdout.contains(words) && run.stderr.is_empty(), "{}", run.output());
    }
}
