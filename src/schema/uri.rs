//! The little of RFC 3986 that references within one file need. Text in, text out.

/// Resolves a relative reference, as far as names within one file need it (RFC 3986, 5.2).
pub(crate) fn join(base: &str, reference: &str) -> String {
    let has_scheme = reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if reference.is_empty() {
        return base.to_owned();
    }
    if has_scheme {
        return reference.to_owned();
    }
    let authority = base.find("://").map_or(0, |at| base[at + 3..].find('/').map_or(base.len(), |end| at + 3 + end));
    let (origin, path) = base.split_at(authority);
    let joined = if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let folder = path.rfind('/').map_or("", |end| &path[..=end]);
        let slash = if folder.is_empty() && !origin.is_empty() { "/" } else { "" };
        format!("{slash}{folder}{reference}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "." => {}
            ".." => {
                if parts.len() > 1 {
                    parts.pop();
                }
            }
            part => parts.push(part),
        }
    }
    format!("{origin}{}", parts.join("/"))
}

/// Undoes `%41` in a fragment.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_their_base() {
        let cases = [
            ("", "item.json", "item.json"),
            ("root.json", "item.json", "item.json"),
            ("https://example.com/a/root.json", "item.json", "https://example.com/a/item.json"),
            ("https://example.com/a/root.json", "./b/../item.json", "https://example.com/a/item.json"),
            ("https://example.com/a/root.json", "/item.json", "https://example.com/item.json"),
            ("https://example.com", "item.json", "https://example.com/item.json"),
            ("https://example.com/a", "../../../item", "https://example.com/item"),
            ("https://example.com/a", "http://other.example/b", "http://other.example/b"),
            ("https://example.com/a", "urn:uuid:0198c0de", "urn:uuid:0198c0de"),
            ("https://example.com/a", "", "https://example.com/a"),
        ];
        for (base, reference, expected) in cases {
            assert_eq!(join(base, reference), expected, "{base} {reference}");
        }
    }

    #[test]
    fn percent_escapes_are_undone() {
        assert_eq!(percent_decoded("a%20b%C3%A9").as_deref(), Some("a bé"));
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(percent_decoded(broken), None, "{broken}");
        }
    }
}
