//! Which requests may start: first come, first served within a resource, in the order of main. Pure: it
//! knows ids, lock keys and times, takes no lock and starts nothing.
//!
//! A request that is held (by a fault, a missing layer, its `not_before`) is not in the queue at all and so
//! keeps no place. One that waits for its next attempt keeps its place and blocks those behind it. Times here are those of
//! the monotonic clock: a wall clock that is set back must not keep anything waiting.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::id::RequestId;

/// Place in the order of main: position of the introducing commit, then path bytewise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Position of the introducing commit on the first-parent line; older is smaller.
    pub position: u64,
    /// Path of the request in the inbox.
    pub path: String,
}

/// What a queued request is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May start as soon as its resources are free.
    Ready,
    /// Another host has it, or one of its resources: it keeps its place, so that nothing behind it goes first.
    Away,
    /// Runs now.
    Running,
    /// Waits for its next attempt.
    Retrying {
        /// When that is due.
        due: Duration,
    },
}

#[derive(Clone, Debug)]
struct Place {
    id: RequestId,
    keys: BTreeSet<String>,
    standing: Standing,
}

/// The queue of one dispatcher.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    // With the id, because what lies uncommitted in a work tree has no position and may share a path with its past.
    places: BTreeMap<(Order, RequestId), Place>,
    orders: HashMap<RequestId, (Order, RequestId)>,
    /// Those that do something other than wait for their turn: a few among many.
    engaged: BTreeSet<(Order, RequestId)>,
}

impl Queue {
    /// Puts a request in its place. One that is already queued stays as it is.
    pub fn insert(&mut self, id: RequestId, order: Order, keys: BTreeSet<String>, standing: Standing) {
        if let Entry::Vacant(vacant) = self.orders.entry(id) {
            let order = (order, id);
            vacant.insert(order.clone());
            self.engage(&order, standing);
            self.places.insert(order, Place { id, keys, standing });
        }
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: RequestId) {
        if let Some(order) = self.orders.remove(&id) {
            self.places.remove(&order);
            self.engaged.remove(&order);
        }
    }

    /// Notes what a queued request is doing now.
    pub fn set(&mut self, id: RequestId, standing: Standing) {
        let Some(order) = self.orders.get(&id).cloned() else { return };
        if let Some(place) = self.places.get_mut(&order) {
            place.standing = standing;
            self.engage(&order, standing);
        }
    }

    fn engage(&mut self, order: &(Order, RequestId), standing: Standing) {
        if standing == Standing::Ready {
            self.engaged.remove(order);
        } else {
            self.engaged.insert(order.clone());
        }
    }

    /// What a queued request is doing.
    pub fn standing(&self, id: RequestId) -> Option<Standing> {
        self.orders.get(&id).and_then(|order| self.places.get(order)).map(|place| place.standing)
    }

    /// The first requests that may start now, at most `most`, no two with a resource in common.
    pub fn startable(&self, now: Duration, most: usize) -> Vec<RequestId> {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut chosen = Vec::new();
        for place in self.places.values() {
            if chosen.len() == most {
                break;
            }
            let due = match place.standing {
                Standing::Ready => true,
                Standing::Away | Standing::Running => false,
                Standing::Retrying { due } => due <= now,
            };
            if due && place.keys.iter().all(|key| !taken.contains(key.as_str())) {
                chosen.push(place.id);
            }
            taken.extend(place.keys.iter().map(String::as_str));
        }
        chosen
    }

    /// The first requests that do not run, at most `most`, each with what keeps it from starting: the first before it that
    /// shares a resource, with that resource.
    pub fn waiting(&self, most: usize) -> Vec<(RequestId, Option<(RequestId, String)>)> {
        // Who comes first to each resource, and as which.
        let mut first: HashMap<&str, (usize, RequestId)> = HashMap::new();
        let mut waiting = Vec::new();
        for (index, place) in self.places.values().enumerate() {
            if waiting.len() == most {
                break;
            }
            if place.standing != Standing::Running {
                let before = place.keys.iter().filter_map(|key| Some((first.get(key.as_str())?, key)));
                let before = before.min_by_key(|((index, _), _)| *index);
                waiting.push((place.id, before.map(|((_, id), key)| (*id, key.clone()))));
            }
            for key in &place.keys {
                first.entry(key).or_insert((index, place.id));
            }
        }
        waiting
    }

    /// When the next waiting attempt is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.engaged()
            .filter_map(|(_, standing)| match standing {
                Standing::Retrying { due } => Some(due),
                _ => None,
            })
            .min()
    }

    /// What runs now.
    pub fn running(&self) -> impl Iterator<Item = RequestId> {
        self.engaged().filter(|(_, standing)| *standing == Standing::Running).map(|(id, _)| id)
    }

    /// Ids in order of all that does not merely wait for its turn, with what each is doing.
    pub fn engaged(&self) -> impl Iterator<Item = (RequestId, Standing)> {
        self.engaged.iter().filter_map(|order| self.places.get(order)).map(|place| (place.id, place.standing))
    }

    /// Ids in order, with what each is doing.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, Standing)> {
        self.places.values().map(|place| (place.id, place.standing))
    }

    /// How many requests are queued, running ones included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RequestId {
        RequestId::derived("c", "p", &n.to_string())
    }
    fn queue(rows: &[(u8, u64, &[&str])]) -> Queue {
        let mut queue = Queue::default();
        for (n, position, keys) in rows {
            let order = Order { position: *position, path: format!("requests/{n}.yml") };
            queue.insert(id(*n), order, keys.iter().map(|key| (*key).to_owned()).collect(), Standing::Ready);
        }
        queue
    }
    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn order_is_mains_then_the_path() {
        let queue = queue(&[(3, 7, &["c"]), (2, 7, &["b"]), (1, 9, &["a"])]);
        assert_eq!(queue.startable(at(0), 9), [id(2), id(3), id(1)]);
        assert_eq!(queue.startable(at(0), 1), [id(2)]);
    }

    #[test]
    fn a_later_request_never_overtakes_on_any_of_its_resources() {
        let mut queue = queue(&[(1, 1, &["a"]), (2, 2, &["a", "b"]), (3, 3, &["b"]), (4, 4, &["c"])]);
        // 3 shares nothing with 1, but 2 stands before it and wants b.
        assert_eq!(queue.startable(at(0), 9), [id(1), id(4)]);
        let behind = |n, key: &str| Some((id(n), key.to_owned()));
        let waiting = [(id(1), None), (id(2), behind(1, "a")), (id(3), behind(2, "b")), (id(4), None)];
        assert_eq!((queue.waiting(9), queue.waiting(2)), (waiting.to_vec(), waiting[..2].to_vec()));
        queue.set(id(1), Standing::Running);
        assert_eq!(queue.startable(at(0), 9), [id(4)]);
        assert_eq!((queue.waiting(1), queue.running().collect()), (vec![(id(2), behind(1, "a"))], vec![id(1)]));
        queue.remove(id(1));
        assert_eq!(queue.startable(at(0), 9), [id(2), id(4)]);
    }

    #[test]
    fn what_another_host_has_keeps_its_place_on_every_resource() {
        let mut queue = queue(&[(1, 1, &["a"]), (2, 2, &["a", "b"]), (3, 3, &["b"]), (4, 4, &["c"])]);
        queue.set(id(1), Standing::Away);
        assert_eq!(queue.startable(at(0), 9), [id(4)]);
        queue.set(id(1), Standing::Ready);
        assert_eq!(queue.startable(at(0), 9), [id(1), id(4)]);
    }

    #[test]
    fn a_retrying_request_keeps_its_place() {
        let mut queue = queue(&[(1, 1, &["a"]), (2, 2, &["a"])]);
        queue.set(id(1), Standing::Retrying { due: at(10) });
        assert_eq!(queue.startable(at(9), 9), []);
        assert_eq!(queue.next_due(), Some(at(10)));
        assert_eq!(queue.startable(at(10), 9), [id(1)]);
    }
}
