//! The name of this node on the remote: registered once, and with it tried whether the server lets claims come and go.

use super::super::{DispatchError, Dispatcher, Obstacle};
use super::since;
use crate::claim::{self, Purpose};
use crate::repo::{PushClass, PushError, RefChange};

impl Dispatcher {
    /// Sees to it that this state folder goes by the node's name. The first time it also finds out whether the server lets
    /// such refs come and go, whole: without that there are no claims. True where the remote has to be read again.
    pub(in crate::dispatch) fn register(&mut self) -> Result<bool, DispatchError> {
        if !self.claims_remotely() {
            return Ok(false);
        }
        let node = self.host.node.clone();
        let known = self.claims.marks.get(&claim::node_ref(&node)).cloned();
        self.claims.blocked = None;
        self.claims.registered = known.as_ref().is_some_and(|mark| self.is_ours(mark));
        self.claims.namesake = None;
        if let Some(mark) = known.filter(|_| !self.claims.registered) {
            let state = mark.note.as_ref().map_or_else(|| "unknown".to_owned(), |note| note.state.to_string());
            let words = format!(
                "the node name `{node}` is registered by another state folder ({state}, since {}): another machine has it \
                 too, and needs a `node:` of its own in its host file, or this one's state folder was lost",
                since(&mark)
            );
            self.alarm(&words);
            self.claims.namesake = Some(words);
        }
        if self.claims.registered || self.claims.namesake.is_some() {
            return Ok(false);
        }
        if let Err(error) = self.try_to_register(&node)? {
            self.block(&error, "registering this node");
        }
        Ok(true)
    }

    fn try_to_register(&mut self, node: &str) -> Result<Result<(), PushError>, DispatchError> {
        let probe = claim::probe_ref(node);
        // One may be left over by a try that came no further.
        let left_over = self.claims.marks.get(&probe).map(|mark| mark.commit);
        let tried = if let Some(commit) = left_over {
            commit
        } else {
            let commit = self.write_note(Purpose::Probe)?;
            if let Err(error) = self.repo.push_marks(&[RefChange::create(&probe, commit)], true) {
                return Ok(Err(error));
            }
            commit
        };
        let commit = self.write_note(Purpose::Node)?;
        // As a record does it: something comes and something goes, in one.
        let changes = [RefChange::create(claim::node_ref(node), commit), RefChange::delete(probe, tried)];
        Ok(self.repo.push_marks(&changes, true))
    }

    /// After a registration that went through: a server may take refs and show them to nobody.
    pub(in crate::dispatch) fn check_registration(&mut self) {
        if self.claims.blocked.is_some() || self.claims.namesake.is_some() {
            return;
        }
        let name = claim::node_ref(&self.host.node);
        self.claims.registered = self.claims.marks.get(&name).is_some_and(|mark| self.is_ours(mark));
        if self.claims.registered {
            return tracing::info!("node {} is registered on the remote", self.host.node);
        }
        let words = format!("the server takes `{name}` and does not show it (`uploadpack.hideRefs`?)");
        let obstacle = Obstacle::Configuration(refused(&words));
        tracing::error!("{}", obstacle.words());
        self.claims.blocked = Some(obstacle);
    }

    /// Nothing is claimed until the next look.
    pub(super) fn block(&mut self, error: &PushError, doing: &str) {
        let words = format!("{doing}: {}", error.words);
        let obstacle = match error.class {
            PushClass::Auth => Obstacle::Auth(words),
            PushClass::Declined | PushClass::Configuration | PushClass::TooLarge => {
                Obstacle::Configuration(refused(&words))
            }
            PushClass::Done | PushClass::LostRace | PushClass::Network | PushClass::Busy | PushClass::Other => {
                Obstacle::Network(words)
            }
        };
        tracing::error!("{}", obstacle.words());
        self.claims.blocked = Some(obstacle);
    }
}

fn refused(words: &str) -> String {
    format!(
        "`claims: remote` needs a server that lets refs below `refs/dispatch/` be made and deleted, several in one atomic \
         push; this one refuses: {words}"
    )
}
