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

/// Each script and the manual page know every option that --help shows.
#[test]
fn nothing_that_help_shows_is_missing_elsewhere() {
    let help = Scrubber::new().arg("--help").run().expect_code(0).stdout;
    let options = help.lines().filter_map(|line| {
        let names = line.strip_prefix("  ").map(str::trim_start).filter(|names| names.starts_with('-'))?;
        names.split([' ', ',']).find_map(|name| name.strip_prefix("--"))
    });
    let options: Vec<_> = options.collect();
    assert!(options.len() > 20 && options.contains(&"dry-run") && options.contains(&"help"), "{options:?}");
    let printed = |arguments: &[&str]| {
        let command = arguments.iter().fold(Scrubber::new(), |command, argument| command.arg(argument));
        command.run().expect_code(0).stdout
    };
    for (shell, words, before) in [
        ("bash", "complete -F", "--"),
        ("zsh", "#compdef glance-scrubber", "--"),
        ("fish", "complete -c glance-scrubber", "-l "),
    ] {
        let script = printed(&["--shell_completion", shell]);
        assert!(script.contains(words), "{shell}");
        for option in &options {
            let named = script.match_indices(&format!("{before}{option}")).any(|(at, name)| {
                !script[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            });
            assert!(named, "{shell}: {option}");
        }
    }
    let page = printed(&["--print-man-page"]);
    for option in options {
        assert!(page.contains(&format!("\\fB\\-\\-{}\\fR", option.replace('-', "\\-"))), "{option}");
    }
}

/// Whoever asks for a text gets no scrub, whatever else stands there.
#[test]
fn printing_goes_with_nothing_else() {
    let site = site_on(Engine::Sqlite);
    for print in ["--print-sample-config", "--print-man-page", "--shell_completion=bash"] {
        for other in ["--once", "--dry-run", "--daemon", "--check", "--probe", "--restore=due", "--version"] {
            for arguments in [[print, other], [other, print]] {
                assert_usage(&site, &arguments, "cannot be used with");
            }
        }
    }
    assert_untouched(&site);
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
fn a_daemon_that_cannot_have_its_pid_file_does_not_start() {
    let site = site_on(Engine::Sqlite);
    for daemon in ["--daemon", "-D", "--daem", "--detach"] {
        assert_refused(&site.run(&[daemon, "--pid-file", "/nowhere/pid"]), 5, &["pid file /nowhere/pid: "]);
    }
    for other in [&["--allow-empty"][..], &["--format", "json"]] {
        let refused = site.run(&[&["--daemon"], other].concat());
        assert_refused(&refused, 2, &["for a single run"]);
    }
    for other in ["--once", "--dry-run", "--check"] {
        assert_eq!(site.run(&["--detach", other]).code, Some(2), "{other}");
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
