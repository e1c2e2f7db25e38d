//! `/logs`, `/stats/daily` and `/log-streams`.
//!
//! Logs are read by checkpoint (`from`, `take`; everything else is ignored) or by search (1,000 results).

use super::{Answer, ApiError, Body, Call, Object, Outcome, merge, no_content, ok, project, reply, required};
use crate::audit;
use crate::logs::{Entry, time_in};
use crate::paging::{self, Offset};
use crate::search::Query;
use crate::tenant::Tenant;
use crate::time;
use serde_json::{Value, json};

const PARAMETERS: &[&str] = &[
    "page",
    "per_page",
    "sort",
    "fields",
    "include_fields",
    "include_totals",
    "from",
    "take",
    "search",
    "q",
];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(PARAMETERS)?;
    if call.query.has("from") || call.query.has("take") {
        return checkpoint(tenant, call);
    }
    let offset = Offset::of(call, 50, 100)?;
    if offset.beyond_window() {
        let message = "You can only page through the first 1000 records.";
        return Err(ApiError::bad(message, Some("invalid_paging")));
    }
    let text = call.query.get("q").or(call.query.get("search")).unwrap_or_default();
    let query = Query::parse(text).map_err(|e| ApiError::query(&format!("The query is not valid: {e}")))?;
    let rows = search(tenant, call, &query, offset)?;
    if !offset.totals {
        return ok(rows);
    }
    // `total` is the page's length: deprecated, and so since long.
    ok(json!({ "start": offset.start(), "limit": offset.per_page, "length": rows.len(), "total": rows.len(),
        "logs": rows }))
}

fn search(tenant: &Tenant, call: &Call<'_>, query: &Query, offset: Offset) -> Result<Vec<Value>, ApiError> {
    let parse = |e: &Entry| serde_json::from_str::<Value>(&e.json).ok();
    let show = |v: Value| match v {
        Value::Object(row) => Value::from(project(call, row, &["_id"])),
        other => other,
    };
    let hits = |e: &Entry| *query == Query::Everything || parse(e).is_some_and(|v| query.matches(&v));
    let page = |rows: &mut dyn Iterator<Item = &Entry>| -> Vec<Value> {
        rows.skip(offset.start()).take(offset.per_page).filter_map(parse).map(show).collect()
    };
    let Some(sort) = call.query.get("sort") else {
        return Ok(page(&mut tenant.logs.iter().rev().map(|(_, e)| e).filter(|e| hits(e))));
    };
    let (field, order) = sort.rsplit_once(':').unwrap_or((sort, "1"));
    if field != "date" {
        return Err(ApiError::query("Query validation error: 'Invalid value' on property sort."));
    }
    let mut rows: Vec<&Entry> = tenant.logs.iter().map(|(_, e)| e).filter(|e| hits(e)).collect();
    rows.sort_by_key(|e| e.date);
    if order == "-1" {
        rows.reverse();
    }
    Ok(page(&mut rows.into_iter()))
}

/// Events after a log id, with the next page's address in a `Link` header; on an empty page that is the page itself.
fn checkpoint(tenant: &Tenant, call: &Call<'_>) -> Outcome {
    let take = paging::integer(call, "take", 1, 100, "Number of entries to retrieve. Default 50, max 100.")?;
    let take = take.unwrap_or(50) as usize;
    let from = call.query.get("from").unwrap_or_default();
    if !from.is_empty() && time_in(from).is_none() {
        return Err(ApiError::query("Query validation error: 'Invalid log_id' on property from."));
    }
    let oldest = time::compact(call.now - tenant.config.retention());
    if tenant.config.expired_from_is_error
        && time_in(from).is_some_and(|t| t < oldest.as_str())
        && is_real(from)
    {
        return Err(ApiError::bad("The log checkpoint has expired.", Some("invalid_checkpoint")));
    }
    let mut text = String::from("[");
    let mut last = from;
    for (id, entry) in tenant.logs.after(from).take(take) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&entry.json);
        last = id;
    }
    text.push(']');
    let next = format!("<{}{}?from={last}&take={take}>; rel=\"next\"", call.origin(), call.request.path);
    let headers = if last.is_empty() { Vec::new() } else { vec![("link".into(), next)] };
    Ok(Answer { status: 200, headers, body: Body::Text(text) })
}

/// Whether a log id was once given by the tenant: a synthesised one ends in zeros and is only a point in time.
fn is_real(id: &str) -> bool {
    !id.ends_with("00000000000000000000")
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let entry = tenant.logs.get(call.param(0));
    let entry = entry.ok_or_else(|| ApiError::not_found("Log not found", Some("inexistent_log")))?;
    Ok(Answer { status: 200, headers: Vec::new(), body: Body::Text(entry.json.to_string()) })
}

/// A parameter `YYYYMMDD` as a day number.
fn day(call: &Call<'_>, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = call.query.get(name) else { return Ok(None) };
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap_or_default();
    if !digits || !(1..=12).contains(&number(4..6)) || !(1..=31).contains(&number(6..8)) {
        let wrong = format!("Query validation error: 'String does not match pattern' on property {name}.");
        return Err(ApiError::query(&wrong));
    }
    Ok(Some(time::days(number(0..4), number(4..6), number(6..8))))
}

pub(crate) fn daily(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(&["from", "to"])?;
    let first = day(call, "from")?.unwrap_or(i64::MIN);
    let last = day(call, "to")?.unwrap_or(i64::MAX);
    ok(tenant.stats.rows(first, last, call.now))
}

pub(crate) fn active_users(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let since = (call.now - 30 * time::DAY) / 1000;
    ok(tenant.users.iter().filter(|(_, u)| u.last_login >= since).count())
}

const STREAM_SECRETS: [&str; 5] =
    ["datadogApiKey", "splunkToken", "httpAuthorization", "segmentWriteKey", "sumoSourceAddress"];

pub(crate) fn streams(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let rows: Vec<Value> = tenant.log_streams.values().cloned().map(Value::from).collect();
    let held = STREAM_SECRETS.iter().filter(|s| rows.iter().any(|r| r["sink"].get(**s).is_some()));
    let held: Vec<&str> = held.copied().collect();
    audit::read_secrets(tenant, call, "Get log streams", &held);
    ok(rows)
}

fn inexistent_stream() -> ApiError {
    ApiError::not_found("The log stream does not exist.", None)
}

pub(crate) fn stream(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(tenant.log_streams.get(call.param(0)).ok_or_else(inexistent_stream)?.clone())
}

const STREAM: &[&str] =
    &["name", "type", "isPriority", "filters", "pii_config", "sink", "startFrom", "status"];

pub(crate) fn create_stream(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(STREAM)?;
    required(&body, "type")?;
    if !body.get("sink").is_some_and(Value::is_object) {
        return Err(super::missing("sink"));
    }
    body.shift_remove("startFrom");
    let number = tenant.random.digits(8);
    let id = format!("lst_00000000{number}");
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    row.insert("name".into(), "".into());
    row.insert("type".into(), Value::Null);
    row.insert("status".into(), "active".into());
    merge(&mut row, body);
    row.entry("isPriority").or_insert(false.into());
    mask_mixpanel(&mut row);
    tenant.log_streams.insert(id, row.clone());
    ok(row)
}

/// The one credential that Auth0 masks itself.
fn mask_mixpanel(row: &mut Object) {
    if let Some(sink) = row.get_mut("sink").and_then(Value::as_object_mut)
        && sink.contains_key("mixpanelServiceAccountPassword")
    {
        sink.insert("mixpanelServiceAccountPassword".into(), "****".into());
    }
}

pub(crate) fn update_stream(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(STREAM)?;
    let row = tenant.log_streams.get_mut(call.param(0)).ok_or_else(inexistent_stream)?;
    merge(row, body);
    mask_mixpanel(row);
    ok(row.clone())
}

pub(crate) fn delete_stream(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.log_streams.remove(call.param(0));
    no_content()
}

/// A password change or mail verification ticket: an address, nothing more.
pub(crate) fn ticket(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let ticket = tenant.random.alphanumeric(32);
    reply(201, json!({ "ticket": format!("{}/lo/ticket?ticket={ticket}#", call.origin()) }))
}
