//! Whether "there is no such volume" may be believed.
//!
//! Cinder answers 404 for a volume of another project as it does for one that is gone, unless it takes us for an
//! administrator; and a wrong region or the wrong cloud has none of our volumes either. So a missing volume counts as gone
//! only
//!
//! - for an administrator: where a volume of Glance's was seen in this Cinder, or there is no living image whose volume
//!   should be there;
//! - for anybody else: where a volume of Glance's was seen in this project, and none that a living image needs is missing.
//!   Where nothing of Glance's is to be seen, it is not known that Glance's volumes are in this project.
//!
//! Seen counts for a cycle. What we saw being deleted needs none of this: it was there.

use std::sync::{Arc, Mutex, PoisonError};

use super::api::{Api, Seen};
use crate::store::keystone::Token;
use crate::store::{Answer, Outcome};

#[derive(Debug, Default)]
pub(super) struct Proof {
    known: Mutex<Known>,
    /// One call finds out, the others wait for it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// Volumes of living images.
    witnesses: Vec<String>,
    /// A volume of Glance's was there.
    seen: bool,
    /// What was found out, and the token that it holds for.
    verdict: Option<(Arc<Token>, Verdict)>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("witnesses", &self.witnesses).field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// What was seen of the project and its Cinder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// All projects are seen.
    pub admin: bool,
    /// Volumes of Glance's that were there.
    pub found: usize,
    /// Volumes of living images that were not.
    pub missing: usize,
}

/// Why a missing volume may be believed to be gone, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Gone,
    /// None of Glance's volumes is here.
    WrongCinder,
    /// Some of Glance's volumes may be in projects that we do not see.
    OtherProjects,
    /// Nothing shows that it is the right project.
    Unknown,
}

/// Pure.
pub(super) fn judge(sight: Sight) -> Verdict {
    match sight {
        Sight { found: 0, missing: 1.., .. } => Verdict::WrongCinder,
        Sight { admin: true, .. } => Verdict::Gone,
        Sight { found: 0, .. } => Verdict::Unknown,
        Sight { missing: 0, .. } => Verdict::Gone,
        _ => Verdict::OtherProjects,
    }
}

impl Proof {
    /// A new cycle, with volumes of living images.
    pub(super) fn expect(&self, witnesses: Vec<String>) {
        *self.lock() = Known { witnesses, seen: false, verdict: None };
    }

    /// A volume of Glance's is there.
    pub(super) fn saw(&self) {
        let mut known = self.lock();
        // Only a verdict that lacked just this can change.
        if !known.seen {
            known.seen = true;
            known.verdict = None;
        }
    }

    /// What a missing volume means.
    ///
    /// # Errors
    /// What kept us from finding out.
    pub(super) async fn of_absence(&self, api: &Api) -> Result<Verdict, Answer> {
        let _turn = self.asking.lock().await;
        let token = api.token().await?;
        let (witnesses, seen, verdict) = {
            let known = self.lock();
            (known.witnesses.clone(), known.seen, known.verdict.clone())
        };
        if let Some((of, verdict)) = verdict
            && Arc::ptr_eq(&of, &token)
        {
            return Ok(verdict);
        }
        let mut sight = Sight { admin: api.is_admin().await?, found: usize::from(seen), missing: 0 };
        for witness in &witnesses {
            match api.volume(witness).await? {
                Seen::There(volume) if volume.is_glances() => sight.found += 1,
                Seen::There(_) => {}
                Seen::Nothing => sight.missing += 1,
            }
        }
        let verdict = judge(sight);
        // With a newer token it would have to be found out anew: roles may have changed.
        if Arc::ptr_eq(&token, &api.token().await?) {
            let mut known = self.lock();
            if known.seen == seen && known.witnesses == witnesses {
                known.verdict = Some((token, verdict));
            }
            return Ok(verdict);
        }
        Err(Answer::because(
            Outcome::Unavailable,
            "the token was renewed while it was looked for; the next try will tell",
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer for a volume that is not to be seen.
pub(super) fn answer(verdict: Verdict, volume: &str, place: &str) -> Answer {
    let failed =
        |why: &str| Answer::because(Outcome::Failed, format!("cinder shows no volume {volume} to {place}, {why}"));
    match verdict {
        Verdict::Gone => Answer::plain(Outcome::Absent),
        Verdict::WrongCinder => {
            failed("nor any volume of the images that live: is it the right region, Cinder and project?")
        }
        Verdict::OtherProjects => failed(
            "nor some volumes of images that live: they are in other projects; use a user that is an administrator for \
             Cinder",
        ),
        Verdict::Unknown => failed(
            "but nothing shows that Glance's volumes are in that project; check the project, or use a user that is an \
             administrator for Cinder",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_volume_is_gone_only_where_it_would_have_been_seen() {
        let verdict = |admin, found, missing| judge(Sight { admin, found, missing });
        assert_eq!(verdict(true, 0, 0), Verdict::Gone, "nobody needs a volume, and all projects are seen");
        assert_eq!(verdict(true, 1, 0), Verdict::Gone);
        assert_eq!(verdict(true, 1, 2), Verdict::Gone, "some image lost its volume");
        assert_eq!(verdict(true, 0, 1), Verdict::WrongCinder);
        assert_eq!(verdict(false, 0, 0), Verdict::Unknown);
        assert_eq!(verdict(false, 0, 3), Verdict::WrongCinder);
        assert_eq!(verdict(false, 2, 0), Verdict::Gone);
        assert_eq!(verdict(false, 2, 1), Verdict::OtherProjects);
    }
}
