//! A small, strict reader of the HTML that reports are made of: every element is closed in its order, every attribute quoted,
//! and what a page links to is known. Far stricter than browsers are, on purpose.

use std::collections::{BTreeMap, BTreeSet};

const VOID: [&str; 8] = ["area", "br", "col", "hr", "img", "input", "link", "meta"];

/// An element with its place in the document.
#[derive(Clone, Debug)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// Text directly and further down in it.
    pub text: String,
    /// Names of the elements around it, the outermost first.
    pub within: Vec<String>,
}

impl Element {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Reads a page; elements in the order of their beginnings.
pub fn read(text: &str) -> Result<Vec<Element>, String> {
    let mut rest = text.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let mut done: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while let Some(at) = rest.find('<') {
        let is_raw = open.last().is_some_and(|index| matches!(done[*index].name.as_str(), "script" | "style"));
        let words = &rest[..at];
        if !is_raw && words.contains('>') {
            return Err(format!("`>` in text: {words:.80}"));
        }
        let words = if is_raw { words.to_owned() } else { unescape(words) };
        for index in &open {
            done[*index].text.push_str(&words);
        }
        rest = &rest[at..];
        if is_raw && !rest.starts_with("</") {
            let index = *open.last().ok_or("nothing open")?;
            done[index].text.push('<');
            rest = &rest[1..];
            continue;
        }
        if let Some(closing) = rest.strip_prefix("</") {
            let end = closing.find('>').ok_or("a tag without an end")?;
            let index = open.pop().ok_or_else(|| format!("</{}> closes nothing", &closing[..end]))?;
            if done[index].name != closing[..end] {
                return Err(format!("</{}> closes <{}>", &closing[..end], done[index].name));
            }
            rest = &closing[end + 1..];
            continue;
        }
        let (element, after) = tag(&rest[1..], open.iter().map(|index| done[*index].name.clone()).collect())?;
        rest = after;
        if !VOID.contains(&element.name.as_str()) {
            open.push(done.len());
        }
        done.push(element);
    }
    if !rest.trim().is_empty() || !open.is_empty() {
        return Err(format!(
            "left open at the end: {:?}",
            open.iter().map(|index| &done[*index].name).collect::<Vec<_>>()
        ));
    }
    Ok(done)
}

fn tag(text: &str, within: Vec<String>) -> Result<(Element, &str), String> {
    let name_end = text.find(|c: char| !c.is_ascii_alphanumeric()).ok_or("a tag without an end")?;
    let name = text[..name_end].to_owned();
    if name.is_empty() {
        return Err(format!("`<` in text: {text:.40}"));
    }
    let mut attributes = BTreeMap::new();
    let mut rest = &text[name_end..];
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(after) = rest.strip_prefix('>') {
            return Ok((Element { name, attributes, text: String::new(), within }, after));
        }
        let end = rest.find(['=', ' ', '>']).ok_or("an attribute without an end")?;
        let key = rest[..end].to_owned();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':')) {
            return Err(format!("`{key}` is no attribute of <{name}>"));
        }
        let value = if let Some(quoted) = rest[end..].strip_prefix("=\"") {
            let close = quoted.find('"').ok_or("a value without an end")?;
            rest = &quoted[close + 1..];
            unescape(&quoted[..close])
        } else if rest[end..].starts_with('=') {
            return Err(format!("`{key}` of <{name}> is not quoted"));
        } else {
            rest = &rest[end..];
            String::new()
        };
        if attributes.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` twice in <{name}>"));
        }
    }
}

fn unescape(text: &str) -> String {
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    known.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What is wrong with a page, by itself. `files`: every page of the site with its ids, by path from the top.
pub fn faults(path: &str, page: &[Element], files: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |words: String| faults.push(format!("{path}: {words}"));
    let named = |name: &'static str| page.iter().filter(move |element| element.name == name);
    for (name, times) in [("h1", 1), ("title", named("title").count()), ("main", 1), ("html", 1)] {
        if named(name).count() != times {
            fault(format!("{} <{name}>", named(name).count()));
        }
    }
    if named("html").next().and_then(|html| html.get("lang")) != Some("en") {
        fault("no language".to_owned());
    }
    let mut ids = BTreeSet::new();
    for element in page {
        let Element { name, attributes, .. } = element;
        for key in attributes.keys() {
            if key.starts_with("on")
                || key == "style"
                || matches!(key.as_str(), "src" | "action" | "formaction" | "srcdoc")
            {
                fault(format!("`{key}` on <{name}>"));
            }
        }
        if matches!(name.as_str(), "iframe" | "object" | "embed" | "base" | "link" | "img" | "a") && name != "a" {
            fault(format!("<{name}>"));
        }
        if let Some(id) = element.get("id")
            && !ids.insert(id.to_owned())
        {
            fault(format!("the id `{id}` twice"));
        }
    }
    let has = |id: &str| ids.contains(id);
    for element in page {
        for key in ["aria-labelledby", "for"] {
            for id in element.get(key).into_iter().flat_map(str::split_whitespace).filter(|id| !has(id)) {
                fault(format!("`{key}` names `{id}`, which is not there"));
            }
        }
        for (key, value) in &element.attributes {
            if value.contains("://") && !matches!(key.as_str(), "title" | "value" | "data-kind") {
                fault(format!("`{key}` of <{}> leads outside: {value}", element.name));
            }
            let id = value.strip_prefix("url(#").and_then(|id| id.strip_suffix(')'));
            if let Some(id) = id.filter(|id| !has(id)) {
                fault(format!("`{key}` names `{id}`, which is not there"));
            }
        }
        if let Some(link) = element.get("href") {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = match file.strip_prefix("../") {
                _ if file.is_empty() => path.to_owned(),
                Some(up) => up.to_owned(),
                None if folder.is_empty() => file.to_owned(),
                None => format!("{folder}/{file}"),
            };
            match files.get(&target) {
                None => fault(format!("a link to `{link}`, which is not there")),
                Some(ids) if !anchor.is_empty() && !ids.contains(anchor) => {
                    fault(format!("a link to `{link}`: no such id"));
                }
                Some(_) => {}
            }
        }
    }
    for table in named("table") {
        if !page.iter().any(|element| element.name == "caption" && element.within.len() == table.within.len() + 1) {
            fault("a table without a caption".to_owned());
        }
    }
    for header in named("th").filter(|header| header.get("scope").is_none()) {
        fault(format!("a header without a scope: {}", header.text));
    }
    for svg in named("svg") {
        if svg.get("aria-hidden") != Some("true")
            && (svg.get("role") != Some("img") || svg.get("aria-labelledby").is_none())
        {
            fault("a drawing without words".to_owned());
        }
    }
    for control in page.iter().filter(|element| matches!(element.name.as_str(), "input" | "select")) {
        let id = control.get("id").unwrap_or_default();
        if !named("label").any(|label| label.get("for") == Some(id)) {
            fault(format!("`{id}` has no label"));
        }
    }
    for empty in page
        .iter()
        .filter(|element| matches!(element.name.as_str(), "a" | "button" | "h2") && element.text.trim().is_empty())
    {
        fault(format!("<{}> without words", empty.name));
    }
    faults
}
