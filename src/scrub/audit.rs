//! The dry run: every pending location with its verdict, without an approval in sight.
//!
//! Promises: reads only, through a read-only [`Catalog`]; memory does not grow with the number of rows; each verdict is
//! the one that a cycle at this moment would come to, limits and shared data included. With a [`Prober`] the verdicts on
//! what a cycle would delete are the stores' as well, as far as they can tell without deleting.

use std::time::Duration;

use chrono::{NaiveDateTime, SubsecRound, TimeDelta};

use super::look_up::{LookUp, Page};
use super::plan::{self, Decision, Keep, Policy, Reason, Resolved};
use super::probe::Prober;
use super::survey::{Budget, Limits, PAGE, Plan};
use crate::catalog::{BrokenRow, Catalog, CatalogError, ImageId, ImageRow, LocationId, LocationRow, Scope};
use crate::config::StoreId;
use crate::location;
use crate::store::{Answer, Outcome, Probed};

/// What a cycle would do with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Delete the data, then record it. How it would end, where the store was asked and says more than `deleted`.
    Delete(Option<Answer>),
    /// Only record the image: nothing of it is left.
    Finish,
    /// Leave it alone.
    Keep(Keep),
}

impl Verdict {
    /// `delete`, `finish` or `keep`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delete(_) => "delete",
            Self::Finish => "finish",
            Self::Keep(_) => "keep",
        }
    }
}

/// One line of a dry run.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The image, as far as its row can be read.
    pub image_id: Option<ImageId>,
    /// Its name.
    pub name: Option<String>,
    /// Its project.
    pub owner: Option<String>,
    /// Its bytes.
    pub size: Option<u64>,
    /// The location; none for an image that only has to be finished.
    pub location_id: Option<LocationId>,
    /// When its grace period began. Naive UTC.
    pub deleted_at: Option<NaiveDateTime>,
    /// When it ends. Naive UTC.
    pub due_at: Option<NaiveDateTime>,
    /// The store that it is routed to.
    pub store: Option<StoreId>,
    /// The URI without credentials.
    pub location: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// How often its store was asked in vain, where failures are kept in the database.
    pub attempts: Option<u32>,
    /// How it failed last.
    pub last_outcome: Option<String>,
    /// When it is tried again. Naive UTC, by the database's clock.
    pub next_attempt_at: Option<NaiveDateTime>,
    /// Bytes in the backend, where the store was asked and knows.
    pub stored: Option<u64>,
}

impl Entry {
    /// Takes in what the store said: an outcome that does not finish the location would keep it.
    fn learn(&mut self, probed: Probed) {
        self.stored = probed.stored;
        self.verdict = match probed.answer {
            Some(answer) if !answer.outcome.finishes() => Verdict::Keep(answer.into()),
            foreseen => Verdict::Delete(foreseen),
        };
    }
}

/// Walks over everything that is pending.
pub struct Audit<'a> {
    /// A read-only catalog.
    pub catalog: &'a dyn Catalog,
    /// The same policy as the plan's.
    pub policy: &'a Policy<'a>,
    /// What a cycle would do.
    pub plan: &'a Plan,
    /// The limits that the plan was made with.
    pub limits: Limits,
    /// The grace period, for `due_at`.
    pub grace: Duration,
    /// What is known of earlier failures, where there is a table of them.
    pub look_up: Option<LookUp<'a>>,
    /// Asks the stores, where that is wanted.
    pub prober: Option<Prober<'a>>,
}

impl Audit<'_> {
    /// Hands each entry to `visit`, oldest deletion first. `visit` ends the walk by an error of its own.
    ///
    /// # Errors
    /// The database's, or `visit`'s.
    pub async fn each<E: From<CatalogError>>(
        mut self,
        visit: &mut (dyn FnMut(&Entry) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        let scan = self.catalog.scan(Scope::Pending).await?;
        let mut budget = Budget::new(self.limits);
        for page in scan.locations.chunks(PAGE) {
            let rows = self.catalog.locations(page).await?;
            let known = match &self.look_up {
                Some(look_up) => look_up.page(&rows).await?,
                None => Page::default(),
            };
            let see = |row| self.entry(row, &known, &mut budget);
            let (mut entries, doomed): (Vec<_>, Vec<_>) = rows.iter().map(see).unzip();
            if let Some(prober) = &mut self.prober {
                let answers = prober.ask(doomed).await;
                for (entry, probed) in entries.iter_mut().zip(answers) {
                    probed.into_iter().for_each(|probed| entry.learn(probed));
                }
            }
            entries.iter().try_for_each(&mut *visit)?;
        }
        for page in scan.finishable.chunks(PAGE) {
            for (image, lives) in self.catalog.images(page).await? {
                visit(&self.finishable(image, lives))?;
            }
        }
        Ok(())
    }

    /// A row's entry; and what would be deleted, if anything would.
    fn entry(
        &self,
        row: &Result<LocationRow, BrokenRow>,
        known: &Page,
        budget: &mut Budget,
    ) -> (Entry, Option<Resolved>) {
        let (location_id, image_id) = plan::ids(row);
        let image = row.as_ref().ok().and_then(|row| row.image.as_ref());
        let deleted_at = row.as_ref().ok().and_then(plan::due_from);
        let opened = row.as_ref().ok().and_then(|row| {
            let opened = location::open(row.value.expose(), &row.image_id.0, self.policy.keys).ok()?;
            let store = self.policy.stores.route(&opened, row.meta_data.as_deref()).ok();
            Some((opened.uri.redacted(), store.map(|store| self.policy.stores.all()[store].id().clone())))
        });
        let (location, store) = opened.unzip();
        let (verdict, doomed) = self.verdict(row, known, budget);
        let failed = known.failed(location_id);
        let entry = Entry {
            image_id: image_id.cloned(),
            name: image.and_then(|image| image.name.clone()),
            owner: image.and_then(|image| image.owner.clone()),
            size: image.and_then(|image| image.size),
            location_id: Some(location_id),
            deleted_at,
            due_at: deleted_at.and_then(|at| self.due_at(at)),
            store: store.flatten(),
            location,
            verdict,
            attempts: failed.map(|failed| failed.attempts),
            last_outcome: failed.map(|failed| failed.outcome.clone()),
            next_attempt_at: failed.and_then(|failed| failed.next).map(|next| next.naive_utc()),
            stored: None,
        };
        (entry, doomed)
    }

    fn verdict(
        &self,
        row: &Result<LocationRow, BrokenRow>,
        known: &Page,
        budget: &mut Budget,
    ) -> (Verdict, Option<Resolved>) {
        let (location, image) = plan::ids(row);
        if plan::paused(row, self.policy).is_some() {
            return (Verdict::Keep(Keep::plain(Reason::Paused)), None);
        }
        let untried = known.memory.see(location, image).filter(|_| plan::is_due(row, self.policy.horizon));
        if let Some(untried) = untried {
            budget.see(image);
            return (Verdict::Keep(untried.keep), None);
        }
        let verdict = match plan::decide(row, self.policy) {
            Decision::Keep(keep, _) => Verdict::Keep(known.memory.kept_unasked(location, keep).0),
            Decision::Delete(_) if !budget.admits(image, plan::bytes(row)) => Verdict::Keep(Keep::plain(Reason::Limit)),
            Decision::Delete(resolved) if self.plan.shared.contains(&resolved.target) => {
                Verdict::Keep(Keep::plain(Reason::Outcome(Outcome::Shared)))
            }
            Decision::Delete(resolved) => match known.claimed(location) {
                Some(keep) => Verdict::Keep(keep),
                None => return (Verdict::Delete(None), Some(resolved)),
            },
        };
        (verdict, None)
    }

    fn finishable(&self, image: ImageRow, lives: bool) -> Entry {
        // The scan of a cycle brings images up to the end of the horizon's second.
        let is_due = image.deleted_at.is_some_and(|at| at.and_utc().trunc_subsecs(0) <= self.policy.horizon.due);
        let verdict = match (lives, image.deleted && is_due) {
            (true, _) => Verdict::Keep(Keep::plain(Reason::Unfinished)),
            (false, true) => Verdict::Finish,
            (false, false) => Verdict::Keep(Keep::plain(Reason::NotDue)),
        };
        Entry {
            deleted_at: image.deleted_at,
            due_at: image.deleted_at.and_then(|at| self.due_at(at)),
            image_id: Some(image.id),
            name: image.name,
            owner: image.owner,
            size: image.size,
            location_id: None,
            store: None,
            location: None,
            verdict,
            attempts: None,
            last_outcome: None,
            next_attempt_at: None,
            stored: None,
        }
    }

    fn due_at(&self, deleted_at: NaiveDateTime) -> Option<NaiveDateTime> {
        deleted_at.checked_add_signed(TimeDelta::from_std(self.grace).ok()?)
    }
}
