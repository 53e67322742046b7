//! A look in the stores: whether the data of what is to come back is still there, and whole.
//!
//! Promises: asks as a dry run with `--probe` does, by [`Store::probe`](crate::store::Store::probe), and changes nothing. An
//! image that would be active without its data is worse than one that stays deleted: whatever is not known for certain
//! is a [`Refusal`].

use super::refusal::Refusal;
use crate::catalog::LocationRow;
use crate::config::StoreId;
use crate::location;
use crate::scrub::{self, Keep, Policy, Prober, Reason, Resolved};
use crate::store::{Answer, Outcome, Probed};

/// What is known of one location's data.
#[derive(Debug)]
pub struct Sight {
    /// The store that was asked.
    pub store: Option<StoreId>,
    /// The URI, without credentials; where it could be decrypted.
    pub location: Option<String>,
    /// That it is there, in words; or why it does not come back.
    pub verdict: Result<String, Refusal>,
}

/// Asks for each of `rows`, in order. The stores must know what to expect: see [`scrub::acquaint`].
pub async fn look(rows: &[LocationRow], size: Option<u64>, policy: &Policy<'_>) -> Vec<Sight> {
    let resolved: Vec<_> = rows.iter().map(|row| scrub::resolve(row, policy)).collect();
    let mut prober = Prober::new(policy.stores, None);
    let (questions, failures): (Vec<_>, Vec<_>) = resolved.into_iter().map(split).unzip();
    let stores: Vec<_> = questions.iter().map(|question| question.as_ref().map(|resolved| resolved.store)).collect();
    let answers = prober.ask(questions).await;
    let all = rows.iter().zip(failures).zip(stores).zip(answers);
    all.map(|(((row, failure), asked), probed)| {
        let known = failure.as_ref().and_then(|(_, store)| *store);
        let store = asked.or(known).map(|store| policy.stores.all()[store].id().clone());
        let opened = location::open(row.value.expose(), &row.image_id.0, policy.keys).ok();
        let verdict = match failure {
            Some((keep, _)) => Err(untold(row, store.clone(), keep)),
            None => judge(row, store.clone(), probed.unwrap_or_default(), size),
        };
        Sight { store, location: opened.map(|opened| opened.uri.redacted()), verdict }
    })
    .collect()
}

type Failure = Option<(Keep, Option<usize>)>;

fn split(resolved: Result<Resolved, (Keep, Option<usize>)>) -> (Option<Resolved>, Failure) {
    match resolved {
        Ok(resolved) => (Some(resolved), None),
        Err(failure) => (None, Some(failure)),
    }
}

/// What a store's answer means for a restore. Pure.
fn judge(row: &LocationRow, store: Option<StoreId>, probed: Probed, size: Option<u64>) -> Result<String, Refusal> {
    let location = row.id;
    if let Some(missing) = probed.missing {
        return Err(Refusal::Damaged { location, store, missing });
    }
    let is_there = probed.stored.is_some();
    let words = match probed.answer {
        None if is_there => "it is there".to_owned(),
        // In a backend that tells nothing of what it has.
        None => return Err(untold(row, store, Keep::plain(Reason::Outcome(Outcome::Unavailable)))),
        Some(Answer { outcome: Outcome::NothingToDelete, .. }) => "Glance keeps no data of its own there".to_owned(),
        Some(Answer { outcome: Outcome::InUse, detail }) => because("it is there, and in use", detail),
        // Its delete would end in the trash; it is not there yet.
        Some(Answer { outcome: Outcome::Trashed, detail }) if is_there => because("it is there", detail),
        // What may not be removed may be read all the same.
        Some(Answer { outcome: Outcome::Forbidden, detail }) if is_there => because("it is there", detail),
        Some(Answer { outcome: Outcome::Absent | Outcome::Deleted | Outcome::Trashed, detail }) => {
            return Err(Refusal::Gone { location, store, detail });
        }
        Some(Answer { outcome: Outcome::Deleting, detail }) => return Err(Refusal::Going { location, store, detail }),
        Some(answer) => return Err(untold(row, store, answer.into())),
    };
    match (probed.length, size) {
        (Some(found), Some(expected)) if found != expected => {
            Err(Refusal::OtherSize { location, store, found, expected })
        }
        _ => Ok(words),
    }
}

fn because(words: &str, detail: Option<String>) -> String {
    detail.map_or_else(|| words.to_owned(), |detail| format!("{words}: {detail}"))
}

fn untold(row: &LocationRow, store: Option<StoreId>, keep: Keep) -> Refusal {
    Refusal::Untold { location: row.id, store, reason: keep.reason, detail: keep.detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ImageId, LocationId, StoredValue};

    #[test]
    fn what_a_store_is_deleting_does_not_come_back() {
        let row = LocationRow {
            id: LocationId(7),
            image_id: ImageId("image".to_owned()),
            value: StoredValue::new("cinder://volume".to_owned()),
            meta_data: None,
            status: "pending_delete".to_owned(),
            deleted_at: None,
            image: None,
        };
        let probed = Probed { stored: Some(1), ..Answer::because(Outcome::Deleting, "since noon").into() };
        let refusal = judge(&row, Some(StoreId("volumes".to_owned())), probed, Some(1)).unwrap_err();
        assert_eq!(refusal.to_string(), "the data of location 7 in store volumes is being deleted: since noon");
    }
}
