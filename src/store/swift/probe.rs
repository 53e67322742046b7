//! What deleting would meet, for a dry run and for a restore. Changes nothing.

use super::dlo::Segments;
use super::object::{self, Look, Sure};
use super::{SwiftStore, slo};
use crate::location::Location;
use crate::location::shape::is_uuid;
use crate::store::{Answer, Outcome, Probed};

impl SwiftStore {
    pub(super) async fn probe_one(&self, location: &Location) -> Result<Probed, Answer> {
        let opened = self.opened(location).await?;
        let (account, container, object) = (&opened.account, &opened.address.container, &opened.address.object);
        let whole = |bytes: u64| Probed { stored: Some(bytes), length: Some(bytes), ..Probed::default() };
        match object::look(account, container, object, Sure::Newest).await? {
            Look::Plain(bytes) => Ok(whole(bytes)),
            Look::Static(bytes) => {
                let (gone, all) = slo::missing(account, container, object).await?;
                let missing = (gone > 0).then(|| format!("{gone} of its {all} segments are gone"));
                Ok(Probed { missing, ..whole(bytes) })
            }
            Look::Dynamic { manifest, bytes } => {
                let answer = Segments::of_manifest(&manifest, container, object).err();
                Ok(Probed { answer, stored: bytes, length: bytes, missing: None })
            }
            Look::Missing => {
                if self.container_went(&opened).await? || !is_uuid(object) {
                    return Ok(Answer::plain(Outcome::Absent).into());
                }
                match Segments::of_glance(container, object).count(account).await? {
                    0 => Ok(Answer::plain(Outcome::Absent).into()),
                    some => Ok(Probed {
                        missing: Some(format!("its manifest is gone, and at least {some} segments are not")),
                        ..Probed::default()
                    }),
                }
            }
        }
    }
}
