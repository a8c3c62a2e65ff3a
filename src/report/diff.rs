//! What one text has that another has not, line by line, as HTML. Each line begins with its sign; colour only repeats it.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use crate::record::visible;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// A search for the shortest difference that takes longer is given up for a good one. Far beyond what a request needs.
const SEARCH_MAX: Duration = Duration::from_secs(5);

/// The difference, or words where there is none.
pub fn drawn(before: &str, after: &str) -> Markup {
    let diff = TextDiff::configure().timeout(SEARCH_MAX).diff_lines(before, after);
    let groups = diff.grouped_ops(CONTEXT);
    if groups.is_empty() {
        return html! { p.note { "Nothing: they are the same." } };
    }
    html! {
        pre.diff tabindex="0" role="region" aria-label="Differences" {
            code {
                @for (number, group) in groups.iter().enumerate() {
                    @if number > 0 { span { "…\n" } }
                    @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                        @let line = visible::lines(change.value().trim_end_matches(['\r', '\n']));
                        @match change.tag() {
                            ChangeTag::Delete => del { "- " (line) "\n" },
                            ChangeTag::Insert => ins { "+ " (line) "\n" },
                            ChangeTag::Equal => span { "  " (line) "\n" },
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_signed() {
        let drawn = drawn("kind: a\nspec: {x: 1}\n", "kind: a\nspec: {x: <2>}\nid: b\n").into_string();
        for part in ["  kind: a", "- spec: {x: 1}", "+ spec: {x: &lt;2&gt;}", "+ id: b"] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(super::drawn("same\n", "same\n").into_string().contains("Nothing"));
    }
}
