//! The story of a pass: look at main, start what may start, take what ended, publish it, until nothing is left
//! to do. `run` tells it once; `watch` looks again at every interval.
//!
//! One thread conducts. Workers make attempts, one thread publishes; they talk in messages. Only the conductor
//! writes SEEN, START and EXIT, only the publisher BUILT and PUSHED, and each is durable before what it announces.

mod act;
mod cancel;
mod claims;
mod command;
mod crew;
mod deliver;
mod doubt;
mod ending;
mod finish;
mod handed_in;
mod herald;
mod indexing;
mod intake;
mod pruning;
mod pulse;
mod recording;
mod recover;
mod setup;
mod standing;
mod start;
mod steering;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crew::{Broken, Crew};
use jiff::Timestamp;
use uuid::Uuid;

pub use claims::{LostClaim, TakeOverError, TakenOver, take_over, what_may_have_started};
pub use command::{learn_resolutions, resolutions};
pub use deliver::Circuit;
pub use doubt::{
    Doubt, Doubtful, LOOK_THEN_ADOPT, META_ADOPTED, META_RESTORED, Others, doubtful, doubtful_claims,
    doubtful_of_rewritten, is_marked, mark as mark_doubtful, mark_loose, others, scanned_key, still_marked,
};
pub use intake::{META_BRANCH, META_MERGED_ONLY};
pub use setup::{DispatchError, META_STATE_ID, Settings, kind_uids};
pub use standing::{Held, HeldBy, InLine, Standing};
pub use steering::pauses;

use crate::admit::Admitted;
use crate::clock::Clock;
use crate::contract::{Compiled, Contract};
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::host::Host;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::job::{Introduced, Job, Level, Network};
use crate::journal::{Entry as Step, Journal};
use crate::lock::{Instance, ResourceLock};
use crate::outcome::{ActionRun, Attempt, Outcome};
use crate::patience::Patience;
use crate::pause::Pause;
use crate::publish::{self, Batch, Obstacle, PublishError, Round, locked};
use crate::queue::Queue;
use crate::record::report::Report;
use crate::repo::{BranchWatch, Oid, Repo, Snapshot, Snapshots};
use crate::room::Wait;
use crate::run::sandbox::{Cancel, Control};
use crate::run::{ActionWork, Actions, Local, RunError, Work};
use crate::spool::{Parcel, SpoolError};
use crate::statedir::StateDir;
use deliver::{Delivery, Following};
use finish::Sealed;
use recording::Recording;

/// A batch closes this long after its first outcome even while more is running.
const BATCH_OPEN: Duration = Duration::from_secs(2);
/// So many records may wait for publication before nothing new is started.
const UNPUBLISHED_MAX: usize = 100;
/// And so many bytes of them.
const UNPUBLISHED_BYTES_MAX: u64 = 256 << 20;
/// How long a single pass waits for room on a full disk at each thing that it has to write.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);

/// What came of a pass, for the exit code and the last lines.
#[derive(Debug, Default)]
pub struct Summary {
    /// Requests that ended, in the order in which they did.
    pub ended: Vec<Ended>,
    /// Records that reached main.
    pub published: usize,
    /// Records that are still in the spool.
    pub unpublished: usize,
    /// Faults of the repository that hold something.
    pub faults: Vec<Diagnostic>,
    /// Requests that stay in the inbox.
    pub held: Vec<Held>,
    /// Why main could not be read or written.
    pub obstacle: Option<Obstacle>,
    /// A foreign dispatcher's records were met: its state folder's name.
    pub foreign: Option<String>,
    /// Another state folder is registered under this node's name, in words.
    pub namesake: Option<String>,
    /// Main is newer than the state folder: a commit of ours that it knows nothing of.
    pub restored: Option<String>,
    /// A disk or folder that could not be written.
    pub unwritable: Option<String>,
    /// Nothing was started because of a file.
    pub paused: bool,
    /// What people have paused.
    pub pauses: Vec<Pause>,
}

/// A request that ended in this pass.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Ended {
    /// Its id.
    pub id: RequestId,
    /// Path below the inbox without ending.
    pub name: String,
    /// Its kind.
    pub kind: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in a word.
    pub reason: Option<String>,
    /// From first start to end.
    pub duration_ms: Option<u64>,
}

/// Tells a running dispatcher to come to an end, from a signal or another thread.
#[derive(Clone, Debug)]
pub struct Stop {
    messages: Sender<Message>,
    looking: Patience,
}

impl Stop {
    /// Take no more work, wait for what runs. A second time: do not wait.
    pub fn stop(&self) {
        // Nothing new is taken, so that nobody has to wait for a remote that does not answer, or for room on a disk.
        self.looking.end();
        // The conductor may be gone already, which is what was asked for.
        let _ = self.messages.send(Message::Stop);
    }

    /// Look at main now.
    pub fn look(&self) {
        let _ = self.messages.send(Message::Look);
    }
}

enum Message {
    Done(usize, RequestId, Done),
    /// What the recorder has sealed and synced.
    Recorded(Result<Vec<Sealed>, SpoolError>),
    Published(Box<Result<Round, PublishError>>),
    /// The work tree was brought up as far as it goes.
    Followed,
    /// A thread beside the conductor panicked.
    Broken(Broken),
    /// Somebody wants main to be read now.
    Look,
    /// The branch has moved at its origin, which is on this machine.
    Moved,
    Stop,
}

/// What a worker is sent to do.
enum Errand {
    Attempt(Box<Work>),
    Action(Box<ActionWork>),
}

/// What it came back with.
enum Done {
    Attempt(Box<Report>),
    /// The sandbox did not carry the attempt out.
    Misfire(RunError),
    Action(Result<ActionRun, RunError>),
}

impl Errand {
    fn id(&self) -> RequestId {
        match self {
            Self::Attempt(work) => work.id,
            Self::Action(work) => work.id,
        }
    }
}

/// A request between admission and publication.
struct Ticket {
    entry: Entry,
    introduced: Introduced,
    request: Arc<[u8]>,
    admitted: Admitted,
    /// Taken from the work tree.
    loose: bool,
    /// Fixed by the first START.
    started: Option<Started>,
    attempts: Vec<Attempt>,
    /// Starts that the sandbox did not carry out.
    misfires: u32,
    /// What is held from the handler's start to the end of the last action, where actions follow.
    hold: Hold,
    /// Since the handler has succeeded, where actions follow.
    acting: Option<Box<Acting>>,
    /// Ends the attempt that was started last.
    cancel: Option<Cancel>,
    /// It shall end.
    cancelling: Option<Cancelling>,
}

/// A person's wish that what was started shall end.
struct Cancelling {
    /// The request that says so.
    by: RequestId,
    /// Why, in words.
    reason: Option<String>,
}

/// What outlasts a handler for the actions after it.
#[derive(Default)]
struct Hold {
    /// Copies of the resource locks; `None` where they have to be taken again.
    locks: Option<Vec<ResourceLock>>,
    /// The handler's secrets, which are masked in what an action prints; `None` where they have to be read again.
    secrets: Option<Vec<(String, Vec<u8>)>>,
}

/// How far the actions of a request have come.
struct Acting {
    /// What the handler came to.
    report: Report,
    /// Actions that are over.
    done: Vec<ActionRun>,
    /// Starts of the next one.
    starts: u32,
}

struct Started {
    job: Arc<Job>,
    contract: Arc<Contract>,
    place: String,
}

/// What a probe found of a level.
#[derive(Debug)]
struct Layers {
    /// All of them.
    all: Vec<String>,
    /// The stand-ins that nobody has been told of yet.
    untold: Vec<String>,
}

/// What must not go on as if nothing had happened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Halt {
    /// Main lost commits that were there.
    Rewritten,
    /// Another state folder records here: at-most-once work waits.
    Foreign,
    /// This state folder is older than main: at-most-once work waits.
    Restored,
}

/// A dispatcher with its state folder in hand.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one process, no state machine among them")]
pub struct Dispatcher {
    repo: Repo,
    state: StateDir,
    instance: Instance,
    journal: Arc<Mutex<Journal>>,
    host: Host,
    clock: Arc<dyn Clock>,
    settings: Settings,
    state_id: Uuid,
    snapshots: Snapshots,
    /// The one used last: most requests of a pass see the same commit.
    snapshot: Option<(Oid, Arc<Snapshot>)>,
    compiled: Compiled,
    contract: Option<Arc<Contract>>,
    tip: Option<Oid>,
    halt: Option<Halt>,
    /// Why nothing starts or ends here: others claim on the remote, and this host does not.
    outvoted: Option<String>,
    queue: Queue,
    claims: claims::Claims,
    steering: steering::Steering,
    tickets: HashMap<RequestId, Box<Ticket>>,
    held: BTreeMap<RequestId, Held>,
    /// What the look before this one held and found wrong: said once, not at every look.
    held_before: BTreeMap<RequestId, Held>,
    faults_before: Vec<Diagnostic>,
    /// What there was no room for at the look before this one.
    lacked_before: Option<String>,
    /// Ended and not yet handed to the publisher.
    ended: Vec<Parcel>,
    /// What those may need on the disk that are about to be started together.
    promised_bytes: u64,
    /// How much each record that is not on main yet takes in the spool.
    spooled_bytes: HashMap<RequestId, u64>,
    /// Places that records of this process will take.
    places: BTreeSet<String>,
    batch_open: Option<Duration>,
    publishing: usize,
    following: Following,
    delivery: Delivery,
    /// Ends what the publisher waits for.
    push_patience: Patience,
    /// What was last told of why nothing new is started.
    told_waiting: Option<String>,
    /// What was last said of that which waits for `dispatch adopt`.
    alarm: Option<String>,
    /// What was found of each level, or what is missing.
    layers: HashMap<(Level, Network), Result<Layers, String>>,
    /// That rlimits stand in for control groups is said once.
    told_of_rlimits: bool,
    recovered: bool,
    /// Requests that somebody else may have started, and what was said of them.
    doubts: BTreeMap<RequestId, Doubt>,
    /// The same for what lay uncommitted in the work tree.
    doubt_loose: Option<(Doubt, Timestamp)>,
    /// Started before and kept from its next attempt by something that may not pass by itself.
    stalled: BTreeSet<RequestId>,
    /// Something ended that others waited for.
    look_again: bool,
    /// Pause between looks; none where there is only one pass.
    interval: Option<Duration>,
    /// When main is read next.
    look_at: Option<Duration>,
    /// When it was read last, whatever came of it.
    looked_at: Option<Duration>,
    /// Looks in a row that main did not answer.
    fetch_failures: u32,
    /// The first look is over.
    ready: bool,
    /// Somebody asked for a look that is not over yet.
    reloading: bool,
    /// When those who look at us are told next that we live.
    beat_at: Duration,
    /// The branch moved while records were on their way to it.
    moved: bool,
    /// When old files were cleared last.
    cleared_at: Option<Duration>,
    /// The index of the archive, while nothing else is to be done.
    indexing: indexing::Indexing,
    /// Says when the branch moves at an origin on this machine.
    branch_watch: Option<BranchWatch>,
    /// Since when everything that could start waits for a lock of another process.
    locked_out: Option<Duration>,
    running: usize,
    recording: Recording,
    /// Requests whose next action may start as soon as a worker is free.
    actions_due: Vec<RequestId>,
    /// Until when what runs may go on, since somebody said that it shall end.
    stopping: Option<Duration>,
    /// How often somebody said so.
    stops: u32,
    /// What runs was told to end: nothing is started any more.
    cut_off: bool,
    /// Until when anything is published, since nothing runs any more.
    publish_until: Option<Duration>,
    /// A thread beside us broke.
    broken: Option<DispatchError>,
    control: Control,
    /// How it waits for room on a full disk.
    room: Wait,
    messages: (Sender<Message>, Receiver<Message>),
    last_fetch: i64,
    last_push: i64,
    /// Who is told where we stand.
    telling: herald::Telling,
    summary: Summary,
}

impl Dispatcher {
    /// A handle that ends or wakes it.
    pub fn stop_handle(&self) -> Stop {
        Stop { messages: self.messages.0.clone(), looking: self.repo.patience().clone() }
    }

    /// Says in the state folder who works here, for `dispatch poke`: signals are listened for from now on.
    ///
    /// # Errors
    /// [`DispatchError::System`] where the lock file cannot be written.
    pub fn listen(&self) -> Result<(), DispatchError> {
        self.instance.listen().map_err(|source| DispatchError::System { what: "writing the instance lock", source })
    }

    /// Tells how far the pass is, in a line, again and again.
    #[must_use]
    pub fn with_progress(mut self, tell: impl Fn(&str) + Send + 'static) -> Self {
        self.telling.progress = Some(Box::new(tell));
        self
    }

    /// One pass: everything that is on main now is handled and published, or the summary says what is not.
    ///
    /// # Errors
    /// [`DispatchError`] where this host cannot go on.
    pub fn run(self) -> Result<Summary, DispatchError> {
        self.conduct(None)
    }

    /// Passes at an interval until it is stopped.
    ///
    /// # Errors
    /// As [`Dispatcher::run`]; what the remote or the repository does is not one.
    pub fn watch(self, interval: Duration) -> Result<Summary, DispatchError> {
        self.conduct(Some(interval))
    }

    fn conduct(mut self, interval: Option<Duration>) -> Result<Summary, DispatchError> {
        self.interval = interval;
        if interval.is_some() {
            self.room.without_end();
        }
        let publisher = self.publisher()?;
        let executors: Vec<(Local, Actions)> = (0..self.settings.jobs).map(|index| self.executor(index)).collect();
        let answers = self.messages.0.clone();
        thread::scope(|scope| {
            let no_thread = |source| DispatchError::System { what: "starting a thread", source };
            let deliveries = crew::start_publisher(scope, publisher, answers.clone()).map_err(no_thread)?;
            let recorder = recording::start(scope, self.state.clone(), self.room.silent(), answers.clone());
            let mut crew = Crew::start(scope, executors, recorder.map_err(no_thread)?, &answers).map_err(no_thread)?;
            self.start_herald(scope);
            let end = catch_unwind(AssertUnwindSafe(|| self.pass_after_pass(&mut crew, &deliveries)))
                .unwrap_or_else(|panic| Err(ending::conductor_broke(&*panic)));
            // An error leaves the others in the middle of something: what they run or wait for has to end before they can.
            if let Err(error) = &end {
                if error.is_of_objects() {
                    self.repo.doubt();
                }
                self.control.kill();
                self.push_patience.end();
                self.rescue_endings();
            }
            self.say_goodbye(end.is_ok());
            end
        })?;
        Ok(self.close())
    }

    fn pass_after_pass(
        &mut self,
        crew: &mut Crew,
        deliveries: &Sender<publish::Delivery>,
    ) -> Result<(), DispatchError> {
        self.look_at = Some(self.clock.monotonic());
        self.watch_branch();
        let mut quiet = false;
        loop {
            let now = self.clock.monotonic();
            if std::mem::take(&mut self.look_again) {
                self.look_at = Some(now);
            }
            self.mind_the_end();
            if self.stopping.is_none() && self.look_at.is_some_and(|due| due <= now) {
                self.look().or_else(|error| self.bear(error))?;
                self.plan_next_look();
                quiet = false;
            } else if self.stopping.is_some() && self.look_at.take().is_some_and(|due| due <= now) {
                // What runs may still be cancelled.
                self.obey_handed_in(false)?;
            }
            self.start_actions(crew)?;
            self.start_ready(crew)?;
            self.say_endings_in_time()?;
            self.publish_due(deliveries)?;
            self.follow_due(deliveries);
            self.tell_what_is_waited_for();
            if self.look_again {
                continue;
            }
            if !self.is_settled() {
                quiet = false;
            } else if !quiet || self.stopping.is_some() {
                // Said once and not at every turn: an idle dispatcher writes nothing.
                self.settle_pass();
                if self.interval.is_none() || self.stopping.is_some() {
                    return self.broken.take().map_or(Ok(()), Err);
                }
                self.clear_old_at_times();
                self.prune_at_times();
                self.tidy();
                quiet = true;
            }
            self.show_life();
            if !quiet {
                self.indexing.leave();
            }
            let wait = if quiet && self.index_a_little() { Duration::ZERO } else { self.wait_for(now) };
            self.take_messages(wait, crew)?;
        }
    }

    /// Reads main: what is new is admitted, what ended elsewhere is settled.
    fn look(&mut self) -> Result<(), DispatchError> {
        self.say_endings()?;
        self.lacked_before = self.summary.unwritable.take();
        // Before the remote is asked, which may not answer.
        self.obey_handed_in(false)?;
        let Some(mut found) = self.fetch()? else { return Ok(()) };
        if self.register()? {
            let Some(again) = self.fetch()? else { return Ok(()) };
            self.check_registration();
            found = again;
        }
        let (seen, tip) = found;
        self.take_in(seen, tip)
    }

    /// Takes in what a fetch has brought.
    fn take_in(&mut self, seen: Option<Oid>, tip: Oid) -> Result<(), DispatchError> {
        self.held_before = std::mem::take(&mut self.held);
        self.faults_before = std::mem::take(&mut self.summary.faults);
        self.stalled.clear();
        // A machine may be mended while we watch.
        self.layers.retain(|_, probe| probe.is_ok());
        self.check_history(seen, tip)?;
        if self.halt == Some(Halt::Rewritten) {
            return Ok(());
        }
        self.tip = Some(tip);
        self.catch_up(tip);
        self.settle_built(tip)?;
        if !self.load_contract(tip)? {
            self.drop_unstarted();
            self.forget_endings();
            return Ok(());
        }
        if !self.recovered {
            self.recover_claims()?;
            self.recover(tip)?;
            self.recovered = true;
            self.take_up_delivery()?;
        }
        self.learn_of_others(tip)?;
        self.read_inbox(tip)?;
        self.obey_handed_in(true)?;
        self.settle_claims(tip)
    }

    /// Takes what the others have to say, waiting for the first word no longer than `wait`.
    fn take_messages(&mut self, wait: Duration, crew: &mut Crew) -> Result<(), DispatchError> {
        let first = match self.messages.1.recv_timeout(wait) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
        };
        let (mut done, mut recorded, mut rounds) = (Vec::new(), Vec::new(), Vec::new());
        let waiting: Vec<Message> = self.messages.1.try_iter().collect();
        for message in std::iter::once(first).chain(waiting) {
            match message {
                Message::Done(worker, id, result) => {
                    crew.release(worker);
                    self.running -= 1;
                    done.push((id, result));
                }
                Message::Recorded(sealed) => recorded.push(sealed),
                Message::Followed => self.following.under_way = false,
                Message::Published(round) => rounds.push(*round),
                Message::Broken(broken) => self.take_broken(broken),
                Message::Look => self.look_now(),
                Message::Moved => self.look_soon(),
                Message::Stop => self.stop(),
            }
        }
        // First what ended: its outcome is known and must not be lost with a publisher that met a fault.
        self.take_done(done, crew)?;
        recorded.into_iter().try_for_each(|sealed| sealed.map(|sealed| self.take_recorded(sealed)))?;
        rounds.into_iter().try_for_each(|round| self.take_round(round))?;
        if self.moved {
            self.look_soon();
        }
        Ok(())
    }

    /// A look that met a full disk has changed nothing that the next one does not find again.
    fn bear(&mut self, error: DispatchError) -> Result<(), DispatchError> {
        if self.interval.is_none() || !self.lacks_room(&error) {
            return Err(error);
        }
        self.lack_room(error.to_string());
        Ok(())
    }

    /// How long nothing can happen by itself.
    fn wait_for(&self, now: Duration) -> Duration {
        // A time counts only where something can be done at it: one that has passed without that would make a busy loop.
        let retry = self.queue.next_due().filter(|_| self.may_start_now());
        let publishable =
            self.publishing == 0 && !self.ended.is_empty() && self.halt != Some(Halt::Rewritten) && self.may_publish();
        let again = self.delivery.due(now);
        let batch = self.batch_open.filter(|_| again.is_none()).map(|opened| opened + BATCH_OPEN);
        let wake = [
            self.look_at.filter(|_| self.stopping.is_none()),
            self.interval.map(|_| self.beat_at),
            self.settings.notifier.due_in().map(|pause| now + pause),
            retry.filter(|due| *due > now),
            self.steering.due().filter(|due| *due > now),
            self.recording.due().filter(|due| *due > now),
            batch.or(again).filter(|due| publishable && *due > now),
            again.filter(|_| publishable),
            self.stopping.filter(|due| *due > now),
            self.publish_until.filter(|due| *due > now),
        ];
        let soonest = wake.into_iter().flatten().min();
        // Locks of other processes, pauses and what has been due for a while have no event: look again soon.
        let most = Duration::from_secs(if self.queue.is_empty() && !publishable { 3600 } else { 1 });
        soonest.map_or(most, |due| due.saturating_sub(now)).min(most).max(Duration::from_millis(1))
    }

    /// Nothing runs, nothing can start, and everything that ended is published or cannot be now.
    fn is_settled(&self) -> bool {
        self.running == 0
            && self.recording.is_empty()
            && self.following.is_over()
            && !self.may_act()
            && self.is_delivered()
            && (self.stopping.is_some() || !self.may_start_something())
    }

    fn append(&mut self, steps: &[Step], counts: &[crate::journal::Count]) -> Result<(), DispatchError> {
        self.append_with(steps, counts, &[])
    }

    /// The same, and remembers facts in the same step.
    fn append_with(
        &mut self,
        steps: &[Step],
        counts: &[crate::journal::Count],
        facts: &[(String, String)],
    ) -> Result<(), DispatchError> {
        // Whoever gets as far as this is not stuck, however much there is to take in.
        self.settings.notifier.alive();
        let at = crate::clock::utc_millis(self.clock.now());
        let (steps, counts) = self.with_endings(steps, counts);
        self.room.wait(|| locked(&self.journal).append_with(&at, &steps, &counts, facts))?;
        self.endings_are_said();
        Ok(())
    }

    fn step(id: RequestId, event: Event) -> Step {
        Step { id, event }
    }
}

/// Where the program finds itself, for keepers.
pub fn own_program() -> PathBuf {
    PathBuf::from(crate::run::sandbox::SlotSetup::SELF)
}
