//! The page, as a browser makes it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chrono::TimeDelta;
use glance_scrubber::config::Listen;
use glance_scrubber::observe::server::ServerHandle;
use glance_scrubber::observe::status::Status;
use glance_scrubber::store::{Answer, Outcome};

use super::{cycle, get, server, status};
use crate::lanes::{Fake, fill};
use crate::support::rows::Image;
use crate::support::servers::{Engine, browser};
use crate::support::site::Site;

/// A store id and an image id that would run a script, if they were let.
const HOSTILE: &str = "<script>document.title='gone'</script>\u{202e}&";

fn after_a_cycle() -> (Site, Arc<Status>) {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("ceph", 3)]);
    Image::pending("<img src=x onerror=alert(1)>", TimeDelta::hours(3), &["no uri at all"]).insert(&site.database);
    let status = status(&["ceph", HOSTILE]);
    status.database_answers();
    let store = Fake::new("ceph", |uri| match uri {
        "rbd://ceph0" => Answer::plain(Outcome::Deleted),
        _ => Answer::because(Outcome::Unavailable, "no answer <b>in</b> 60 s"),
    });
    status.cycle_ended(&cycle(&site, vec![store], &*status));
    (site, status)
}

fn url(server: &ServerHandle) -> String {
    match server.listen() {
        Listen::Tcp(address) => format!("http://{address}/"),
        Listen::Unix(path) => panic!("{} is no port", path.display()),
    }
}

/// Runs the browser, with a profile that goes with the call. Root may not have its sandbox.
fn browse(browser: &Path, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    // The page's own policy refuses everything from elsewhere; what it refused would be told here.
    assert!(!stderr.contains(":CONSOLE:"), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_browser_shows_stores_and_outcomes_and_runs_nothing() {
    let Some(browser) = browser() else { return };
    let (_site, status) = after_a_cycle();
    let server = server(&status);
    let dom = browse(&browser, &["--dump-dom", &url(&server)]);
    for part in [
        "<title>glance-scrubber: idle</title>",
        "<meta http-equiv=\"refresh\" content=\"10\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<th scope=\"row\">ceph</th>",
        "<td>deleted</td><td class=\"number\">1</td><td class=\"number\">1000 B</td>",
        "<td>unavailable</td><td class=\"number\">2</td>",
        "<code>ceph0</code>",
        "no answer &lt;b&gt;in&lt;/b&gt; 60 s",
        "<code>&lt;img src=x onerror=alert(1)&gt;</code>",
        "&lt;script&gt;document.title='gone'&lt;/script&gt;\\u{202e}&amp;",
    ] {
        assert!(dom.contains(part), "{part} is not in\n{dom}");
    }
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
    assert!(!dom.contains("http://") && !dom.contains("https://"), "nothing is asked of another host:\n{dom}");
    assert!(!dom.contains("rbd://"), "no location is shown:\n{dom}");
}

/// A phone's width and a desk's, both kinds of light: the page is painted, and differently in the dark. Where
/// `SCRUBBER_TEST_SCREENSHOTS` names a directory, the pictures stay there for a person to look at.
#[test]
fn a_browser_paints_it_light_and_dark() {
    let Some(browser) = browser() else { return };
    let (_site, status) = after_a_cycle();
    let server = server(&status);
    let kept = std::env::var_os("SCRUBBER_TEST_SCREENSHOTS").map(PathBuf::from);
    let directory = tempfile::tempdir().unwrap();
    let directory = kept.as_deref().unwrap_or(directory.path());
    let picture = |name: &str, size: &str, dark: bool| {
        let file = directory.join(name);
        let (shot, size) = (format!("--screenshot={}", file.display()), format!("--window-size={size}"));
        let mut arguments = vec![shot.as_str(), &size, "--hide-scrollbars"];
        arguments.extend(dark.then_some("--blink-settings=preferredColorScheme=0"));
        let url = url(&server);
        arguments.push(&url);
        browse(&browser, &arguments);
        let picture = std::fs::read(file).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5000, "{name}: {} bytes", picture.len());
        picture
    };
    let light = picture("light.png", "1200,900", false);
    let dark = picture("dark.png", "1200,900", true);
    assert_ne!(light, dark);
    picture("phone.png", "390,844", false);
}

#[test]
fn the_page_is_escaped_without_a_browser_too() {
    let (_site, status) = after_a_cycle();
    let page = get(&server(&status), "/").body;
    assert!(page.contains("&lt;script&gt;document.title='gone'&lt;/script&gt;\\u{202e}&amp;"), "{page}");
    assert!(page.contains("no answer &lt;b&gt;in&lt;/b&gt; 60 s"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
}
