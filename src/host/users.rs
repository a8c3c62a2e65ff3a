//! Who the uids of this machine are: the users that `run_as` names, and whether those of `uids` are nobody's, as they have to be.

use std::fs;
use std::ops::RangeInclusive;

use nix::unistd::{Uid, User};

use super::HostError;
use crate::host_file::Uids;

/// The uids of so many slots, each of which must be nobody's. Only root has them.
///
/// # Errors
/// There are fewer than slots, or one belongs to somebody.
pub fn of_slots(uids: Uids, jobs: u32) -> Result<RangeInclusive<u32>, HostError> {
    let slots = uids.of_slots(jobs)?;
    match slots.clone().find_map(whose) {
        Some(whose) => Err(HostError::TakenUid { uids, whose }),
        None => Ok(slots),
    }
}

/// Whose a uid is, in words, where it is a user's or handed to one by `/etc/subuid`.
pub fn whose(uid: u32) -> Option<String> {
    // Not the file alone: a directory service has users too.
    if let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) {
        return Some(format!("uid {uid} is the user `{}`", user.name));
    }
    let subordinate = fs::read_to_string("/etc/subuid").unwrap_or_default();
    subordinate_of(&subordinate, uid)
        .map(|user| format!("uid {uid} is one of those that /etc/subuid hands to `{user}`"))
}

/// `user:first:count`, a line each.
fn subordinate_of(subuid: &str, uid: u32) -> Option<&str> {
    subuid.lines().find_map(|line| {
        let mut fields = line.split(':');
        let user = fields.next()?;
        let first: u32 = fields.next()?.trim().parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        uid.checked_sub(first).is_some_and(|offset| offset < count).then_some(user)
    })
}

/// The user and group that a name or number of `run_as` means. The group is the user's own one; a number that is nobody's has a group of the
/// same number.
///
/// # Errors
/// Says so where there is no such user, or it is root.
pub fn ids_of(name: &str) -> Result<(u32, u32), String> {
    let number = name.parse::<u32>().ok();
    let found = number.map_or_else(|| User::from_name(name), |uid| User::from_uid(Uid::from_raw(uid)));
    let ids = match (found, number) {
        (Ok(Some(user)), _) => (user.uid.as_raw(), user.gid.as_raw()),
        (Ok(None), Some(uid)) => (uid, uid),
        (Ok(None), None) => return Err(format!("`run_as: {name}`: this machine has no such user")),
        (Err(error), _) => return Err(format!("`run_as: {name}`: looking the user up: {error}")),
    };
    match ids {
        (0, _) => Err(format!("`run_as: {name}` is root, which no handler runs as")),
        (_, 0) => Err(format!("`run_as: {name}` has root's group, which no handler runs in: give it one of its own")),
        ids => Ok(ids),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_uids_are_somebodys() {
        let subuid = "# odd\nann:100000:65536\nbob:60000:1000\nbroken:x\n";
        for (uid, user) in
            [(99_999, None), (100_000, Some("ann")), (165_535, Some("ann")), (165_536, None), (60_720, Some("bob"))]
        {
            assert_eq!(subordinate_of(subuid, uid), user, "{uid}");
        }
    }

    #[test]
    fn users_of_this_machine_are_found() {
        assert_eq!(whose(0).as_deref(), Some("uid 0 is the user `root`"));
        assert_eq!(ids_of("60720"), Ok((60_720, 60_720)));
        // Debian's, whose numbers differ.
        if let Ok(Some(man)) = User::from_name("man") {
            assert_eq!(ids_of("man"), Ok((man.uid.as_raw(), man.gid.as_raw())));
            assert_eq!(ids_of("man"), ids_of(&man.uid.to_string()));
        }
        assert!(ids_of("0").unwrap_err().contains("is root"));
        assert!(ids_of("no-such-user-here").unwrap_err().contains("no such user"));
        let taken = of_slots(Uids { first: 1, last: 9 }, 1).unwrap_err().to_string();
        assert!(taken.contains("uid 1 is the user `"), "{taken}");
        assert!(of_slots(Uids { first: 4_000_000_000, last: 4_000_000_001 }, 3).is_err());
        assert_eq!(of_slots(Uids { first: 4_000_000_000, last: 4_000_000_001 }, 2).unwrap().count(), 2);
    }
}
