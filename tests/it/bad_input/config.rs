//! Config files that are missing, mistyped, or more than a scrubber needs.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::*;
use crate::support::binary::Scrubber;

/// Runs with a config that has `more`; its first line is line 8.
fn run_with(site: &Site, more: &str) -> Finished {
    site.run_with(&site.config(more), &["--once"])
}

#[test]
fn files_that_cannot_be_read() {
    let site = site_on(Engine::Sqlite);
    let missing = site.directory.path().join("missing.conf");
    assert_refused(&site.run_with(&missing, &[]), 5, &["missing.conf: ", "not found"]);
    let directory = site.directory.path();
    assert_refused(&site.run_with(directory, &[]), 5, &["is a directory", "--config-dir"]);
    let run = Scrubber::new().arg("--config-dir").arg(site.config("")).run();
    assert_refused(&run, 5, &["glance-scrubber.conf: ", "directory expected, but this is a file"]);
    let run = Scrubber::new().arg("--config-dir").arg(&missing).run();
    assert_refused(&run, 5, &["config directory not found"]);
    let closed = site.config("");
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    let run = Scrubber::unprivileged().config_file(&closed).run();
    assert_refused(&run, 5, &["glance-scrubber.conf: ", "no permission to read"]);
    assert_untouched(&site);
}

#[test]
fn values_that_are_wrong() {
    let site = site_on(Engine::Sqlite);
    let trailing = "[DEFAULT]\nenabled_backends = a:file,\n[a]\nfilesystem_store_datadir = {dir}/images";
    for (more, words) in [
        (
            "[DEFAULT]\nscrub_pool_size = many",
            &["conf:9: [DEFAULT] scrub_pool_size: ", "`many` is not a whole number"][..],
        ),
        ("[DEFAULT]\nscrub_time = 1h", &["conf:9: [DEFAULT] scrub_time: ", "not a whole number"]),
        ("[DEFAULT]\nscrub_time =", &["conf:9: [DEFAULT] scrub_time: ", "is empty", "remove the line"]),
        ("[DEFAULT]\nmetadata_encryption_key = Hunter2Hunter21", &["conf:9: ", "a key of 15 bytes", "16, 24 or 32"]),
        (trailing, &["conf:9: [DEFAULT] enabled_backends: ", "without a comma at the end"]),
        ("[scrubber]\nmax_image_per_cycle = 3", &["conf:9: ", "did you mean max_images_per_cycle?"]),
        ("[scrubber]\nmax_percent_of_images = 120", &["conf:9: [scrubber] max_percent_of_images: ", "100"]),
        ("rubbish", &["conf:8: ", "no ':' or '=' found"]),
        ("[DEFAULT", &["conf:8: ", "must end with ]"]),
    ] {
        assert_refused(&run_with(&site, more), 5, words);
    }
    assert_untouched(&site);
}

#[test]
fn connections_that_are_wrong() {
    let site = site_on(Engine::Sqlite);
    for (url, words) in [
        ("", &["[database] connection: ", "not set", "mysql+pymysql://"][..]),
        ("oracle://scott:Hunter2Hunter2@host/glance", &["conf:4: ", "dialect in the URL is not known", "postgresql"]),
        ("mysql+pymysql://glance:Hunter2$Hunter2Hunter2@host/glance", &["conf:4: ", "write $$ for a plain $"]),
        ("mysql+pymysql://glance:Hunter2Hunter2@host", &["conf:4: ", "names no database"]),
        ("mysql+pymysql://glance:Hunter2Hunter2@host:Hunter2Hunter2/glance", &["conf:4: ", "the port"]),
        ("sqlite://", &["conf:4: [database] connection: "]),
        ("Hunter2Hunter2", &["conf:4: ", "is not a URL of the form"]),
    ] {
        assert_refused(&site.run_with(&pointing_to(&site, url), &[]), 5, words);
    }
    let empty = write(&site.directory.path().join("empty.conf"), "");
    assert_refused(&site.run_with(&empty, &[]), 5, &["[database] connection: not set"]);
    assert_refused(&Scrubber::new().run(), 5, &["[database] connection: not set"]);
    assert_untouched(&site);
}

#[test]
fn all_errors_at_once() {
    let site = site_on(Engine::Sqlite);
    let config =
        "rubbish\n[DEFAULT]\nmetadata_encryption_key = Hunter2Hunter2x\nscrub_time = soon\n[scrubber]\nmin_ago = 1";
    let run = run_with(&site, config);
    let lines: [&[&str]; 4] = [
        &["conf:8: ", "no ':' or '=' found"],
        &["conf:10: [DEFAULT] metadata_encryption_key: "],
        &["conf:11: [DEFAULT] scrub_time: "],
        &["conf:13: ", "did you mean min_age?"],
    ];
    assert_lines(&run, 5, &lines);
    assert_untouched(&site);
}

#[test]
fn what_a_restore_left_in_a_file_scrubs_nothing() {
    let site = site_on(Engine::Sqlite);
    for more in ["[DEFAULT]\nrestore = due", "[DEFAULT]\nrestore ="] {
        assert_refused(&run_with(&site, more), 2, &["restore = in a file"]);
    }
    assert_untouched(&site);
}

#[test]
fn a_daemon_in_a_file_is_one_unless_the_command_line_says_otherwise() {
    let site = site_on(Engine::Sqlite);
    let config = site.config("[DEFAULT]\ndaemon = True\nwakeup_time = 3600\nscrub_time = 86400000");
    let running = Scrubber::new().config_file(&config).start();
    running.until_stderr("Starting Daemon: wakeup_time=3600");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
    assert_untouched(&site);
    // A file made for glance-control still serves a timer.
    let config = site.config("[DEFAULT]\ndaemon = True");
    assert_eq!(site.run_with(&config, &["--once"]).code, Some(0));
    assert!(!site.has("due"));
}

#[test]
fn a_glance_api_conf_works_as_it_is() {
    let site = site_on(Engine::Sqlite);
    let run = run_with(
        &site,
        "[DEFAULT]\nworkers = 4\ntransport_url = rabbit://openstack:Hunter2Hunter2@controller:5672//\n\
         bind_host = 0.0.0.0\nshow_image_direct_url = True\nlog_file =\n\
         [keystone_authtoken]\nwww_authenticate_uri = http://controller:5000\npassword = Hunter2Hunter2\n\
         [oslo_messaging_notifications]\ndriver = messagingv2\n[oslo_policy]\nenforce_scope = true\n\
         [paste_deploy]\nflavor = keystone\n[glance_store]\nstores = file,http\ndefault_store = file\n\
         [cors]\n# a comment\nallowed_origin = https://a,\n  https://b\n[profiler]\nhmac_keys = Hunter2Hunter2",
    );
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert!(!run.output().contains(SECRET), "{}", run.output());
    assert!(!site.has("due") && site.has("living"));
}

#[test]
fn config_directories_and_the_environment() {
    let site = site_on(Engine::Sqlite);
    // `run_with` would name a file; the connection of this directory is wrong and the environment's is right.
    let directory = site.directory.path().join("conf.d");
    std::fs::create_dir(&directory).unwrap();
    let text = std::fs::read_to_string(pointing_to(&site, "sqlite:////nowhere")).unwrap();
    write(&directory.join("10-scrubber.conf"), &text);
    write(&directory.join("20-ignored.conf.rpmnew"), "rubbish");
    let command = || Scrubber::new().arg("--config-dir").arg(&directory).arg("--once");
    assert_refused(&command().run(), 6, &["/nowhere does not exist"]);
    assert_untouched(&site);
    let run = command().env("OS_DATABASE__CONNECTION", site.database.url()).run();
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert!(!site.has("due"));
}

#[test]
fn a_fault_in_the_environment_names_its_variable() {
    let site = site_on(Engine::Sqlite);
    let command = || Scrubber::new().config_file(&site.config(""));
    let run = command().env("OS_DATABASE__CONNECTION", "oracle://scott:Hunter2Hunter2@host/glance").run();
    assert_refused(&run, 5, &["OS_DATABASE__CONNECTION: ", "dialect"]);
    let run = command().env("OS_SCRUBBER__MIN_AGES", "1").run();
    assert_refused(&run, 5, &["OS_SCRUBBER__MIN_AGES: ", "did you mean min_age?"]);
    assert_untouched(&site);
}
