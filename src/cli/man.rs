//! The manual page: the options from clap's command, and what a command line cannot say of itself.
//!
//! Promises: the same bytes for the same version, on any machine and on any day. Rejected: a page that is written by hand,
//! which forgets the next option.

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::exit::Exit;

const DESCRIPTION: &str = "\
Finds images in pending_delete whose grace period (scrub_time) is over, removes their data from the stores, and records \
that in Glance's database. It reads the configuration and the database of Glance's own scrubber as they are. What cannot \
be deleted, or must not be, stays pending, and the log and the report say why.

Unless an option, or daemon = True in the configuration, says otherwise, it does so once and exits. Before the first time, \
look at what --check and --dry-run say.";

/// The page, in the language of man(7).
pub(super) fn page(command: clap::Command) -> Vec<u8> {
    // The exit codes have a section of their own.
    let man = Man::new(command.long_about(DESCRIPTION).after_help(None::<&str>))
        .title("GLANCE-SCRUBBER")
        .section("8")
        .source(concat!("glance-scrubber ", env!("CARGO_PKG_VERSION")))
        .manual("OpenStack Glance");
    let mut more = Roff::new();
    exit_status(&mut more);
    files(&mut more);
    environment(&mut more);
    signals(&mut more);
    see_also(&mut more);
    let mut page = Vec::new();
    // Nothing can fail that writes to memory.
    let _ = man.render(&mut page);
    let _ = more.to_writer(&mut page);
    page
}

fn exit_status(page: &mut Roff) {
    const MEANINGS: &[(Exit, &str)] = &[
        (
            Exit::Clean,
            "Done, and nothing stays that needs anybody. A daemon: stopped in order, whatever its cycles came to.",
        ),
        (Exit::Unexpected, "Something that nobody foresaw."),
        (Exit::Usage, "The command line is wrong; nothing was done."),
        (
            Exit::Attention,
            "Done, but something stays pending after a failure; the report and the log say what. With --check: a fault was \
             found.",
        ),
        (Exit::Refused, "A guard refused the whole cycle; no data was deleted."),
        (
            Exit::Config,
            "The configuration is wrong; each fault was named with its file and line, and nothing was done.",
        ),
        (
            Exit::Database,
            "The database cannot be reached or used. A daemon ends so at its start only, when waiting would not help.",
        ),
        (
            Exit::RestoreRefused,
            "A restore was refused, and nothing was changed; the reason was said. With --repair-restored: of at least one \
             image. With --dry-run: it would be.",
        ),
        (Exit::Locked, "Another daemon has the lock of the pid file; nothing was done."),
        (
            Exit::Interrupted,
            "Stopped by SIGINT, in order. A daemon: with work left in hand after shutdown_grace, or by a second signal.",
        ),
        (Exit::Terminated, "The same by SIGTERM."),
    ];
    page.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in MEANINGS {
        item(page, [bold(exit.code().to_string())], meaning);
    }
}

fn files(page: &mut Roff) {
    page.control("SH", ["FILES"]);
    item(
        page,
        [italic("/etc/glance/glance.conf"), roman(", "), italic("/etc/glance/glance-scrubber.conf")],
        "Read in this order where no --config-file is given, each from the first of ~/.glance, ~, /etc/glance and /etc that \
         has it. The later one wins. glance-api.conf is read only where it is named.",
    );
    item(
        page,
        [italic("/etc/glance/glance.conf.d/*.conf"), roman(", "), italic("/etc/glance/glance-scrubber.conf.d/*.conf")],
        "Read after them where no --config-dir is given, searched in the same places. --print-sample-config prints a file \
         with every option.",
    );
    item(
        page,
        [italic("/etc/ceph/ceph.conf"), roman(", "), italic("/etc/ceph/ceph.client.USER.keyring")],
        "Read by Ceph's library for stores of type rbd, where the configuration names no other.",
    );
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    item(
        page,
        [bold("OS_"), italic("SECTION"), bold("__"), italic("OPTION")],
        "Any option of the configuration, in capitals, for example OS_DATABASE__CONNECTION. It goes before the files; the \
         command line goes before it.",
    );
    item(page, [bold("HOME")], "The directory that ~ stands for.");
    item(
        page,
        [bold("SNAP_COMMON"), roman(", "), bold("SNAP")],
        "Within a snap: their etc/glance is searched for configuration files, too.",
    );
    item(
        page,
        [
            bold("PGUSER"),
            roman(", "),
            bold("PGPASSWORD"),
            roman(", "),
            bold("PGSSLROOTCERT"),
            roman(", "),
            bold("PGSSLCERT"),
            roman(", "),
            bold("PGSSLKEY"),
            roman(", "),
            bold("PGOPTIONS"),
        ],
        "Used for PostgreSQL where the URL of the database says nothing.",
    );
}

fn signals(page: &mut Roff) {
    page.control("SH", ["SIGNALS"]);
    item(
        page,
        [bold("SIGTERM"), roman(", "), bold("SIGINT")],
        "Nothing new is begun; what is in hand is finished and recorded, by a daemon for at most shutdown_grace seconds. A \
         second one ends it at once.",
    );
    item(
        page,
        [bold("SIGHUP")],
        "A daemon reads the configuration again and opens the audit log anew. With an error in it the old configuration \
         stays. Changes of listen, audit_log and logging take effect at the next start.",
    );
    item(
        page,
        [bold("SIGUSR1")],
        "A daemon begins a cycle now, or right after the one under way, and tries everything, whatever waits after a failure.",
    );
    item(page, [bold("SIGUSR2")], "A daemon writes to the log what it does now, and what it has in hand since when.");
}

fn see_also(page: &mut Roff) {
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("rbd"),
        roman("(8), "),
        bold("strftime"),
        roman("(3), "),
        bold("systemd.service"),
        roman("(5), "),
        bold("systemd.timer"),
        roman("(5)"),
    ]);
    page.control("PP", []);
    page.text([roman("Glance's delayed delete: https://docs.openstack.org/glance/latest/cli/glancescrubber.html")]);
}

/// A term and, indented below it, what it means.
fn item<const N: usize>(page: &mut Roff, term: [Inline; N], meaning: &str) {
    page.control("TP", []);
    page.text(term);
    page.text([roman(meaning)]);
}
