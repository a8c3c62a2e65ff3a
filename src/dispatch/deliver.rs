//! Delivering: when a batch goes to the publisher, what its answers mean for the next try, and what is not started meanwhile.

use std::sync::mpsc::Sender;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BATCH_OPEN, Batch, DispatchError, Dispatcher, Halt, Obstacle, PublishError, Round};
use super::{UNPUBLISHED_BYTES_MAX, UNPUBLISHED_MAX};
use crate::backoff::Policy;
use crate::clock::utc_millis;
use crate::durable;
use crate::id::RequestId;
use crate::journal::{Journal, JournalError};
use crate::publish::{self, locked};
use crate::repo::{Oid, Repo};
use crate::room;
use crate::units::format_size;

/// Journal key: the remote and credential that a record has reached before.
const META_PROVEN: &str = "proven";
/// Journal key: the open circuit, as [`Circuit`] in JSON; empty where it is closed.
const META_CIRCUIT: &str = "circuit";

/// Pauses after a push that did not go through; each is anything from nothing to its ceiling.
pub(super) const PUSH_PAUSES: Policy =
    Policy { first: Duration::from_secs(1), max: Duration::from_mins(5), attempts: u32::MAX };
/// The same where credentials are refused: asking often only locks accounts.
pub(super) const AUTH_PAUSES: Policy =
    Policy { first: Duration::from_mins(1), max: Duration::from_hours(1), attempts: u32::MAX };
/// And where a rule of the server declines, once the tries of a pass are used up: somebody has to change it, and then wants
/// to see that it helped.
const DECLINED_PAUSES: Policy =
    Policy { first: Duration::from_mins(1), max: Duration::from_mins(5), attempts: u32::MAX };

/// The server declines whatever we push: nothing is started until it takes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// In the server's words.
    pub words: String,
}

/// How the pushes of this process have gone.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Rounds in a row that the remote has not answered.
    pub(super) failures: u32,
    /// What kept the last round from publishing everything, and for how many rounds in a row: the pauses grow with it.
    met: Option<(Setback, u32)>,
    /// Not before then.
    due: Option<Duration>,
    /// Nothing has ever reached this remote: one record goes ahead alone.
    unproven: bool,
    /// A record was declined, and whether it is the record or the server is not known.
    doubt: bool,
    /// That was so when this process began: its first try is one of a later pass.
    doubted_before: bool,
    circuit: Option<Circuit>,
    /// What the last round met.
    obstacle: Option<Obstacle>,
}

/// How the user's work tree comes to where main is.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// Main has something of ours that the work tree has not.
    pub(super) to: Option<Oid>,
    /// The publisher brings it up.
    pub(super) under_way: bool,
    /// When it began to, the last time.
    at: Duration,
}

impl Following {
    pub(super) fn is_over(&self) -> bool {
        self.to.is_none() && !self.under_way
    }
}

/// What keeps a round from publishing, as far as the next try goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setback {
    Network,
    Auth,
    Configuration,
    Declined,
    /// This host has no room to build what it would push.
    Disk,
}

/// Why nothing new is started, although nobody said so and the repository is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Circuit(Circuit),
    Backlog { records: usize, bytes: u64 },
    Pushes,
    Proof,
    Doubt,
}

impl Waiting {
    fn words(&self) -> String {
        let until = "nothing new is started until a push goes through";
        match self {
            Self::Circuit(Circuit { since, words }) => {
                format!("the remote declines every record since {since}: {until} ({words})")
            }
            Self::Backlog { records, bytes } => {
                format!("{records} records ({}) wait to be published, which is as many as may: {until}", size(*bytes))
            }
            Self::Pushes => format!("records cannot be published: {until}"),
            Self::Proof => "nothing of ours has reached this remote yet: one request goes ahead alone, and the others follow when its record is on main".to_owned(),
            Self::Doubt => "the remote has declined a record: before anything new is started it is found out whether it declines all of them".to_owned(),
        }
    }
}

impl Delivery {
    /// How it was left by the process before.
    pub(super) fn resume(journal: &Journal, repo: &Repo, state_id: Uuid) -> Result<Self, JournalError> {
        let way_in = repo.way_in(&state_id.to_string());
        let unproven = !way_in.is_empty() && journal.meta(META_PROVEN)?.as_deref() != Some(&way_in);
        let circuit = journal.meta(META_CIRCUIT)?.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Self { unproven, circuit, ..Self::default() })
    }

    /// Trying again by itself is no use in this pass: credentials and set-up do not mend themselves.
    fn is_hopeless(&self) -> bool {
        matches!(self.met, Some((Setback::Auth | Setback::Configuration, _)))
    }

    /// How many rounds in a row had records declined.
    fn noes(&self) -> u32 {
        match self.met {
            Some((Setback::Declined, times)) => times,
            _ => 0,
        }
    }

    pub(super) fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }

    /// When the next try is due, where it lies ahead.
    pub(super) fn due(&self, now: Duration) -> Option<Duration> {
        self.due.filter(|due| *due > now)
    }

    /// Somebody says that it is worth a try now.
    pub(super) fn hurry(&mut self) {
        self.due = None;
    }
}

impl Dispatcher {
    /// Hands a closed batch to the publisher: when nothing runs or can start, or the batch is old or large enough.
    pub(super) fn publish_due(&mut self, deliveries: &Sender<publish::Delivery>) -> Result<(), DispatchError> {
        let now = self.clock.monotonic();
        if self.publishing > 0 || self.ended.is_empty() || !self.may_push(now) {
            return Ok(());
        }
        let old = self.batch_open.is_some_and(|opened| now.saturating_sub(opened) >= BATCH_OPEN);
        // Half of what may wait: the other half can end while this is on its way.
        let full = self.ended.len() >= UNPUBLISHED_MAX / 2;
        let more = self.running > 0 || self.recording.under_way() > 0 || self.may_start_something();
        if !old && !full && more {
            return Ok(());
        }
        let Some(tip) = self.tip else { return Ok(()) };
        // What main is about to have must not be in doubt here.
        self.say_endings()?;
        let suffix = self.contract.as_ref().map(|contract| contract.config.commit_suffix.clone()).unwrap_or_default();
        let last_word = self.is_time_for_a_last_word();
        let parcels = std::mem::take(&mut self.ended);
        self.publishing = parcels.len();
        self.batch_open = None;
        // The publisher outlives us only where the whole process ends, and then the journal knows.
        let batch = Batch { tip, parcels, suffix, last_word };
        let _ = deliveries.send(publish::Delivery::Batch(batch));
        Ok(())
    }

    /// Has the work tree brought up: when nothing else is about to be published, and at times under load.
    pub(super) fn follow_due(&mut self, deliveries: &Sender<publish::Delivery>) {
        let more_comes = self.unpublished() > 0 || self.may_start_something();
        let late = self.clock.monotonic().saturating_sub(self.following.at) >= BATCH_OPEN;
        if self.following.under_way || more_comes && !late {
            return;
        }
        let Some(tip) = self.following.to.take() else { return };
        let top = self.repo.checkout().work_tree.as_ref();
        let inbox = top.zip(self.contract.as_ref()).map(|(top, contract)| top.join(&contract.config.inbox));
        self.following.under_way = deliveries.send(publish::Delivery::Follow { tip, inbox }).is_ok();
        self.following.at = self.clock.monotonic();
    }

    /// Whether a record that is declined may now be tried with its status alone, although nothing else goes through: in a
    /// later pass; in this one with its last try, and only where others wait for the answer.
    fn is_time_for_a_last_word(&self) -> bool {
        let (noes, tries) = (self.delivery.noes(), self.settings.push_tries);
        self.delivery.doubted_before || noes >= tries || (noes + 1 >= tries && self.others_wait())
    }

    fn others_wait(&self) -> bool {
        !self.queue.startable(self.clock.monotonic(), 1).is_empty()
    }

    /// Whether a push may be tried at this moment.
    fn may_push(&self, now: Duration) -> bool {
        if self.halt == Some(Halt::Rewritten) || !self.may_publish() {
            return false;
        }
        let delivery = &self.delivery;
        // What the remote has not seen yet does not wait for the pause of what it declined; nor does anybody wait for an
        // answer that is to be had.
        let noes = delivery.noes();
        let asked = delivery.doubt && delivery.circuit.is_none() && noes >= self.settings.push_tries;
        if noes > 0 && (self.has_undeclined() || asked && self.others_wait()) {
            return true;
        }
        !self.push_is_over() && delivery.due(now).is_none()
    }

    /// No more pushes in this pass: its tries are used up, or no further one could do better. `watch` tries on and on.
    fn push_is_over(&self) -> bool {
        let (delivery, tries) = (&self.delivery, self.settings.push_tries);
        let noes = delivery.noes();
        let told = delivery.circuit.is_some() || !delivery.doubt || noes >= tries;
        self.interval.is_none()
            && (delivery.is_hopeless() || delivery.failures >= tries || noes > 0 && told && !self.has_undeclined())
    }

    fn has_undeclined(&self) -> bool {
        self.ended.iter().any(|parcel| parcel.declined == 0)
    }

    /// What ended is published, is being published, or cannot be for now.
    pub(super) fn is_delivered(&self) -> bool {
        self.publishing == 0
            && (self.ended.is_empty() || self.halt == Some(Halt::Rewritten) || !self.may_publish() || self.is_stuck())
    }

    fn is_stuck(&self) -> bool {
        // A pause within a pass of `run` is waited for; `watch` says meanwhile how things stand.
        let pausing = self.interval.is_some() && self.delivery.due(self.clock.monotonic()).is_some();
        let fresh = self.delivery.noes() > 0 && self.has_undeclined();
        (pausing || self.push_is_over()) && !fresh
    }

    /// How many more may be started as far as records can be published; the reason where it is none.
    pub(super) fn openings(&self) -> Result<usize, Waiting> {
        let delivery = &self.delivery;
        let unpublished = self.unpublished();
        let bytes = self.spooled_bytes.values().sum::<u64>();
        if let Some(circuit) = &delivery.circuit {
            return Err(Waiting::Circuit(circuit.clone()));
        }
        if delivery.is_hopeless() || delivery.failures >= self.settings.push_tries {
            return Err(Waiting::Pushes);
        }
        if unpublished + self.running >= UNPUBLISHED_MAX || bytes >= UNPUBLISHED_BYTES_MAX {
            return Err(Waiting::Backlog { records: unpublished + self.running, bytes });
        }
        if delivery.unproven {
            return if unpublished + self.running > 0 { Err(Waiting::Proof) } else { Ok(1) };
        }
        if delivery.doubt {
            return Err(Waiting::Doubt);
        }
        Ok((UNPUBLISHED_MAX - unpublished - self.running).min(self.recording.room(self.settings.jobs)))
    }

    /// Records of this process that are not on main yet.
    pub(super) fn unpublished(&self) -> usize {
        self.recording.under_way() + self.ended.len() + self.publishing
    }

    /// Records that need no start would still pile up: with a remote that takes nothing, they wait like the rest.
    pub(super) fn backlog(&self) -> Option<String> {
        let troubled = self.delivery.failures > 0 || self.delivery.is_hopeless() || self.delivery.circuit.is_some();
        let full = self.unpublished() + self.running >= UNPUBLISHED_MAX;
        (troubled && full).then(|| self.openings().err().map(|waiting| waiting.words())).flatten()
    }

    /// What is in the way, of fetching, or of publishing until a push goes through.
    pub(super) fn obstacle(&self) -> Option<&Obstacle> {
        self.summary.obstacle.as_ref().or(self.delivery.obstacle.as_ref())
    }

    /// Why nothing new is started, in words; `None` where something would be.
    pub(super) fn waiting(&self) -> Option<String> {
        self.openings().err().map(|waiting| waiting.words())
    }

    /// What the publisher came back with.
    pub(super) fn take_round(&mut self, round: Result<Round, PublishError>) -> Result<(), DispatchError> {
        self.publishing = 0;
        let round = match round {
            Err(error) if self.lacks_room(&error) => return self.publish_later(&error),
            round => round?,
        };
        self.tip = Some(round.tip);
        if !round.published.is_empty() {
            self.reached_main(round.published.len())?;
            tracing::info!("published {} record(s) as {}", round.published.len(), short(&round.tip.to_string()));
            let published: Vec<RequestId> = round.published.iter().map(|parcel| parcel.record.id).collect();
            self.forget_claims(&published);
            for parcel in &round.published {
                self.places.remove(&parcel.place.to_lowercase());
                self.spooled_bytes.remove(&parcel.record.id);
            }
            self.following.to = Some(round.tip);
            self.remove_loose(&round)?;
            // What came into the inbox with them is on main now, and this pass handles what is.
            self.look_again |= round.published.iter().any(|parcel| !parcel.requests.is_empty());
        }
        self.summary.obstacle.clone_from(&round.obstacle);
        if !round.left.is_empty() {
            self.batch_open.get_or_insert(self.clock.monotonic());
        }
        self.ended.splice(0..0, round.left);
        if let Some(obstacle) = &round.obstacle {
            self.meet_obstacle(obstacle)?;
        }
        Ok(())
    }

    /// Records are on main: the remote takes what we send, so nothing that waited for that waits any longer.
    pub(super) fn reached_main(&mut self, count: usize) -> Result<(), DispatchError> {
        self.summary.published += count;
        self.last_push = self.clock.now().as_second();
        self.summary.unwritable = None;
        if self.ended.is_empty() {
            self.batch_open = None;
        }
        if self.delivery.unproven {
            let proven = self.repo.way_in(&self.state_id.to_string());
            locked(&self.journal).set_meta(META_PROVEN, &proven)?;
        }
        if self.delivery.circuit.is_some() {
            tracing::info!("the remote takes records again");
            locked(&self.journal).set_meta(META_CIRCUIT, "")?;
        }
        // Requests that were held because nothing could be published may go on.
        self.look_again |= self.held.values().any(|held| held.by == super::HeldBy::Backlog);
        self.delivery = Delivery::default();
        self.doubt_declined();
        Ok(())
    }

    /// The publisher met a full disk: what it was given lies in the spool still, and the journal knows how far it came.
    fn publish_later(&mut self, error: &PublishError) -> Result<(), DispatchError> {
        self.lack_room(error.to_string());
        let rows = locked(&self.journal).open_requests()?;
        for row in rows {
            if let Some(outcome) = row.state.outcome() {
                self.recover_ended(&row, outcome)?;
            }
        }
        self.pause_after(Setback::Disk);
        Ok(())
    }

    /// Whether it was for want of room, on our own disk or on that of a repository without a remote.
    pub(super) fn lacks_room(&self, error: &(dyn std::error::Error + 'static)) -> bool {
        const NEXT_TO_NOTHING: u64 = 1 << 20;
        let is_full = |folder: &std::path::Path| {
            durable::free_room(folder)
                .is_ok_and(|free| free.bytes < NEXT_TO_NOTHING || free.files.is_some_and(|files| files < 16))
        };
        let places = [self.state.root(), &self.repo.checkout().common_dir];
        room::is_lacking(error) || room::is_unsaid(error) && places.into_iter().any(is_full)
    }

    /// Something could not be written for want of room; said once.
    pub(super) fn lack_room(&mut self, words: String) {
        if ![&self.summary.unwritable, &self.lacked_before].contains(&&Some(words.clone())) {
            tracing::error!("{words}");
        }
        self.summary.unwritable = Some(words);
    }

    fn meet_obstacle(&mut self, obstacle: &Obstacle) -> Result<(), DispatchError> {
        let setback = match obstacle {
            Obstacle::Rewritten { .. } => {
                self.halt = Some(Halt::Rewritten);
                self.alarm(&obstacle.words());
                return Ok(());
            }
            Obstacle::Network(_) | Obstacle::Busy(_) => Setback::Network,
            Obstacle::Configuration(_) => Setback::Configuration,
            Obstacle::Auth(_) => Setback::Auth,
            Obstacle::Declined(_) | Obstacle::Closed(_) => Setback::Declined,
        };
        self.doubt_declined();
        self.pause_after(setback);
        let known = self.delivery.obstacle.replace(obstacle.clone()).is_some_and(|known| known == *obstacle);
        if let Obstacle::Closed(words) = obstacle {
            self.open_circuit(words)?;
        }
        // Said once, and not at every try.
        if known {
            tracing::debug!("not published again: {}", obstacle.words());
        } else {
            tracing::warn!("not published: {}", obstacle.words());
        }
        Ok(())
    }

    /// Until when no push is tried: the pauses grow with each round that meets the same.
    fn pause_after(&mut self, setback: Setback) {
        let tries = self.settings.push_tries;
        let delivery = &mut self.delivery;
        let silent = matches!(setback, Setback::Network | Setback::Disk);
        delivery.failures = if silent { delivery.failures.saturating_add(1) } else { 0 };
        let again = match delivery.met {
            Some((before, times)) if before == setback => times.saturating_add(1),
            _ => 1,
        };
        delivery.met = Some((setback, again));
        let (policy, number) = pauses(setback, again, delivery.doubt, tries);
        // Spread out, where everybody else who waits for the same may be back at the same moment.
        let random = || f64::from(Uuid::new_v4().as_bytes()[0]) / 256.0;
        let share = if policy == PUSH_PAUSES && setback != Setback::Disk { random() } else { 1.0 };
        let pause = policy.pause_after(number, || share).unwrap_or(policy.max);
        delivery.due = Some(self.clock.monotonic().saturating_add(pause));
    }

    /// Whether a record that was declined leaves open if the remote declines all of them.
    fn doubt_declined(&mut self) {
        self.delivery.doubt = self.ended.iter().any(|parcel| parcel.declined > 0 && !parcel.refused);
    }

    /// What the process before left: records that were declined, and a circuit that it opened.
    pub(super) fn take_up_delivery(&mut self) -> Result<(), DispatchError> {
        self.doubt_declined();
        self.delivery.doubted_before = self.delivery.doubt;
        self.close_idle_circuit()
    }

    fn open_circuit(&mut self, words: &str) -> Result<(), DispatchError> {
        let since = self.delivery.circuit.take().map(|circuit| circuit.since);
        let since = since.unwrap_or_else(|| utc_millis(self.clock.now()));
        let circuit = Circuit { since, words: words.to_owned() };
        let text = serde_json::to_string(&circuit).expect("plain data");
        locked(&self.journal).set_meta(META_CIRCUIT, &text)?;
        self.delivery.circuit = Some(circuit);
        Ok(())
    }

    /// An open circuit is closed by what waits in the spool. Where nothing does any more, one request goes ahead alone.
    fn close_idle_circuit(&mut self) -> Result<(), DispatchError> {
        if self.delivery.circuit.is_none() || !self.ended.is_empty() || self.publishing > 0 {
            return Ok(());
        }
        locked(&self.journal).set_meta(META_CIRCUIT, "")?;
        self.delivery.circuit = None;
        self.delivery.unproven = true;
        Ok(())
    }
}

/// The pauses after a round that met the same `again` times in a row, and which of them it is.
fn pauses(setback: Setback, again: u32, doubt: bool, tries: u32) -> (Policy, u32) {
    match setback {
        Setback::Network | Setback::Configuration | Setback::Disk => (PUSH_PAUSES, again),
        Setback::Auth => (AUTH_PAUSES, again),
        Setback::Declined if doubt && again < tries => (PUSH_PAUSES, again),
        Setback::Declined => (DECLINED_PAUSES, again.saturating_sub(tries).saturating_add(1)),
    }
}

fn size(bytes: u64) -> String {
    // To whole MiB: the exact number of bytes says nothing to anybody.
    format_size(bytes.next_multiple_of(1 << 20))
}

fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_what_is_met() {
        let table = [
            (Setback::Network, false, vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
            (Setback::Configuration, false, vec![1, 2, 4]),
            (Setback::Auth, false, vec![60, 120, 240, 480, 960, 1920, 3600, 3600]),
            // As long as it is open whether it is the record or the server, the tries of a pass; then the rule of a server.
            (Setback::Declined, true, vec![1, 2, 4, 8, 60, 120, 240, 300, 300]),
            (Setback::Declined, false, vec![60, 60, 60, 60, 60, 120, 240, 300]),
        ];
        for (setback, doubt, seconds) in table {
            let longest = (1..).map(|again| {
                let (policy, number) = pauses(setback, again, doubt, 5);
                policy.ceiling(number).as_secs()
            });
            assert_eq!(longest.take(seconds.len()).collect::<Vec<_>>(), seconds, "{setback:?}");
        }
    }

    #[test]
    fn whoever_waits_is_told_for_what() {
        let circuit = Circuit { since: "2026-01-02T03:04:05Z".to_owned(), words: "no".to_owned() };
        for (waiting, part) in [
            (Waiting::Circuit(circuit), "declines every record since 2026-01-02T03:04:05Z"),
            (Waiting::Backlog { records: 100, bytes: 3 << 20 }, "100 records (3MiB) wait to be published"),
            (Waiting::Backlog { records: 1, bytes: 1 }, "1 records (1MiB)"),
            (Waiting::Pushes, "until a push goes through"),
            (Waiting::Proof, "goes ahead alone"),
            (Waiting::Doubt, "has declined a record"),
        ] {
            assert!(waiting.words().contains(part), "{}", waiting.words());
        }
    }
}
