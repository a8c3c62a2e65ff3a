//! Which parts of a schema apply to which parts of a value: the map that bounds all work.
//!
//! Follows keywords and references through the schema file. References that leave the file, name
//! nothing or run in a circle upon one value are refused here, by place; so is a schema that would try
//! thousands of alternatives on one value. What is left can be validated within known time and stack.
//! Knows schemas by the address of their value, so it must not outlive the value it was made from.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::explain::shorten;
use super::source::Source;
use super::uri::{join, percent_decoded};
use crate::diagnostic::Diagnostic;

/// References and alternatives inside each other, upon one value. Together with the depth of values
/// this bounds the stack.
const HEIGHT_MAX: usize = 32;
/// Schemas tried on one value.
const WEIGHT_MAX: usize = 4096;
/// Pairs of schema and value that are looked at before giving up on an estimate.
const PAIRS_MAX: usize = 100_000;

/// The schemas of a file and how they apply each other.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    by_address: HashMap<usize, usize>,
}

#[derive(Debug, Default)]
struct Node {
    edges: Vec<(Step, usize)>,
    /// Keys of `properties`.
    names: Vec<String>,
}

/// From a value to the one that a subschema applies to.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Here,
    Property(String),
    EachProperty,
    Item(usize),
    EachItem,
}

/// A schema that is refused.
#[derive(Debug)]
pub(super) struct Fault {
    code: &'static str,
    pointer: String,
    message: String,
    expected: &'static str,
    help: Option<String>,
}

impl Fault {
    pub(super) fn into_diagnostic(self, source: &Source) -> Diagnostic {
        source.value_fault(self.code, &self.pointer, self.message).expected(self.expected).help_if(self.help)
    }
}

impl Graph {
    /// Maps a schema file. `is_draft4` says that `id` names a schema, not `$id`.
    pub(super) fn new(root: &Value, is_draft4: bool) -> Result<Self, Fault> {
        let mut builder = Builder {
            id_key: if is_draft4 { "id" } else { "$id" },
            found: Vec::new(),
            graph: Self { nodes: Vec::new(), by_address: HashMap::new() },
            resources: Vec::new(),
            by_uri: HashMap::new(),
        };
        builder.resources.push(Resource { uri: String::new(), root, anchors: HashMap::new() });
        builder.by_uri.insert(String::new(), 0);
        builder.walk(root, None, 0);
        builder.link()?;
        builder.refuse_circles()?;
        Ok(builder.graph)
    }

    /// The names that schemas upon one value know, nearest first.
    pub(super) fn names(&self, schema: &Value) -> Vec<&str> {
        let mut names = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let mut next: Vec<usize> = self.by_address.get(&address(schema)).copied().into_iter().collect();
        while let Some(id) = next.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            let node = &self.nodes[id];
            names.extend(node.names.iter().map(String::as_str));
            next.extend(node.edges.iter().filter(|(step, _)| *step == Step::Here).map(|(_, target)| *target));
        }
        names
    }

    /// An upper bound for the work of collecting every reason why a value does not fit, or `None`
    /// where it exceeds `work_max`.
    pub(super) fn work(&self, root: &Value, instance: &Value, work_max: u64) -> Option<u64> {
        let root = *self.by_address.get(&address(root))?;
        let mut sizes = HashMap::new();
        measure(instance, &mut sizes);
        Estimate { graph: self, sizes, known: HashMap::new(), work_max }.of(root, instance)
    }
}

/// Where a value lives, as its name.
fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

/// Counts the nodes of every part of a value.
fn measure(value: &Value, sizes: &mut HashMap<usize, u64>) -> u64 {
    let inner: u64 = match value {
        Value::Array(items) => items.iter().map(|item| measure(item, sizes)).sum(),
        Value::Object(entries) => entries.values().map(|item| measure(item, sizes)).sum(),
        _ => 0,
    };
    sizes.insert(address(value), inner + 1);
    inner + 1
}

/// The estimate of [`Graph::work`]. An error copies the value it is about, so a visit costs its size.
struct Estimate<'a> {
    graph: &'a Graph,
    sizes: HashMap<usize, u64>,
    known: HashMap<(usize, usize), u64>,
    work_max: u64,
}

impl Estimate<'_> {
    /// Recursion ends: every edge leads down the value or down the bounded, circle-free part upon it.
    fn of(&mut self, schema: usize, value: &Value) -> Option<u64> {
        let key = (schema, address(value));
        if let Some(work) = self.known.get(&key) {
            return Some(*work);
        }
        if self.known.len() > PAIRS_MAX {
            return None;
        }
        let graph = self.graph;
        let mut work = self.sizes.get(&key.1).copied().unwrap_or(1);
        for (step, target) in &graph.nodes[schema].edges {
            work += match (step, value) {
                (Step::Here, value) => self.of(*target, value)?,
                (Step::Property(name), Value::Object(entries)) => match entries.get(name) {
                    Some(inner) => self.of(*target, inner)?,
                    None => 0,
                },
                (Step::Item(index), Value::Array(items)) => match items.get(*index) {
                    Some(inner) => self.of(*target, inner)?,
                    None => 0,
                },
                (Step::EachProperty, Value::Object(entries)) => self.of_all(*target, entries.values())?,
                (Step::EachItem, Value::Array(items)) => self.of_all(*target, items.iter())?,
                _ => 0,
            };
            if work > self.work_max {
                return None;
            }
        }
        self.known.insert(key, work);
        Some(work)
    }

    fn of_all<'v>(&mut self, schema: usize, values: impl Iterator<Item = &'v Value>) -> Option<u64> {
        let mut work = 0;
        for value in values {
            work += self.of(schema, value)?;
            if work > self.work_max {
                return None;
            }
        }
        Some(work)
    }
}

/// A schema with an identifier of its own, and the anchors in it.
struct Resource<'a> {
    uri: String,
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
}

/// A schema as it is found in the file.
struct Found<'a> {
    value: &'a Value,
    resource: usize,
    /// The schema it stands in, and the way from there.
    parent: Option<(usize, Vec<&'a str>)>,
}

struct Builder<'a> {
    id_key: &'static str,
    found: Vec<Found<'a>>,
    graph: Graph,
    resources: Vec<Resource<'a>>,
    by_uri: HashMap<String, usize>,
}

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

impl<'a> Builder<'a> {
    /// Notes a schema and those inside it. Recursion ends with the depth of the file.
    fn walk(&mut self, value: &'a Value, parent: Option<(usize, Vec<&'a str>)>, resource: usize) -> usize {
        if let Some(known) = self.graph.by_address.get(&address(value)) {
            return *known;
        }
        let id = self.found.len();
        self.graph.by_address.insert(address(value), id);
        self.graph.nodes.push(Node::default());
        self.found.push(Found { value, resource, parent });
        let Value::Object(keywords) = value else {
            return id;
        };
        let resource = self.name(id, resource);
        for (keyword, inner) in keywords {
            let keyword = keyword.as_str();
            let step = match keyword {
                "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas" | "dependencies" => {
                    Some(Step::Here)
                }
                "properties"
                | "patternProperties"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames" => Some(Step::EachProperty),
                "items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains" => Some(Step::EachItem),
                "$defs" | "definitions" => None,
                _ => continue,
            };
            match inner {
                Value::Array(schemas) if is_list(keyword) => {
                    for (index, schema) in schemas.iter().enumerate() {
                        let step = match step {
                            Some(Step::EachItem) => Some(Step::Item(index)),
                            _ => step.clone(),
                        };
                        // Faults name the list: an index is not worth a string for every schema.
                        self.edge(id, step, schema, vec![keyword], resource);
                    }
                }
                Value::Object(schemas) if is_map(keyword) => {
                    for (name, schema) in schemas {
                        let step = if keyword == "properties" {
                            self.graph.nodes[id].names.push(name.clone());
                            Some(Step::Property(name.clone()))
                        } else {
                            step.clone()
                        };
                        self.edge(id, step, schema, vec![keyword, name], resource);
                    }
                }
                Value::Object(_) if !is_map(keyword) => {
                    self.edge(id, step, inner, vec![keyword], resource);
                }
                _ => {}
            }
        }
        id
    }

    fn edge(&mut self, from: usize, step: Option<Step>, schema: &'a Value, way: Vec<&'a str>, resource: usize) {
        if schema.is_object() {
            let target = self.walk(schema, Some((from, way)), resource);
            if let Some(step) = step {
                self.graph.nodes[from].edges.push((step, target));
            }
        }
    }

    /// Notes the identifier and anchors of a schema; the resource that its inside belongs to.
    fn name(&mut self, id: usize, outer: usize) -> usize {
        let value = self.found[id].value;
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let mut resource = outer;
        match text(self.id_key) {
            Some(anchor) if anchor.starts_with('#') => {
                self.resources[outer].anchors.insert(&anchor[1..], value);
            }
            Some(uri) => {
                let uri = join(&self.resources[outer].uri, uri.split('#').next().unwrap_or(""));
                resource = self.resources.len();
                self.by_uri.insert(uri.clone(), resource);
                self.resources.push(Resource { uri, root: value, anchors: HashMap::new() });
                self.found[id].resource = resource;
            }
            None => {}
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = value.get(key).and_then(Value::as_str) {
                self.resources[resource].anchors.insert(anchor, value);
            }
        }
        resource
    }

    /// Adds an edge for every reference. A pointer may lead to a place that is no keyword's; what
    /// stands there becomes a schema too, and is looked at in turn.
    fn link(&mut self) -> Result<(), Fault> {
        let mut id = 0;
        while id < self.found.len() {
            let (value, resource) = (self.found[id].value, self.found[id].resource);
            for keyword in REFERENCES {
                if let Some(reference) = value.get(keyword).and_then(Value::as_str) {
                    let (target, home) = self
                        .resolve(reference, resource)
                        .map_err(|reason| self.refuse(id, keyword, reference, &reason))?;
                    let parent = target.is_object().then_some((id, vec![keyword]));
                    let target = self.walk(target, parent, home);
                    self.graph.nodes[id].edges.push((Step::Here, target));
                }
            }
            id += 1;
        }
        Ok(())
    }

    /// What a reference names: the value and its resource.
    fn resolve(&self, reference: &str, from: usize) -> Result<(&'a Value, usize), Reason> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let home = if uri.is_empty() {
            from
        } else {
            let uri = join(&self.resources[from].uri, uri);
            *self.by_uri.get(&uri).ok_or(Reason::Outside)?
        };
        let resource = &self.resources[home];
        let fragment = percent_decoded(fragment).ok_or(Reason::Nothing)?;
        let value = if fragment.is_empty() || fragment.starts_with('/') {
            resource.root.pointer(&fragment)
        } else {
            resource.anchors.get(fragment.as_str()).copied()
        };
        value.map(|value| (value, home)).ok_or(Reason::Nothing)
    }

    fn refuse(&self, id: usize, keyword: &str, reference: &str, reason: &Reason) -> Fault {
        let pointer = format!("{}/{keyword}", self.pointer(id));
        let shown = shorten(reference);
        match reason {
            Reason::Outside => Fault {
                code: "E0605",
                pointer,
                message: format!("the reference `{shown}` leads out of this file"),
                expected: "a reference to a place in this file, such as `#/$defs/name`",
                help: Some("copy the definition into `$defs`; nothing is fetched".to_owned()),
            },
            Reason::Nothing => Fault {
                code: "E0606",
                pointer,
                message: format!("the reference `{shown}` names nothing in this file"),
                expected: "a reference to a place in this file, such as `#/$defs/name`",
                help: self.near(reference),
            },
        }
    }

    /// The nearest definition, for a misspelled reference.
    fn near(&self, reference: &str) -> Option<String> {
        let wrong = reference.rsplit('/').next()?;
        let root = self.found.first()?.value;
        let names = ["$defs", "definitions"]
            .into_iter()
            .filter_map(|key| root.get(key)?.as_object())
            .flat_map(|definitions| definitions.keys().map(String::as_str));
        crate::diagnostic::did_you_mean(wrong, names)
    }

    /// Refuses circles upon one value, and too much upon one value.
    fn refuse_circles(&self) -> Result<(), Fault> {
        let mut known = vec![Load::Unknown; self.graph.nodes.len()];
        for id in 0..self.graph.nodes.len() {
            self.load(id, 0, &mut known)?;
        }
        Ok(())
    }

    fn load(&self, id: usize, depth: usize, known: &mut [Load]) -> Result<(usize, usize), Fault> {
        match known[id] {
            Load::Known(height, weight) if depth + height <= HEIGHT_MAX => {
                return Ok((height, weight));
            }
            Load::Open => {
                return Err(Fault {
                    code: "E0607",
                    pointer: self.pointer(id),
                    message: "a reference leads back to this schema without going into the value".to_owned(),
                    expected: "recursion through `properties`, `items` or the like",
                    help: None,
                });
            }
            Load::Unknown if depth < HEIGHT_MAX => {}
            Load::Unknown | Load::Known(..) => {
                return Err(self.too_much(id, "references and alternatives nest too deep"));
            }
        }
        known[id] = Load::Open;
        let (mut height, mut weight) = (1, 1);
        for (step, target) in &self.graph.nodes[id].edges {
            if *step == Step::Here {
                let inner = self.load(*target, depth + 1, known)?;
                height = height.max(inner.0 + 1);
                weight += inner.1;
                if weight > WEIGHT_MAX {
                    return Err(self.too_much(id, "too many alternatives apply to one value"));
                }
            }
        }
        known[id] = Load::Known(height, weight);
        Ok((height, weight))
    }

    fn too_much(&self, id: usize, what: &str) -> Fault {
        Fault {
            code: "E0608",
            pointer: self.pointer(id),
            message: format!("{what} here"),
            expected: "at most 32 references and alternatives inside each other, and 4096 on one value",
            help: None,
        }
    }

    /// The JSON pointer of a schema, where it can be told.
    fn pointer(&self, id: usize) -> String {
        let mut tokens = Vec::new();
        let mut at = id;
        while let Some((parent, way)) = &self.found[at].parent {
            if way.len() == 1 && REFERENCES.contains(&way[0]) {
                break;
            }
            tokens.push((way, at));
            at = *parent;
        }
        let mut pointer = String::new();
        for (way, at) in tokens.into_iter().rev() {
            for token in way {
                pointer.push('/');
                pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
            }
            // An entry of a list is found again by its address.
            let parent = self.found[at].parent.as_ref().map(|(parent, _)| *parent);
            let list = parent.and_then(|parent| self.found[parent].value.get(way[0])?.as_array());
            if let Some(index) =
                list.and_then(|list| list.iter().position(|item| std::ptr::eq(item, self.found[at].value)))
            {
                let _ = write!(pointer, "/{index}");
            }
        }
        pointer
    }
}

#[derive(Clone, Copy)]
enum Load {
    Unknown,
    Open,
    Known(usize, usize),
}

/// Why a reference is refused.
enum Reason {
    Outside,
    Nothing,
}

fn is_list(keyword: &str) -> bool {
    matches!(keyword, "allOf" | "anyOf" | "oneOf" | "items" | "prefixItems")
}

fn is_map(keyword: &str) -> bool {
    matches!(
        keyword,
        "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs" | "definitions"
    )
}
