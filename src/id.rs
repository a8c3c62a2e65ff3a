//! Request ids: where they come from and how they are shortened. Owns no randomness and no clock: an id
//! that nobody chose is derived from the place of the request in history, the same on every host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of derived ids. Part of the contract: changing it would give every request a new id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1d_93a5_6b0e_5c9b_9d3f_0f1e_7c0d_e5a1);

/// Identity of one request, from admission to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The id of a request that names none: UUID v5 of introducing commit, path and blob.
    pub fn derived(introduced: &str, path: &str, blob: &str) -> Self {
        // NUL cannot stand in any of the three, so no two triples share a name.
        let name = format!("{introduced}\0{path}\0{blob}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The id that the request itself carries.
    pub fn explicit(id: Uuid) -> Self {
        Self(id)
    }

    /// The last eight hex digits: the tail, because the head of a v7 id is only its time.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 8..].to_owned()
    }

    /// The UUID itself.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_each_part_and_stay_the_same() {
        let id = RequestId::derived("c1", "requests/a.yml", "b1");
        assert_eq!(id, RequestId::derived("c1", "requests/a.yml", "b1"));
        assert_ne!(id, RequestId::derived("c2", "requests/a.yml", "b1"));
        assert_ne!(id, RequestId::derived("c1", "requests/b.yml", "b1"));
        assert_ne!(id, RequestId::derived("c1", "requests/a.yml", "b2"));
        assert_eq!(id.uuid().get_version_num(), 5);
    }

    #[test]
    fn short_form_is_the_tail() {
        let id: RequestId = "0198c0de-1111-7222-8333-44445555aaaa".parse().expect("uuid");
        assert_eq!(id.short(), "5555aaaa");
    }
}
