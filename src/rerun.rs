//! The text of a request under an id of its own: one that repeats another names it in `rerun_of`, one that was written without an
//! id gets one. Pure.
//!
//! Owns the edit and the name. What the author wrote stays as it is, comments and order included, wherever two lines can be
//! put behind it; otherwise the same values are written anew. Either way the result is read back before it is used.

use serde_json::Value;
use uuid::Uuid;

use crate::record::emit;
use crate::yaml::{self, Limits};

/// Keys that are the repeating request's own.
const OWN: [&str; 2] = ["id", "rerun_of"];

/// The name of a request may have 128 characters; this leaves room for what is put behind it.
const STEM_CHARS_MAX: usize = 110;

/// The bytes of `original` as a request with this id; `None` where the original is no YAML mapping that is accepted.
pub fn text(original: &[u8], id: Uuid, rerun_of: Uuid) -> Option<Vec<u8>> {
    edited(original, &[("id", id), ("rerun_of", rerun_of)], &OWN)
}

/// The same, without a key of it: an `idempotency_key` that is used up would only end it.
pub fn text_without(original: &[u8], id: Uuid, rerun_of: Uuid, key: &str) -> Option<Vec<u8>> {
    edited(original, &[("id", id), ("rerun_of", rerun_of)], &[OWN[0], OWN[1], key])
}

/// The bytes of a request that names no id, with this one.
pub fn with_id(original: &[u8], id: Uuid) -> Option<Vec<u8>> {
    edited(original, &[("id", id)], &["id"])
}

/// The text without these keys and with those.
fn edited(original: &[u8], own: &[(&str, Uuid)], without: &[&str]) -> Option<Vec<u8>> {
    let document = yaml::read("request", original, Limits::REQUEST).ok()?;
    let mut wanted = document.value().clone();
    let values = wanted.as_object_mut()?;
    values.retain(|key, _| !without.contains(&key.as_str()));
    for (key, uuid) in own {
        values.insert((*key).to_owned(), Value::String(uuid.hyphenated().to_string()));
    }
    let says = |text: &str| {
        yaml::read("request", text.as_bytes(), Limits::REQUEST).is_ok_and(|document| *document.value() == wanted)
    };
    let text = appended(std::str::from_utf8(original).ok()?, own, without);
    Some(if says(&text) { text } else { emit::yaml(&wanted) }.into_bytes())
}

/// The name for it: `<name>-rerun`, once, however often it is repeated.
pub fn stem(original: &str) -> String {
    let plain = match original.rsplit_once("-rerun") {
        Some((before, rest)) if !before.is_empty() && is_counter(rest) => before,
        _ => original,
    };
    format!("{}-rerun", plain.chars().take(STEM_CHARS_MAX).collect::<String>())
}

fn is_counter(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// The lines without those of our own keys, and ours behind them.
fn appended(original: &str, own: &[(&str, Uuid)], without: &[&str]) -> String {
    let goes = |line: &&str| without.iter().any(|key| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    let mut text: String = original.split_inclusive('\n').filter(|line| !goes(line)).collect();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let lines = own.iter().map(|(key, uuid)| format!("{key}: {}\n", uuid.hyphenated()));
    text.extend(lines);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;

    const OLD: Uuid = Uuid::from_u128(0x0198_c0de_7a10_7c44_9b1e_2f6d_0a8e_5b31);
    const NEW: Uuid = Uuid::from_u128(0x0198_c0de_7a10_7c44_9b1e_2f6d_0a8e_5b32);
    const BEHIND: &str = "id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b32\nrerun_of: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\n";

    fn repeated(original: &str) -> String {
        String::from_utf8(text(original.as_bytes(), NEW, OLD).unwrap()).unwrap()
    }

    #[test]
    fn what_the_author_wrote_stays() {
        let plain = "# roll out\nkind: deploy   # now\nspec: {target: web-01}\n";
        assert_eq!(repeated(plain), format!("{plain}{BEHIND}"));
        assert_eq!(repeated("kind: deploy"), format!("kind: deploy\n{BEHIND}"));
        assert_eq!(repeated("---\nkind: deploy\n"), format!("---\nkind: deploy\n{BEHIND}"));
        let had = "id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\nkind: deploy\nspec:\n  id: 7\n";
        assert_eq!(repeated(had), format!("kind: deploy\nspec:\n  id: 7\n{BEHIND}"));
    }

    #[test]
    fn where_nothing_can_be_put_behind_it_the_same_values_are_written() {
        for original in [
            "{kind: deploy, spec: {target: web-01}}",
            "kind: deploy\nspec: {target: web-01}\n...\n",
            "'id': 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\nkind: deploy\nspec: {target: web-01}\n",
            "kind: deploy\nspec: {target: web-01}\nid:\n  0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\n",
        ] {
            let again = request::parse("a.yml", repeated(original).as_bytes()).unwrap().request;
            assert_eq!((again.id, again.rerun_of), (Some(NEW), Some(OLD)), "{original}");
            assert_eq!((again.kind.as_str(), &again.spec["target"]), ("deploy", &"web-01".into()), "{original}");
        }
        for literal in
            ["|\n    last line", "|-\n    last\n    line\n", "|+\n    last line\n\n\n", ">\n    last\n    line"]
        {
            let original = format!("kind: deploy\nspec:\n  text: {literal}");
            let before = request::parse("a.yml", original.as_bytes()).unwrap().request;
            let again = request::parse("a.yml", repeated(&original).as_bytes()).unwrap().request;
            assert_eq!(again.spec, before.spec, "{original}");
        }
    }

    #[test]
    fn one_without_an_id_gets_one_and_a_key_that_is_used_up_can_go() {
        let plain = "# now\nkind: deploy\nidempotency_key: release-42\nspec: {idempotency_key: x}\n";
        let named = with_id(plain.as_bytes(), NEW).unwrap();
        assert_eq!(String::from_utf8(named).unwrap(), format!("{plain}id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b32\n"));
        let again = text_without(plain.as_bytes(), NEW, OLD, "idempotency_key").unwrap();
        let expected = format!("# now\nkind: deploy\nspec: {{idempotency_key: x}}\n{BEHIND}");
        assert_eq!(String::from_utf8(again).unwrap(), expected);
        let long = "idempotency_key:\n  release-42\nkind: deploy\n";
        let again = text_without(long.as_bytes(), NEW, OLD, "idempotency_key").unwrap();
        let again = request::parse("a.yml", &again).unwrap().request;
        assert_eq!((again.kind.as_str(), again.idempotency_key), ("deploy", None));
    }

    #[test]
    fn no_request_no_repetition() {
        for original in ["", "[]", "a: [", "\u{1}"] {
            assert_eq!(text(original.as_bytes(), NEW, OLD), None, "{original:?}");
        }
    }

    #[test]
    fn the_name_grows_once() {
        for (original, expected) in [
            ("deploy", "deploy-rerun"),
            ("deploy-rerun", "deploy-rerun"),
            ("deploy-rerun-3", "deploy-rerun"),
            ("deploy-rerun-b", "deploy-rerun-b-rerun"),
            ("-rerun", "-rerun-rerun"),
        ] {
            assert_eq!(stem(original), expected);
        }
        assert_eq!(stem(&"a".repeat(128)).len(), 116);
    }
}
