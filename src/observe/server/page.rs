//! The status as a page for a person: no script, nothing from elsewhere, readable on a phone and in the dark.
//!
//! Promises: foreign text (store ids, containers, image ids, reasons) is escaped by the template, and what could hide or
//! reorder its neighbours is shown ([`harmless`]).

use std::time::Duration;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::observe::human;
use crate::observe::status::{Line, NO_STORE, Snapshot};
use crate::observe::text::harmless;
use crate::scrub::{BANDS, Bands, BreakerPosition};
use crate::store::Outcome;

/// Seconds between two looks.
const REFRESH: &str = "10";

/// The look of it.
pub(super) const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn render(snapshot: &Snapshot) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(REFRESH);
                link rel="icon" href="data:,";
                link rel="stylesheet" href="style.css";
                title { "glance-scrubber: " (snapshot.word()) }
            }
            body {
                header {
                    h1 { "glance-scrubber" }
                    p #state class=(snapshot.word()) { (harmless(&snapshot.line())) }
                }
                main {
                    (facts(snapshot))
                    (stores(snapshot))
                    (results(snapshot))
                    (backlog(snapshot))
                }
                footer {
                    p {
                        "Version " (env!("CARGO_PKG_VERSION")) ", " (time(snapshot.at)) ". Also: "
                        a href="metrics" { "metrics" } ", " a href="status" { "JSON" } "."
                    }
                }
            }
        }
    };
    page.into_string()
}

fn facts(snapshot: &Snapshot) -> Markup {
    let now = &snapshot.now;
    let moment = |at: Option<DateTime<Utc>>| at.map_or("\u{2013}".to_owned(), time);
    html! {
        dl {
            dt { "Ready" } dd #ready { (snapshot.not_ready.as_deref().map_or("yes".into(), harmless)) }
            dt { "Next wake-up" } dd { (moment(now.next_wakeup)) }
            dt { "Last whole cycle" } dd { (moment(now.last_success)) }
            dt { "Cycles" } dd { (now.cycles) ", " (now.overruns) " overruns" }
            dt { "Running since" } dd { (time(now.started_at)) }
            dt { "Last sign of life" } dd { (human::duration(snapshot.silence)) " ago" }
            @if let Some(lost) = snapshot.audit_log_lost.filter(|lost| *lost > 0) {
                dt { "Audit log" } dd.bad { (lost) " lines lost" }
            }
        }
    }
}

fn stores(snapshot: &Snapshot) -> Markup {
    html! {
        section {
            h2 { "Stores" }
            div.wide {
                table #stores {
                    thead { tr {
                        th { "Store" } th.number { "Waiting" } th.number { "Calls" } th { "Longest call" } th { "Breakers" }
                    } }
                    tbody {
                        @for (store, lane) in &snapshot.now.lanes {
                            tr {
                                th scope="row" { (harmless(store.as_str())) }
                                td.number { (lane.depth) }
                                td.number { (lane.in_flight) }
                                td {
                                    @if let Some(held) = lane.calls.values().min_by_key(|held| held.since) {
                                        (age(held.since, snapshot.at)) ": " (ids(held.examples.iter()))
                                    }
                                }
                                td { (breakers(snapshot, store.as_str())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn breakers(snapshot: &Snapshot, store: &str) -> Markup {
    let shown = |state| state != BreakerPosition::Closed;
    html! {
        @for breaker in snapshot.breakers.iter().filter(|one| one.store.as_str() == store && shown(one.state)) {
            span.bad { (harmless(&breaker.container)) " " (breaker.state.as_str()) }
            @if let Some(until) = breaker.until { " until " (time(until)) }
            br;
        }
    }
}

fn results(snapshot: &Snapshot) -> Markup {
    let now = &snapshot.now;
    let lines =
        now.results.iter().flat_map(|(store, lines)| lines.iter().map(move |(word, line)| (store, *word, line)));
    html! {
        section {
            h2 { @if now.current.is_some() { "This cycle" } @else { "Last cycle" } }
            @if let Some(current) = &now.current {
                p { "Cycle " (current.cycle) ", began " (time(current.began)) }
            } @else if let Some(last) = &now.last {
                p { "Cycle " (last.report.cycle) ", ended " (time(last.report.ended_at)) }
            }
            div.wide {
                table #outcomes {
                    thead { tr {
                        th { "Store" } th { "Outcome" } th.number { "Locations" } th.number { "Size" } th { "Oldest due" }
                        th { "Images" } th { "Why" }
                    } }
                    tbody {
                        @for (store, word, line) in lines { (result(store, word, line)) }
                    }
                }
            }
        }
    }
}

fn result(store: &str, word: &str, line: &Line) -> Markup {
    let finished = Outcome::ALL.iter().any(|outcome| outcome.finishes() && outcome.as_str() == word);
    html! {
        tr class=(if finished { "good" } else { "stays" }) {
            th scope="row" { @if store == NO_STORE { "\u{2013}" } @else { (harmless(store)) } }
            td { (word) }
            td.number { (line.tally.locations) }
            td.number { (human::bytes(line.tally.bytes)) }
            td { @if let Some(oldest) = line.oldest { (time(oldest)) } }
            td { (ids(line.examples.iter())) }
            td { @if let Some(detail) = &line.detail { (harmless(detail)) } }
        }
    }
}

fn backlog(snapshot: &Snapshot) -> Markup {
    let Some(backlog) = snapshot.now.backlog else { return PreEscaped(String::new()) };
    let row = |name: &str, bands: Bands| {
        html! { tr { th scope="row" { (name) } @for locations in bands { td.number { (locations) } } } }
    };
    html! {
        section {
            h2 { "Pending, by time since the deletion" }
            div.wide {
                table #backlog {
                    thead { tr { th { "" } @for band in BANDS { th.number { (band) } } } }
                    tbody {
                        (row("due", backlog.due))
                        @if let Some(waiting) = backlog.waiting { (row("not due yet", waiting)) }
                    }
                }
            }
        }
    }
}

fn ids<'a>(named: impl Iterator<Item = &'a crate::observe::status::Named>) -> Markup {
    html! {
        @for one in named {
            code { @match &one.image { Some(image) => (harmless(&image.0)), None => { "location " (one.location) } } }
            " "
        }
    }
}

fn age(since: DateTime<Utc>, at: DateTime<Utc>) -> String {
    human::duration((at - since).to_std().unwrap_or(Duration::ZERO))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
