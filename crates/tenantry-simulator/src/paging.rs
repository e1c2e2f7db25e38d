//! Paging as the Management API does it: offsets with a window of 1,000, and checkpoints.
//!
//! Offset answers are a bare array, or an object with `start`, `limit`, `total` when `include_totals` is asked for;
//! checkpoint answers are always an object with `next` while there is more. A checkpoint is opaque, holds where it
//! stands, and dies after 24 hours.

use crate::api::{Answer, ApiError, Body, Call, Object, Outcome};
use crate::time::DAY;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Bound;

/// How a list pages.
#[expect(clippy::struct_excessive_bools, reason = "each is a trait of its own that an endpoint has or lacks")]
pub(crate) struct Listing {
    /// Name of the array inside an object.
    pub(crate) collection: &'static str,
    /// Rows of a page when nothing is asked.
    pub(crate) default: usize,
    /// Largest page.
    pub(crate) max: usize,
    /// Whether offsets beyond 1,000 results are refused.
    pub(crate) window: bool,
    /// Whether `from`/`take` are offered.
    pub(crate) checkpoint: bool,
    /// Whether `total`, `start` and `limit` stand before the rows.
    pub(crate) totals_first: bool,
    /// Whether offset answers carry a `Link` header.
    pub(crate) links: bool,
}

impl Listing {
    pub(crate) const fn new(collection: &'static str) -> Self {
        Self {
            collection,
            default: 50,
            max: 100,
            window: false,
            checkpoint: false,
            totals_first: false,
            links: false,
        }
    }

    pub(crate) const fn windowed(mut self) -> Self {
        self.window = true;
        self
    }

    pub(crate) const fn checkpointed(mut self) -> Self {
        self.checkpoint = true;
        self
    }

    pub(crate) const fn totals_first(mut self) -> Self {
        self.totals_first = true;
        self
    }

    pub(crate) const fn linked(mut self) -> Self {
        self.links = true;
        self
    }
}

/// An integer parameter within bounds, refused in Auth0's words.
pub(crate) fn integer(
    call: &Call<'_>,
    name: &str,
    min: i64,
    max: i64,
    about: &str,
) -> Result<Option<i64>, ApiError> {
    let Some(text) = call.query.get(name) else { return Ok(None) };
    let wrong = |what: &str| {
        ApiError::query(&format!(
            "Query validation error: '{what}' on property {name} ({}).",
            about.trim_end_matches('.')
        ))
    };
    let value: i64 = text.parse().map_err(|_| wrong("Expected type integer but found type string"))?;
    if value < min {
        return Err(wrong(&format!("Value {value} is less than minimum {min}")));
    }
    if value > max {
        return Err(wrong(&format!("Value {value} is greater than maximum {max}")));
    }
    Ok(Some(value))
}

/// One offset page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offset {
    pub(crate) page: usize,
    pub(crate) per_page: usize,
    pub(crate) totals: bool,
}

impl Offset {
    pub(crate) fn start(self) -> usize {
        self.page * self.per_page
    }

    /// Reads `page`, `per_page`, `include_totals`; does not judge the window.
    pub(crate) fn of(call: &Call<'_>, default: usize, max: usize) -> Result<Self, ApiError> {
        let page =
            integer(call, "page", 0, 1_000_000, "Page index of the results to return. First page is 0.")?;
        let about = format!("Number of results per page. Defaults to {default}.");
        let per_page = integer(call, "per_page", 0, max as i64, &about)?;
        let per_page = per_page.filter(|n| *n > 0).map_or(default, |n| n as usize);
        Ok(Self {
            page: page.unwrap_or(0) as usize,
            per_page,
            totals: call.flag("include_totals") == Some(true),
        })
    }

    /// Whether the page reaches beyond the 1,000 results that offsets may reach.
    pub(crate) fn beyond_window(self) -> bool {
        (self.page + 1) * self.per_page > 1_000
    }
}

fn refuse_window(offset: Offset) -> ApiError {
    let message = format!(
        "Requesting page {} exceeds the allowed maximum of 1000 records. To fetch results beyond 1000, use the \
         checkpoint pagination method",
        offset.page
    );
    ApiError::bad(&message, None)
}

/// A checkpoint page: the key after which it begins, and how many rows.
pub(crate) struct Checkpoint {
    pub(crate) after: Option<String>,
    pub(crate) take: usize,
}

const SEPARATOR: char = '\u{1f}';

/// Makes an opaque checkpoint of a key.
pub(crate) fn seal(key: &str, now: i64) -> String {
    STANDARD_NO_PAD.encode(format!("{key}{SEPARATOR}{now}"))
}

/// Reads a checkpoint, refusing what is none and what is older than a day.
pub(crate) fn unseal(text: &str, now: i64) -> Result<String, ApiError> {
    let invalid = || ApiError::query("Query validation error: 'Invalid checkpoint' on property from.");
    let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| invalid())?;
    let plain = String::from_utf8(bytes).map_err(|_| invalid())?;
    let (key, issued) = plain.rsplit_once(SEPARATOR).ok_or_else(invalid)?;
    let issued: i64 = issued.parse().map_err(|_| invalid())?;
    if now - issued > DAY {
        return Err(ApiError::query("Query validation error: 'Expired checkpoint' on property from."));
    }
    Ok(key.to_owned())
}

impl Checkpoint {
    /// The checkpoint page that is asked for; `None` where neither `from` nor `take` is given.
    pub(crate) fn of(call: &Call<'_>, default: usize, max: usize) -> Result<Option<Self>, ApiError> {
        if !call.query.has("from") && !call.query.has("take") {
            return Ok(None);
        }
        let about = format!("Number of results per page. Defaults to {default}.");
        let take = integer(call, "take", 1, max as i64, &about)?.map_or(default, |n| n as usize);
        let from = call.query.get("from").filter(|f| !f.is_empty());
        let after = from.map(|f| unseal(f, call.now)).transpose()?;
        Ok(Some(Self { after, take }))
    }
}

/// Lists a map of objects in order of its keys, by either paging.
pub(crate) fn keyed(
    call: &Call<'_>,
    map: &BTreeMap<String, Object>,
    listing: &Listing,
    keep: impl Fn(&Object) -> bool,
    show: impl Fn(&Object) -> Object,
) -> Outcome {
    if listing.checkpoint
        && let Some(checkpoint) = Checkpoint::of(call, listing.default, listing.max)?
    {
        let start = checkpoint.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = map.range::<str, _>((start, Bound::Unbounded)).filter(|(_, row)| keep(row));
        let page: Vec<_> = rows.by_ref().take(checkpoint.take).collect();
        let next = rows.next().and(page.last()).map(|(key, _)| seal(key, call.now));
        return sealed(listing.collection, page.into_iter().map(|(_, row)| show(row).into()).collect(), next);
    }
    let rows: Vec<&Object> = map.values().filter(|row| keep(row)).collect();
    offset(call, &rows, listing, |row| show(row))
}

/// A checkpoint answer.
pub(crate) fn sealed(collection: &str, rows: Vec<Value>, next: Option<String>) -> Outcome {
    let mut body = Map::new();
    body.insert(collection.into(), rows.into());
    if let Some(next) = next {
        body.insert("next".into(), next.into());
    }
    crate::api::ok(body)
}

/// One offset page of rows that are already in order.
pub(crate) fn offset<T>(
    call: &Call<'_>,
    rows: &[T],
    listing: &Listing,
    show: impl Fn(&T) -> Object,
) -> Outcome {
    let offset = Offset::of(call, listing.default, listing.max)?;
    if listing.window && offset.beyond_window() {
        return Err(refuse_window(offset));
    }
    let page: Vec<Value> =
        rows.iter().skip(offset.start()).take(offset.per_page).map(|r| show(r).into()).collect();
    let headers = if listing.links { links(call, offset, rows.len()) } else { Vec::new() };
    let body = totals(listing, offset, rows.len(), page);
    Ok(Answer { status: 200, headers, body: Body::Json(body) })
}

fn totals(listing: &Listing, offset: Offset, total: usize, page: Vec<Value>) -> Value {
    if !offset.totals {
        return Value::Array(page);
    }
    let mut body = Map::new();
    if listing.totals_first {
        body.insert("total".into(), total.into());
        body.insert("start".into(), offset.start().into());
        body.insert("limit".into(), offset.per_page.into());
        body.insert(listing.collection.into(), page.into());
    } else {
        body.insert(listing.collection.into(), page.into());
        body.insert("start".into(), offset.start().into());
        body.insert("limit".into(), offset.per_page.into());
        body.insert("total".into(), total.into());
    }
    Value::Object(body)
}

/// `first`, `next`, `last`: with scheme http, whatever the caller used, as observed.
fn links(call: &Call<'_>, offset: Offset, total: usize) -> Vec<(String, String)> {
    let host = call.request.header_value("host").unwrap_or("localhost");
    let others: Vec<String> = call
        .request
        .query
        .split('&')
        .filter(|p| !p.is_empty() && !p.starts_with("page=") && !p.starts_with("per_page="))
        .map(str::to_owned)
        .collect();
    let link = |page: usize, rel: &str| {
        let mut query = others.clone();
        query.push(format!("page={page}&per_page={}", offset.per_page));
        format!("<http://{host}{}?{}>; rel=\"{rel}\"", call.request.path, query.join("&"))
    };
    let last = total.saturating_sub(1) / offset.per_page;
    let mut links = vec![link(0, "first")];
    if offset.page < last {
        links.push(link(offset.page + 1, "next"));
    }
    links.push(link(last, "last"));
    vec![("link".into(), links.join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_lives_a_day() {
        let sealed = seal("org_1", 5);
        assert_eq!(unseal(&sealed, 5 + DAY).ok().as_deref(), Some("org_1"));
        assert_eq!(unseal(&sealed, 6 + DAY).map_err(|e| e.status).err(), Some(400));
        assert!(unseal("nonsense!", 5).is_err());
    }
}
