//! Glance, as far as the storm needs one: it creates images, some of the data of others, deletes them, and takes
//! locations from living ones.

use std::time::{Duration, Instant};

use chrono::Utc;
use fastrand::Rng;

use super::model::{Image, Life};
use super::{STORES, Soak, directory_of};
use crate::support::api::{self, ApiImage, ApiLocation, path_of};
use crate::support::database::Session;

/// Living images that the writer keeps about.
const LIVING: usize = 60;

/// See [`Image::shrunk`].
const APART: Duration = Duration::from_secs(4);

pub fn write(soak: &Soak) {
    let mut random = soak.random(10);
    let mut session = soak.site.database.session();
    let mut number = 0;
    while !soak.is_over() {
        let living = soak.model.lock().unwrap().count(|image| image.life == Life::Living);
        match random.u32(0..100) {
            0..10 => shrink(soak, &mut session, &mut random),
            10..13 => {
                number += 1;
                share(soak, &mut session, &mut random, &format!("twin-{number:06}"));
            }
            _ if random.usize(0..2 * LIVING) >= living => {
                number += 1;
                create(soak, &mut session, &mut random, &format!("soak-{number:06}"));
            }
            _ => delete(soak, &mut session, &mut random),
        }
        soak.pass(Duration::from_millis(random.u64(0..60)));
    }
}

fn create(soak: &Soak, session: &mut Session, random: &mut Rng, id: &str) {
    let mut locations = Vec::new();
    for part in 0..random.usize(1..=3) {
        let store = STORES[random.usize(0..STORES.len())];
        let path = directory_of(&soak.site, store).join(format!("{id}.{part}"));
        let uri = format!("file://{}", path.display());
        let location = ApiLocation { uri, store: store.to_owned() };
        std::fs::write(&path, location.content()).unwrap();
        locations.push(location);
    }
    write_image(soak, session, random, id, locations);
}

/// Makes an image of data that a living one has too.
fn share(soak: &Soak, session: &mut Session, random: &mut Rng, id: &str) {
    let Some(image) = claim(soak, random, |image| image.life == Life::Living) else { return };
    write_image(soak, session, random, id, image.api.locations[..1].to_vec());
    soak.model.lock().unwrap().set(&image.api.id, Life::Living);
    soak.counts.one("images of shared data");
}

fn write_image(soak: &Soak, session: &mut Session, random: &mut Rng, id: &str, locations: Vec<ApiLocation>) {
    let some = |what: &str, most: usize, random: &mut Rng| {
        (0..random.usize(0..=most)).map(|number| format!("{what}{number}")).collect::<Vec<_>>()
    };
    let properties = some("property", 3, random).into_iter().map(|name| (name.clone(), format!("{name} of {id}")));
    let (properties, tags, members) = (properties.collect(), some("tag", 2, random), some("member", 1, random));
    let image = ApiImage { id: id.to_owned(), locations, tags, properties, members };
    soak.model.lock().unwrap().put(image.clone());
    session.transact(&image.create(soak.engine(), Utc::now()));
    soak.model.lock().unwrap().set(id, Life::Living);
    soak.counts.one("images written");
}

fn delete(soak: &Soak, session: &mut Session, random: &mut Rng) {
    let ready =
        |image: &Image| image.life == Life::Living && image.shrunk.is_none_or(|shrunk| shrunk.elapsed() > APART);
    let Some(image) = claim(soak, random, ready) else { return };
    for transaction in image.api.delete(soak.engine(), Utc::now) {
        session.transact(&transaction);
    }
    soak.model.lock().unwrap().set(&image.api.id, Life::Pending(Instant::now()));
    soak.counts.one("images deleted");
}

/// Takes a location from an image that has more than one.
fn shrink(soak: &Soak, session: &mut Session, random: &mut Rng) {
    let Some(mut image) = claim(soak, random, |image| image.life == Life::Living && image.api.locations.len() > 1)
    else {
        return;
    };
    let removed = image.api.locations.pop().unwrap();
    assert!(path_of(&removed.uri).exists(), "{} is gone, but its image lived", removed.uri);
    session.transact(&api::remove_location(&image.api.id, &removed.uri, soak.engine(), &api::time(Utc::now())));
    let mut model = soak.model.lock().unwrap();
    let known = model.images.get_mut(&image.api.id).unwrap();
    (known.api, known.shrunk) = (image.api.clone(), Some(Instant::now()));
    model.set(&image.api.id, Life::Living);
    soak.counts.one("locations removed from living images");
}

/// Picks an image, and tells the others that it is changing.
fn claim(soak: &Soak, random: &mut Rng, wanted: impl Fn(&Image) -> bool) -> Option<Image> {
    let mut model = soak.model.lock().unwrap();
    let image = model.pick(random, wanted)?;
    model.set(&image.api.id, Life::Changing);
    Some(image)
}
