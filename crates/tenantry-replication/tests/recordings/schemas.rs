//! Answers made from what Auth0 publishes: placeholder answers of its stubs, and instances of its JSON Schemas.
//!
//! Such answers are valid by shape, and their values mean nothing.

use serde_json::{Map, Value, json};

use crate::archive;
use crate::endpoints::{self, Answer};

/// Members that hold times, which the documents declare as plain strings (or as objects that are never sent).
const TIMES: &[&str] = &["created_at", "date", "last_login", "last_password_reset", "updated_at"];
const TIME: &str = "2026-01-15T09:30:00.000Z";
/// Of each choice that a schema leaves, so many alternatives are taken.
const VARIANTS: usize = 4;
/// Schemas refer to themselves.
const DEPTH_MAX: usize = 16;

/// All answers of streams' endpoints that the published documents give; `None` without them.
pub(crate) fn answers() -> Option<Vec<Answer>> {
    let mut answers = stubs(&archive::published("wiremock-mappings.ruby-6.1.0.json")?);
    answers.extend(documented(&archive::published("management-api-oas.2026-06-25.json")?));
    answers.extend(events(&archive::published("tenant-logs-schema.2026-08-14.json")?));
    Some(answers)
}

/// Answers of the stubs that Auth0 generates for its clients' tests.
fn stubs(document: &Value) -> Vec<Answer> {
    let mappings = document["mappings"].as_array().unwrap().iter();
    let reads = mappings.filter(|mapping| mapping["request"]["method"] == "GET");
    reads
        .filter_map(|mapping| {
            let path = mapping["request"]["urlPathTemplate"].as_str()?;
            let mut body: Value = serde_json::from_str(mapping["response"]["body"].as_str()?).ok()?;
            make_plausible(&mut body);
            endpoints::answer(path, &body)
        })
        .collect()
}

/// The stubs write `"date": "date"` for a time, 1.1 for every number, and `{}` for an element without required members.
fn make_plausible(value: &mut Value) {
    match value {
        Value::Array(elements) => {
            elements.retain(|element| *element != json!({}));
            elements.iter_mut().for_each(make_plausible);
        }
        Value::Object(members) => {
            for (name, value) in members {
                if TIMES.contains(&name.as_str()) && value.is_string() {
                    *value = json!(TIME);
                }
                make_plausible(value);
            }
        }
        Value::Number(number) if number.is_f64() => *value = json!(1),
        _ => {}
    }
}

/// Instances of the answers that the API's own document declares.
fn documented(document: &Value) -> Vec<Answer> {
    let paths = document["paths"].as_object().unwrap();
    let schemas = paths.iter().filter_map(|(path, item)| {
        Some((path, item.pointer("/get/responses/200/content/application~1json/schema")?))
    });
    schemas
        .flat_map(|(path, schema)| {
            (0..VARIANTS).filter_map(move |variant| {
                endpoints::answer(path, &Instances { document, variant }.of(schema, "value", 0))
            })
        })
        .collect()
}

/// Instances of every type of log event.
fn events(document: &Value) -> Vec<Answer> {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let of = |variant| {
        let instances = Instances { document, variant };
        let events: Vec<Value> = schemas.values().map(|schema| instances.of(schema, "value", 0)).collect();
        endpoints::answer("/logs", &Value::Array(events)).unwrap()
    };
    (0..VARIANTS).map(of).collect()
}

struct Instances<'a> {
    document: &'a Value,
    /// Which alternative is taken wherever there are several.
    variant: usize,
}

impl Instances<'_> {
    /// A value that the schema allows, for the member `name`.
    fn of(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if TIMES.contains(&name) {
            return json!(TIME);
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self
                .document
                .pointer(reference.trim_start_matches('#'))
                .expect("a reference leads somewhere");
            return self.of(target, name, depth + 1);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(value) = self.choice(&schema["enum"]) {
            return value.clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().map(|part| self.of(part, name, depth + 1));
            return parts.fold(self.typed(schema, name, depth), merged);
        }
        if let Some(alternative) = self.choice(&schema["oneOf"]).or_else(|| self.choice(&schema["anyOf"])) {
            let chosen = self.of(alternative, name, depth + 1);
            return if schema["properties"].is_object() {
                merged(self.typed(schema, name, depth), chosen)
            } else {
                chosen
            };
        }
        self.typed(schema, name, depth)
    }

    fn choice<'v>(&self, alternatives: &'v Value) -> Option<&'v Value> {
        let alternatives = alternatives.as_array().filter(|alternatives| !alternatives.is_empty())?;
        Some(&alternatives[self.variant % alternatives.len()])
    }

    fn typed(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let kind = self.choice(&schema["type"]).unwrap_or(&schema["type"]);
        match kind.as_str().unwrap_or(if schema["properties"].is_object() { "object" } else { "string" }) {
            "object" => {
                let members = schema["properties"].as_object().into_iter().flatten();
                Value::Object(
                    members.map(|(name, schema)| (name.clone(), self.of(schema, name, depth + 1))).collect(),
                )
            }
            "array" => json!([self.of(&schema["items"], name, depth + 1)]),
            "boolean" => json!(self.variant.is_multiple_of(2)),
            "integer" | "number" => json!(self.variant),
            "null" => Value::Null,
            _ if schema["format"] == "date-time" => json!(TIME),
            _ => json!(name),
        }
    }
}

/// Both objects in one; anything else gives way to the second.
fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            Value::Object(first.into_iter().chain(second).collect::<Map<_, _>>())
        }
        (_, second) => second,
    }
}
