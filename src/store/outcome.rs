//! The words for what became of a location. The same in logs, tables, JSON and metrics.

/// What a store said of one location, or why none was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The data was there and is gone now.
    Deleted,
    /// The data was gone already, and its container (directory, pool, bucket) was seen to be there.
    Absent,
    /// RBD: moved to the pool's trash because clones hold it.
    Trashed,
    /// Read-only for Glance (http, https): there is nothing of ours to delete.
    NothingToDelete,
    /// Clones, watchers, an attached volume. Not an error; tried again.
    InUse,
    /// The store has taken the order and is at it: the data goes, and is not proven gone yet. Asked again soon.
    Deleting,
    /// A location that must keep its data points to the same data.
    Shared,
    /// The stored value cannot be decrypted with the keys at hand.
    Undecryptable,
    /// The stored value is no URI that its store understands.
    Malformed,
    /// No configured store serves it.
    NoStore,
    /// The store refuses us, or we refuse: it lies outside of what the store was given.
    Forbidden,
    /// The store gave no answer that could be relied on: down, not mounted, too slow.
    Unavailable,
    /// Anything else.
    Failed,
}

impl Outcome {
    /// Every outcome, in the order of the vocabulary.
    pub const ALL: [Self; 13] = [
        Self::Deleted,
        Self::Absent,
        Self::Trashed,
        Self::NothingToDelete,
        Self::InUse,
        Self::Deleting,
        Self::Shared,
        Self::Undecryptable,
        Self::Malformed,
        Self::NoStore,
        Self::Forbidden,
        Self::Unavailable,
        Self::Failed,
    ];

    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Absent => "absent",
            Self::Trashed => "trashed",
            Self::NothingToDelete => "nothing_to_delete",
            Self::InUse => "in_use",
            Self::Deleting => "deleting",
            Self::Shared => "shared",
            Self::Undecryptable => "undecryptable",
            Self::Malformed => "malformed",
            Self::NoStore => "no_store",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// Whether the location's row becomes `deleted`: its data is proven gone.
    pub const fn finishes(self) -> bool {
        matches!(self, Self::Deleted | Self::Absent | Self::Trashed | Self::NothingToDelete)
    }

    /// Whether an operator has something to look at. `in_use`, `deleting` and `shared` are as they should be.
    pub const fn is_failure(self) -> bool {
        !self.finishes() && !matches!(self, Self::InUse | Self::Deleting | Self::Shared)
    }

    /// Whether data may still go after this answer: the call was given up, or the store works on.
    pub const fn may_take_effect(self) -> bool {
        matches!(self, Self::Unavailable | Self::Deleting)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An outcome with its reason. The detail names ids, paths and what to do, never a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The word.
    pub outcome: Outcome,
    /// Why, where the word alone does not say it. One line, lower case.
    pub detail: Option<String>,
}

impl Answer {
    /// An outcome that needs no explanation.
    pub const fn plain(outcome: Outcome) -> Self {
        Self { outcome, detail: None }
    }

    /// An outcome with its reason.
    pub fn because(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome, detail: Some(detail.into()) }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.outcome),
            None => self.outcome.fmt(f),
        }
    }
}
