//! What a restore says on stdout and stderr.

use std::io::{BufWriter, IsTerminal};

use serde::Serialize;

use super::{Request, Wanted};
use crate::cli::say;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::restore::{Account, RestorePlan};

/// One image: everything that comes back.
const IMAGE: Listing<7> = Listing {
    kind: "restore",
    rows: "parts",
    columns: ["part", "id", "name", "store", "location", "verdict", "detail"],
};

/// Several: a line for each.
const IMAGES: Listing<8> = Listing {
    kind: "repair_restored",
    rows: "images",
    columns: ["image_id", "name", "verdict", "locations", "properties", "tags", "members", "detail"],
};

/// The API does this before a scrubber sees the image.
pub(super) const KEY_IS_DESTROYED: &str = "its data is encrypted, and by its property \
    cinder_encryption_key_deletion_policy the key was destroyed when it was deleted: the data is there, but nobody can \
    read it";

/// Prints the result: always of a dry run and of several images; of a restore on a terminal, or where a format was
/// asked for. Refusals go to stderr besides.
pub(super) fn print(accounts: &[Account], request: &Request) -> Result<(), OutputError> {
    let shown = match (&request.wanted, request.format) {
        (_, Some(format)) => print_as(accounts, request, format),
        (Wanted::Image(_), None) if !request.dry_run && !std::io::stdout().is_terminal() => Ok(()),
        (_, None) => print_as(accounts, request, Format::Table),
    };
    let several = matches!(request.wanted, Wanted::HalfRestored);
    for account in accounts {
        let Some(refusal) = &account.refusal else { continue };
        if several { say(&format!("image {}: {refusal}", account.id)) } else { say(&refusal.to_string()) }
    }
    shown
}

fn print_as(accounts: &[Account], request: &Request, format: Format) -> Result<(), OutputError> {
    match &request.wanted {
        Wanted::Image(_) => accounts.iter().try_for_each(|account| image(account, request.dry_run, format)),
        Wanted::HalfRestored => images(accounts, request.dry_run, format),
    }
}

/// `2 locations, 5 properties, 1 tag, 0 members`.
pub(super) fn counts(plan: &RestorePlan) -> String {
    let counted = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    [
        counted(plan.locations.len(), "location", "locations"),
        counted(plan.properties.len(), "property", "properties"),
        counted(plan.tags.len(), "tag", "tags"),
        counted(plan.members.len(), "member", "members"),
    ]
    .join(", ")
}

/// A line about one part of an image.
struct Part<'a> {
    part: &'static str,
    id: String,
    name: Option<&'a str>,
    store: Option<&'a str>,
    location: Option<&'a str>,
    verdict: &'static str,
    detail: Option<String>,
}

impl Part<'_> {
    fn cells(&self) -> [Cell<'_>; 7] {
        [
            Cell::Text(self.part),
            Cell::Text(&self.id),
            text(self.name),
            text(self.store),
            text(self.location),
            Cell::Text(self.verdict),
            text(self.detail.as_deref()),
        ]
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    image_id: &'a str,
    verdict: &'static str,
    refusal: Option<String>,
    locations: usize,
    properties: usize,
    tags: usize,
    members: usize,
}

fn image(account: &Account, dry_run: bool, format: Format) -> Result<(), OutputError> {
    let mut list = ListWriter::new(format, IMAGE, BufWriter::new(std::io::stdout()))?;
    for part in parts(account, dry_run) {
        list.row(&part.cells())?;
    }
    let verdict = verdict(account, dry_run);
    let count = |count: fn(&RestorePlan) -> usize| account.plan.as_ref().map(count).unwrap_or_default();
    let summary = Summary {
        image_id: &account.id,
        verdict,
        refusal: account.refusal.as_ref().map(ToString::to_string),
        locations: count(|plan| plan.locations.len()),
        properties: count(|plan| plan.properties.len()),
        tags: count(|plan| plan.tags.len()),
        members: count(|plan| plan.members.len()),
    };
    let footer = match (&account.plan, &account.refusal) {
        (Some(plan), None) => format!("{verdict}: {}", counts(plan)),
        _ => verdict.to_owned(),
    };
    list.finish(&summary, &footer)
}

fn verdict(account: &Account, dry_run: bool) -> &'static str {
    match (&account.refusal, dry_run) {
        (Some(_), _) => "refused",
        (None, true) => "restore",
        (None, false) => "restored",
    }
}

/// Of an image that does not come back: why, and what was seen of its data.
fn parts(account: &Account, dry_run: bool) -> Vec<Part<'_>> {
    let verdict = verdict(account, dry_run);
    let Some(plan) = &account.plan else {
        let detail = account.refusal.as_ref().map(ToString::to_string);
        return vec![Part { part: "image", id: account.id.clone(), verdict, detail, ..bare() }];
    };
    let mut parts = vec![Part {
        part: "image",
        id: account.id.clone(),
        name: plan.image.name.as_deref(),
        verdict,
        detail: detail(account),
        ..bare()
    }];
    for (place, row) in plan.locations.iter().enumerate() {
        let mut part = Part { part: "location", id: row.id.to_string(), verdict, ..bare() };
        if let Some(sight) = account.sights.get(place) {
            part.store = sight.store.as_ref().map(|store| store.as_str());
            part.location = sight.location.as_deref();
            part.detail = Some(sight.verdict.as_ref().map_or_else(ToString::to_string, Clone::clone));
        }
        parts.push(part);
    }
    for row in &plan.staying {
        let detail = Some("removed from the image before it was deleted".to_owned());
        parts.push(Part { part: "location", id: row.id.to_string(), verdict: "stays", detail, ..bare() });
    }
    if account.refusal.is_none() {
        for (part, rows) in [("property", &plan.properties), ("tag", &plan.tags), ("member", &plan.members)] {
            parts.extend(rows.iter().map(|row| Part {
                part,
                id: row.id.to_string(),
                name: Some(&row.name),
                verdict,
                ..bare()
            }));
        }
    }
    parts
}

fn bare() -> Part<'static> {
    Part { part: "", id: String::new(), name: None, store: None, location: None, verdict: "", detail: None }
}

fn detail(account: &Account) -> Option<String> {
    let warns = account.plan.as_ref().is_some_and(|plan| plan.key_is_destroyed);
    account.refusal.as_ref().map(ToString::to_string).or_else(|| warns.then(|| KEY_IS_DESTROYED.to_owned()))
}

fn images(accounts: &[Account], dry_run: bool, format: Format) -> Result<(), OutputError> {
    #[derive(Serialize)]
    struct Sums {
        restored: usize,
        refused: usize,
    }
    let mut list = ListWriter::new(format, IMAGES, BufWriter::new(std::io::stdout()))?;
    for account in accounts {
        let count = |count: fn(&RestorePlan) -> usize| {
            let count = account.plan.as_ref().map(count);
            count.map_or(Cell::None, |count| Cell::Int(i64::try_from(count).unwrap_or(i64::MAX)))
        };
        let detail = detail(account);
        list.row(&[
            Cell::Text(&account.id),
            text(account.image().and_then(|image| image.name.as_deref())),
            Cell::Text(verdict(account, dry_run)),
            count(|plan| plan.locations.len()),
            count(|plan| plan.properties.len()),
            count(|plan| plan.tags.len()),
            count(|plan| plan.members.len()),
            text(detail.as_deref()),
        ])?;
    }
    let refused = accounts.iter().filter(|account| account.refusal.is_some()).count();
    let restored = accounts.len() - refused;
    let footer = match accounts.len() {
        0 => "No image was restored in part.".to_owned(),
        _ if dry_run => format!("{restored} would come back, {refused} would not"),
        _ => format!("{restored} came back, {refused} did not"),
    };
    list.finish(&Sums { restored, refused }, &footer)
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::None, Cell::Text)
}
