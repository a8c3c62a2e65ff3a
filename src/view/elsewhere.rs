//! What other hosts say of themselves, and of requests that nothing is known of here. It is as old as they say it is, and
//! decides nothing.

use super::{Line, View};
use crate::host_status::{self, HostStatus, There};
use crate::id::RequestId;
use crate::state::State;

impl View {
    /// What other hosts say of themselves, as it was fetched last; where no pass was made here, all hosts.
    pub fn hosts(&self) -> &[HostStatus] {
        self.hosts.get_or_init(|| {
            let notes = self.repo.host_notes(host_status::FILE);
            let parsed = notes.into_iter().filter_map(|note| {
                let status = HostStatus::parse(&note.bytes)?;
                // A host speaks of itself and of nobody else.
                (status.node == note.node).then_some(status)
            });
            let own = self.standing.as_ref().map(|_| self.host.node.as_str());
            parsed.filter(|status| own != Some(status.node.as_str())).collect()
        })
    }

    /// What another host says of a request that nothing is known of here; what one does with it counts before what one waits
    /// for.
    pub fn said_of(&self, id: RequestId) -> Option<(&HostStatus, There<'_>)> {
        if self.hosts().is_empty() {
            return None;
        }
        let is_here = self.held(id).is_some_and(|held| !held.by.is_elsewhere())
            || self.journal.as_ref().is_some_and(|journal| {
                journal.get(id).is_ok_and(|row| row.is_some_and(|row| row.state != State::Seen))
            });
        if is_here {
            return None;
        }
        let rank = |there: &There<'_>| match there {
            There::Running => 0,
            There::Waiting(..) => 1,
            There::Held(named) if named.by.as_deref() != Some("target") => 2,
            There::Held(_) => 3,
        };
        let said = self.hosts().iter().filter_map(|host| Some((host, host.of(id)?)));
        said.min_by_key(|(_, there)| rank(there))
    }

    /// Whether what an open request prints is not to be seen here: nothing was ever dispatched here, or another host runs it.
    pub fn is_far_from(&self, line: &Line) -> bool {
        self.journal.is_none() || self.said_of(line.id).is_some()
    }
}
