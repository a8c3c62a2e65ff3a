//! A tree with some entries changed, from the bytes of the old one: nothing but these bytes is looked at or sorted anew, so
//! that a folder of many entries costs its copy.

use std::collections::BTreeMap;

use super::MODE_FOLDER;

/// What becomes of an entry: its object and mode, or nothing.
pub(super) type Put = Option<(git2::Oid, u32)>;

/// The content of a tree with these names put or removed; `None` where the old one is no tree. Empty where nothing is left.
pub(super) fn spliced(old: &[u8], changes: &BTreeMap<Vec<u8>, Put>) -> Option<Vec<u8>> {
    let mut puts: Vec<(&Vec<u8>, (git2::Oid, u32))> =
        changes.iter().filter_map(|(name, put)| Some((name, (*put)?))).collect();
    puts.sort_by(|(a, (_, mode_a)), (b, (_, mode_b))| rank(a, *mode_a).cmp(rank(b, *mode_b)));
    let mut puts = puts.into_iter().peekable();
    let mut content = Vec::with_capacity(old.len() + changes.len() * 64);
    let mut rest = old;
    while !rest.is_empty() {
        let (name, mode, entry) = first(rest)?;
        rest = &rest[entry.len()..];
        if changes.contains_key(name) {
            continue;
        }
        while let Some((name, (oid, mode))) = puts.next_if(|(new, put)| rank(new, put.1).lt(rank(name, mode))) {
            write(&mut content, name, oid.as_bytes(), mode);
        }
        // Written anew and not copied: old repositories have modes with a zero before them, which checks refuse today.
        write(&mut content, name, &entry[entry.len() - ID_BYTES..], mode);
    }
    for (name, (oid, mode)) in puts {
        write(&mut content, name, oid.as_bytes(), mode);
    }
    Some(content)
}

pub(super) const ID_BYTES: usize = 20;

/// The first entry of a tree's content: its name, its mode, and all of it.
pub(super) fn first(content: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let end = space + content[space..].iter().position(|byte| *byte == 0)?;
    let mode = u32::from_str_radix(std::str::from_utf8(&content[..space]).ok()?, 8).ok()?;
    Some((&content[space + 1..end], mode, content.get(..=end + ID_BYTES)?))
}

/// Git's order: the name of a folder as if a slash came behind it.
pub(super) fn rank(name: &[u8], mode: u32) -> impl Iterator<Item = &u8> {
    name.iter().chain((mode == MODE_FOLDER).then_some(&b'/'))
}

fn write(content: &mut Vec<u8>, name: &[u8], oid: &[u8], mode: u32) {
    content.extend_from_slice(format!("{mode:o} ").as_bytes());
    content.extend_from_slice(name);
    content.push(0);
    content.extend_from_slice(oid);
}

#[cfg(test)]
mod tests {
    use super::super::{MODE_EXECUTABLE, MODE_FILE};
    use super::*;

    const NAMES: [&str; 8] = ["a", "a-b", "a.b", "a0", "ab", "b", "\u{ff}", "~"];

    fn oid(number: u8) -> git2::Oid {
        git2::Oid::from_bytes(&[number; ID_BYTES]).unwrap()
    }

    /// As libgit2 writes it.
    fn built(entries: &BTreeMap<Vec<u8>, (git2::Oid, u32)>) -> Vec<u8> {
        let objects = git2::Odb::new().unwrap();
        objects.add_new_mempack_backend(1).unwrap();
        let memory = git2::Repository::from_odb(objects).unwrap();
        let blob = memory.blob(b"").unwrap();
        let mut builder = memory.treebuilder(None).unwrap();
        let folder = builder.write().unwrap();
        for (name, (_, mode)) in entries {
            let there = if *mode == MODE_FOLDER { folder } else { blob };
            builder.insert(name, there, i32::try_from(*mode).unwrap()).unwrap();
        }
        let tree = builder.write().unwrap();
        let mut content = memory.odb().unwrap().read(tree).unwrap().data().to_vec();
        let mut at = 0;
        while at < content.len() {
            let (name, _, entry) = first(&content[at..]).unwrap();
            let (name, end) = (name.to_vec(), at + entry.len());
            content[end - ID_BYTES..end].copy_from_slice(entries[&name].0.as_bytes());
            at = end;
        }
        content
    }

    /// Every file and folder in every place, put, changed into the other, and removed.
    #[test]
    fn a_changed_tree_is_the_one_that_libgit2_builds() {
        let modes = [MODE_FILE, MODE_FOLDER, MODE_EXECUTABLE];
        // A fixed sequence that looks random.
        let mut seed = 1_u32;
        let mut dice = move |sides: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as usize % sides
        };
        for _ in 0..500 {
            let mut entries: BTreeMap<Vec<u8>, (git2::Oid, u32)> = BTreeMap::new();
            for name in NAMES {
                if dice(2) == 0 {
                    entries.insert(name.into(), (oid(u8::try_from(dice(200)).unwrap()), modes[dice(3)]));
                }
            }
            let old = built(&entries);
            let mut changes = BTreeMap::new();
            for name in NAMES {
                match dice(3) {
                    0 => {
                        let put = (oid(u8::try_from(dice(200)).unwrap()), modes[dice(3)]);
                        changes.insert(name.into(), Some(put));
                        entries.insert(name.into(), put);
                    }
                    1 => {
                        changes.insert(name.into(), None);
                        entries.remove(name.as_bytes());
                    }
                    _ => {}
                }
            }
            assert_eq!(spliced(&old, &changes), Some(built(&entries)));
        }
    }

    #[test]
    fn an_old_mode_is_written_as_git_writes_it_today() {
        let mut old = Vec::new();
        old.extend_from_slice(b"040000 d\0");
        old.extend_from_slice(&[1; ID_BYTES]);
        assert!(spliced(&old, &BTreeMap::new()).unwrap().starts_with(b"40000 d\0"));
        assert_eq!(spliced(&old[..20], &BTreeMap::new()), None, "cut off");
        assert_eq!(spliced(b"no tree", &BTreeMap::new()), None);
    }
}
