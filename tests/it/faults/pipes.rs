//! Readers that have seen enough, and disks that are full.

use super::*;

/// Runs `script` with the program in it as `"$0" "$@"`.
fn shell(site: &Site, script: &str, arguments: &[&str]) -> Finished {
    let command = Scrubber::within(script).config_file(&site.config(""));
    arguments.iter().fold(command, |command, argument| command.arg(argument)).run()
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_fault() {
    // More than a pipe holds, in every format.
    let site = site_with(Engine::Sqlite, 2000);
    let script = r#"{ "$0" "$@"; echo "exit $?" >&2; } | head -1"#;
    for format in ["table", "json", "csv", "value"] {
        let run = shell(&site, script, &["--dry-run", "-f", format]);
        assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (1, "exit 0\n"), "{format}: {}", run.output());
    }
    let nobody = r#"{ sleep 0; "$0" "$@"; echo "exit $?" >&2; } | :"#;
    for arguments in [&["--help"][..], &["--version"], &["--check"]] {
        let run = shell(&site, nobody, arguments);
        assert_eq!(run.stderr, "exit 0\n", "{arguments:?}");
    }
}

/// The work is done whatever becomes of the words about it.
#[test]
fn a_run_whose_summary_nobody_reads_is_a_run() {
    for (script, words) in [
        (r#"{ "$0" "$@"; echo "exit $?" >&2; } | :"#, "exit 0"),
        (r#""$0" "$@" > /dev/full; echo "exit $?" >&2"#, "The summary could not be printed: "),
        (r#""$0" "$@" 2>/dev/full; echo "exit $?" >&2"#, "exit 0"),
        (r#""$0" "$@" 2>&-; echo "exit $?" >&2"#, "exit 0"),
    ] {
        let site = site_with(Engine::Sqlite, 10);
        let run = shell(&site, script, &["--once", "-f", "json"]);
        assert!(run.stderr.contains(words) && run.stderr.contains("exit 0"), "{script}: {}", run.output());
        let state = State::of(&site);
        assert_eq!((state.files, state.deleted()), (0, 10), "{script}");
    }
}

#[test]
fn a_list_that_cannot_be_written_is_told() {
    let site = site_with(Engine::Sqlite, 10);
    let run = shell(&site, r#""$0" "$@" > /dev/full"#, &["--dry-run"]);
    assert_eq!(run.code, Some(1), "{}", run.output());
    assert!(run.stderr.contains("cannot write the output: No space left on device"), "{}", run.stderr);
}
