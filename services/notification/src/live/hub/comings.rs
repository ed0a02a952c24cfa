//! Who comes and goes, for those who tell other nodes of it.

use std::collections::HashSet;

use async_trait::async_trait;

use super::{Hub, lock};
use crate::live::Line;
use crate::ports::{Here, Moved, Present, Reader};

/// People who are noted; of more it is only known that there were many.
const NOTED_MAX: usize = 20_000;

/// Who came or went and was not asked for yet.
#[derive(Debug, Default)]
pub(super) struct Comings {
    /// Nothing is noted that nobody asks for.
    is_watched: bool,
    readers: HashSet<Reader>,
    is_many: bool,
}

impl Comings {
    /// Whether it is the first that is noted.
    fn note(&mut self, reader: &Reader) -> bool {
        if self.is_many || !self.is_watched {
            return false;
        }
        let is_first = self.readers.is_empty();
        self.readers.insert(reader.clone());
        if self.readers.len() > NOTED_MAX {
            self.readers = HashSet::new();
            self.is_many = true;
        }
        is_first
    }

    fn take(&mut self) -> Option<Moved> {
        if std::mem::take(&mut self.is_many) {
            return Some(Moved::Many);
        }
        let readers = std::mem::take(&mut self.readers);
        (!readers.is_empty()).then(|| Moved::Some(readers.into_iter().collect()))
    }
}

impl<L: Line> Hub<L> {
    /// Somebody came or went.
    pub(super) fn came_or_went(&self, reader: &Reader) {
        if lock(&self.comings).note(reader) {
            self.has_moved.notify_one();
        }
    }
}

#[async_trait]
impl<L: Line> Here for Hub<L> {
    fn here(&self, reader: &Reader) -> Option<Present> {
        let people = lock(self.person_shard(reader));
        people.get(reader).map(super::people::Person::present)
    }

    fn everybody(&self) -> Vec<(Reader, Present)> {
        let mut all = Vec::new();
        for shard in &self.people {
            let people = lock(shard);
            let some = people.iter();
            all.extend(some.map(|(reader, person)| (reader.clone(), person.present())));
        }
        all
    }

    fn watch(&self) {
        lock(&self.comings).is_watched = true;
    }

    async fn moved(&self) -> Moved {
        loop {
            let moved = lock(&self.comings).take();
            if let Some(moved) = moved {
                return moved;
            }
            self.has_moved.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tradepost_types::TenantId;

    use super::*;

    fn reader(tenant: TenantId, number: usize) -> Reader {
        Reader {
            tenant,
            user: format!("user-{number}").parse().unwrap(),
        }
    }

    #[test]
    fn nothing_is_noted_before_somebody_watches() {
        let mut comings = Comings::default();

        assert!(!comings.note(&reader(TenantId::new(), 0)));

        assert_eq!(comings.take(), None);
    }

    #[test]
    fn who_comes_and_goes_again_is_named_once_and_of_too_many_nobody_is() {
        let tenant = TenantId::new();
        let mut comings = Comings {
            is_watched: true,
            ..Comings::default()
        };

        let first = [
            comings.note(&reader(tenant, 0)),
            comings.note(&reader(tenant, 0)),
        ];
        let one = comings.take();
        for number in 0..=NOTED_MAX {
            comings.note(&reader(tenant, number));
        }
        comings.note(&reader(tenant, 0));
        let many = comings.take();

        assert_eq!(first, [true, false]);
        assert_eq!(one, Some(Moved::Some(vec![reader(tenant, 0)])));
        assert_eq!((many, comings.take()), (Some(Moved::Many), None));
        assert!(comings.note(&reader(tenant, 1)), "it begins anew");
    }
}
