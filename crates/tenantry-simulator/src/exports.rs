//! Export jobs: a state that time moves on, and a gzip file behind a signed link.
//!
//! The file is made once, when the job is first seen completed; the link lives 60 seconds, and a fresh one comes
//! with every look at the job; after 24 hours all of it is gone. The download answers as an object store does: in
//! XML, and refusing a second kind of authentication.

use crate::api::Object;
use crate::config::Config;
use crate::http::{Query, Request, Response};
use crate::random::hash;
use crate::search::dig;
use crate::tenant::Tenant;
use crate::time::{self, DAY, SECOND};
use crate::users::User;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;

/// File format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

/// One exported field and the name that it gets.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) shown: String,
}

/// What an export job was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(crate) fields: Vec<Field>,
    pub(crate) format: Format,
    pub(crate) limit: Option<u64>,
    pub(crate) connection: Option<String>,
}

struct Job {
    export: Export,
    /// What the request said, in every answer again.
    asked: Object,
    created: i64,
    completes: i64,
    file: Option<Vec<u8>>,
}

/// All jobs that are younger than a day.
#[derive(Default)]
pub(crate) struct Jobs(BTreeMap<String, Job>);

/// How long a link lives.
const LINK_MICROS: i64 = 60 * SECOND;

fn signature(id: &str, expires: i64, seed: u64) -> String {
    format!(
        "{:016x}{:016x}",
        hash(format!("{id}{expires}{seed}").as_bytes()),
        hash(format!("{seed}{id}").as_bytes())
    )
}

impl Jobs {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Forgets jobs older than a day.
    pub(crate) fn advance(&mut self, now: i64) {
        self.0.retain(|_, job| now - job.created <= DAY);
    }

    pub(crate) fn start(
        &mut self,
        id: &str,
        export: Export,
        asked: Object,
        now: i64,
        duration: i64,
    ) -> Object {
        let job = Job { export, asked, created: now, completes: now + duration, file: None };
        let shown = job.shown(id, "pending");
        self.0.insert(id.to_owned(), job);
        shown
    }

    /// The job as the API shows it now; `None` where there is none.
    pub(crate) fn show(&self, id: &str, origin: &str, config: &Config, now: i64) -> Option<Object> {
        let job = self.0.get(id)?;
        let duration = (job.completes - job.created).max(1);
        let done = (now - job.created) * 100 / duration;
        if now >= job.completes {
            let mut shown = job.shown(id, "completed");
            shown.insert("percentage_done".into(), 100.into());
            shown.insert("time_left_seconds".into(), 0.into());
            shown.insert("location".into(), link(id, job.export.format, origin, config, now).into());
            return Some(shown);
        }
        let mut shown = job.shown(id, if done < 25 { "pending" } else { "processing" });
        if done >= 25 {
            shown.insert("percentage_done".into(), done.into());
            shown.insert("time_left_seconds".into(), ((job.completes - now) / SECOND + 1).into());
        }
        Some(shown)
    }
}

impl Job {
    fn shown(&self, id: &str, status: &str) -> Object {
        let mut shown = Map::new();
        shown.insert("type".into(), "users_export".into());
        shown.insert("status".into(), status.into());
        shown.extend(self.asked.clone());
        shown.insert("created_at".into(), time::millis(self.created / 1000).into());
        shown.insert("id".into(), id.into());
        shown
    }
}

fn link(id: &str, format: Format, origin: &str, config: &Config, now: i64) -> String {
    let expires = (now + LINK_MICROS) / SECOND;
    let extension = if format == Format::Json { "json" } else { "csv" };
    let signature = signature(id, expires, config.seed);
    format!("{origin}/exports/{id}/{}.{extension}.gz?Expires={expires}&Signature={signature}", config.tenant)
}

fn store_error(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let headers = vec![("content-type".into(), "application/xml".into())];
    Response { status, headers, body: body.into_bytes() }
}

/// Answers `GET /exports/{job}/{file}`, an address that only `location` tells.
pub(crate) fn download(tenant: &mut Tenant, request: &Request, now: i64) -> Response {
    let id = request.path.split('/').nth(2).unwrap_or_default().to_owned();
    let query = Query::parse(&request.query);
    if request.header_value("authorization").is_some() {
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                       string parameter or the Authorization header should be specified";
        return store_error(400, "InvalidArgument", message);
    }
    let expires: i64 = query.get("Expires").and_then(|e| e.parse().ok()).unwrap_or_default();
    if query.get("Signature") != Some(signature(&id, expires, tenant.config.seed).as_str()) {
        return store_error(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
        );
    }
    if now >= (expires + 1) * SECOND {
        return store_error(403, "AccessDenied", "Request has expired");
    }
    let Some(job) = tenant.jobs.0.get(&id).filter(|job| now >= job.completes) else {
        return store_error(404, "NoSuchKey", "The specified key does not exist.");
    };
    let made = job.file.clone().ok_or_else(|| job.export.clone());
    let Ok(file) = made.or_else(|export| render(tenant, &export)) else {
        return store_error(500, "InternalError", "We encountered an internal error. Please try again.");
    };
    if let Some(job) = tenant.jobs.0.get_mut(&id).filter(|job| job.file.is_none()) {
        job.file = Some(file.clone());
    }
    let headers = vec![
        ("content-type".into(), "application/octet-stream".into()),
        ("etag".into(), format!("\"{:016x}\"", hash(&file))),
        ("accept-ranges".into(), "bytes".into()),
    ];
    Response { status: 200, headers, body: file }
}

/// What a job without `fields` exports.
const PREDEFINED: [&str; 14] = [
    "user_id",
    "email",
    "email_verified",
    "name",
    "nickname",
    "given_name",
    "family_name",
    "picture",
    "created_at",
    "updated_at",
    "last_login",
    "last_ip",
    "logins_count",
    "identities",
];

/// How many bytes of lines are compressed at a time.
const CHUNK: usize = 64 * 1024;

fn render(tenant: &Tenant, export: &Export) -> std::io::Result<Vec<u8>> {
    let predefined = || PREDEFINED.iter().map(|n| Field { name: (*n).into(), shown: (*n).into() }).collect();
    let fields: Vec<Field> = if export.fields.is_empty() { predefined() } else { export.fields.clone() };
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    if export.format == Format::Csv {
        let head: Vec<String> = fields.iter().map(|f| quote(&f.shown)).collect();
        out.write_all(format!("{}\n", head.join(",")).as_bytes())?;
    }
    let name = export.connection.as_ref().and_then(|c| tenant.connections.get(c)).and_then(|c| c.get("name"));
    let mut left = export.limit.unwrap_or(u64::MAX);
    let mut lines: Vec<u8> = Vec::with_capacity(CHUNK + 4_096);
    for (_, user) in tenant.users.iter() {
        if left == 0 {
            break;
        }
        let sources = &tenant.users.sources;
        if let Some(name) = name
            && !user.identities(sources).iter().any(|i| i.get("connection") == Some(name))
        {
            continue;
        }
        left -= 1;
        match export.format {
            Format::Json => json_line(tenant, user, &fields, &mut lines)?,
            Format::Csv => csv_line(tenant, user, &fields, &mut lines),
        }
        lines.push(b'\n');
        if lines.len() > CHUNK {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    out.write_all(&lines)?;
    out.finish()
}

type Fields = [(std::borrow::Cow<'static, str>, Value)];

/// The value at `identities[0].connection` and the like.
fn at_path(row: &Fields, path: &str) -> Option<Value> {
    let top = |name: &str| row.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    if let Some(value) = top(path) {
        return Some(value.clone());
    }
    let (head, rest) = path.split_once(['.', '['])?;
    let value = top(head)?;
    if path[head.len()..].starts_with('[') {
        let (index, rest) = rest.split_once(']')?;
        let item = value.get(index.parse::<usize>().ok()?)?;
        let rest = rest.trim_start_matches('.');
        return if rest.is_empty() { Some(item.clone()) } else { item.get(rest).cloned() };
    }
    let mut found = Vec::new();
    dig(value, rest, &mut found);
    found.into_iter().next()
}

/// One line of the file; fields that the user lacks are left out.
fn json_line(tenant: &Tenant, user: &User, fields: &[Field], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut row = user.flat(&tenant.users.sources);
    let mut separator = b'{';
    for field in fields {
        let whole = row.iter_mut().find(|(name, _)| *name == field.name).map(|(_, value)| value.take());
        if let Some(value) = whole.or_else(|| at_path(&row, &field.name)) {
            out.push(separator);
            serde_json::to_writer(&mut *out, &field.shown)?;
            out.push(b':');
            serde_json::to_writer(&mut *out, &value)?;
            separator = b',';
        }
    }
    if separator == b'{' {
        out.push(separator);
    }
    out.push(b'}');
    Ok(())
}

/// Quoted, with a guard against what a spreadsheet would run as a formula.
fn quote(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn csv_line(tenant: &Tenant, user: &User, fields: &[Field], out: &mut Vec<u8>) {
    let row = user.flat(&tenant.users.sources);
    let cell = |field: &Field| match at_path(&row, &field.name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => quote(&text),
        Some(other @ (Value::Array(_) | Value::Object(_))) => quote(&other.to_string()),
        Some(other) => other.to_string(),
    };
    let cells: Vec<String> = fields.iter().map(cell).collect();
    out.extend_from_slice(cells.join(",").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_reach_into_arrays_and_objects() {
        let row: Vec<(std::borrow::Cow<'static, str>, Value)> = vec![
            ("identities".into(), json!([{"connection": "db"}])),
            ("app_metadata".into(), json!({"plan": "pro", "a.b": 1})),
        ];
        assert_eq!(at_path(&row, "identities[0].connection"), Some("db".into()));
        assert_eq!(at_path(&row, "identities[1].connection"), None);
        assert_eq!(at_path(&row, "app_metadata.plan"), Some("pro".into()));
        assert_eq!(at_path(&row, "app_metadata.none"), None);
        assert_eq!(at_path(&row, "none"), None);
    }

    #[test]
    fn csv_is_guarded_against_formulas() {
        assert_eq!(quote("=1+1"), "\"'=1+1\"");
        assert_eq!(quote("a \"b\""), "\"a \"\"b\"\"\"");
    }
}
