//! What a read will take, before it is begun.
//!
//! Asks the tenant for a number where it has one, and reckons the rest from what is known. Reads nothing that goes into a table.

use super::client::{Call, Reader};
use super::export::WALKED_MAX;
use super::log_id;
use super::log_page;
use super::logs::BEGIN_AGO;
use super::paging;
use super::search;
use crate::catalog::{Endpoint, Paging, Replication};
use crate::clock::{MICROS_PER_SECOND, Micros};
use crate::error::{SourceErrorKind, SourceResult};
use crate::source::{Estimate, Known, Read};
use crate::state::Checkpoint;

/// Looks at an export job, and its begin, for a tenant with few users.
const EXPORT_REQUESTS: u64 = 4;
/// Users that an export job gets done between two looks, at a guess.
const USERS_PER_LOOK: u64 = 50_000;

/// Where a log that was never read is looked at, as parts of its time: not at the same hour of the day.
const PLACES: [f64; 4] = [0.21, 0.45, 0.69, 0.93];

/// What a read takes. Sends some requests at most.
pub(super) async fn estimate(reader: &Reader, read: &Read, known: Known) -> SourceResult<Estimate> {
    let Some(endpoint) = &read.stream.endpoint else { return Ok(Estimate { records: Some(0), requests: 0 }) };
    match read.stream.replication {
        Replication::Frozen => Ok(Estimate { records: Some(0), requests: 0 }),
        Replication::Daily => Ok(Estimate { records: known.records, requests: 1 }),
        Replication::Export => users(reader, endpoint, read.since, known).await,
        Replication::Log => log(reader, endpoint, read).await,
        Replication::FullTable if read.stream.parent.is_some() => Ok(fan_out(endpoint, known)),
        Replication::FullTable => {
            let records = match known.records {
                Some(records) => Some(records),
                None => total(reader, endpoint).await?,
            };
            Ok(Estimate { records, requests: records.map_or(1, |records| pages(endpoint, records)) })
        }
    }
}

/// Requests for one list of so many records.
fn pages(endpoint: &Endpoint, records: u64) -> u64 {
    if endpoint.paging == Paging::None {
        1
    } else {
        records.div_ceil(u64::from(endpoint.page_size.max(1))).max(1)
    }
}

/// As many lists as there are parents, all of the same length as far as anybody knows.
fn fan_out(endpoint: &Endpoint, known: Known) -> Estimate {
    let each = known.records.unwrap_or(0).checked_div(known.parents).unwrap_or(0);
    let of_one = match endpoint.paging {
        // The first page has told the total; where there is more, the walk begins anew and ends with an empty page.
        Paging::CountedCheckpoint if pages(endpoint, each) > 1 => pages(endpoint, each) + 2,
        _ => pages(endpoint, each),
    };
    Estimate { records: known.records, requests: known.parents * of_one }
}

/// How many records a list has, where it tells.
async fn total(reader: &Reader, endpoint: &'static Endpoint) -> SourceResult<Option<u64>> {
    if endpoint.paging == Paging::None {
        return Ok(None);
    }
    let fixed = endpoint.query.iter().filter(|(name, _)| *name != "include_totals");
    let fixed = fixed.map(|(name, value)| (*name, (*value).to_owned()));
    let call = Call::get(format!("count {}", endpoint.path), endpoint.path).with(fixed).with([
        ("include_totals", "true".to_owned()),
        ("page", "0".to_owned()),
        ("per_page", "1".to_owned()),
    ]);
    reader.call(&call, |answer| Ok(paging::head(&answer.body, endpoint.collection)?.total)).await
}

/// All users, or those that changed since; by a job where they are many.
async fn users(
    reader: &Reader,
    endpoint: &'static Endpoint,
    since: Option<Micros>,
    known: Known,
) -> SourceResult<Estimate> {
    let all = |records: u64| EXPORT_REQUESTS + records / USERS_PER_LOOK;
    let Some(since) = since else {
        let records = match known.records {
            Some(records) => Some(records),
            None => found(reader, endpoint, None).await?,
        };
        return Ok(Estimate { records, requests: all(records.unwrap_or(0)) });
    };
    let changed = found(reader, endpoint, Some(since)).await?.unwrap_or(0);
    let requests =
        if changed > WALKED_MAX { 1 + all(known.records.unwrap_or(0)) } else { pages(endpoint, changed) };
    Ok(Estimate { records: Some(changed), requests })
}

/// How many users a search finds.
async fn found(
    reader: &Reader,
    endpoint: &'static Endpoint,
    since: Option<Micros>,
) -> SourceResult<Option<u64>> {
    let call = Call::get(format!("count {}", endpoint.path), endpoint.path).with([
        ("q", search::everyone(since)),
        ("search_engine", "v3".to_owned()),
        ("include_totals", "true".to_owned()),
        ("page", "0".to_owned()),
        ("per_page", "1".to_owned()),
    ]);
    reader.call(&call, |answer| Ok(paging::head(&answer.body, endpoint.collection)?.total)).await
}

/// Events from the checkpoint on, by how close the newest follow each other; in a log that was never read, those at some places of it.
async fn log(reader: &Reader, endpoint: &'static Endpoint, read: &Read) -> SourceResult<Estimate> {
    let now = reader.client.tenant_now();
    let earliest = now - BEGIN_AGO;
    let reads_all = read.since.map_or(read.from.is_none(), |since| since <= earliest);
    let (begin, density) = match (read.since, &read.from) {
        _ if reads_all => {
            let oldest = stretch(reader, endpoint, at_end("date:1")).await?;
            let Some(begin) = oldest.first else { return Ok(Estimate { records: Some(0), requests: 1 }) };
            let mut densities = vec![oldest.density()];
            for place in PLACES {
                let place = begin + ((now - begin) as f64 * place) as Micros;
                densities.push(stretch(reader, endpoint, after(place)).await?.density());
            }
            (begin, densities.iter().sum::<f64>() / densities.len() as f64)
        }
        (since, from) => {
            let known = match from {
                Some(Checkpoint::Log { log_id, newest, .. }) => log_id::time_of(log_id).or(*newest),
                _ => None,
            };
            let newest = stretch(reader, endpoint, at_end("date:-1")).await?;
            (since.or(known).unwrap_or(now), newest.per_second(now))
        }
    };
    let seconds = now.saturating_sub(begin).max(0) as f64 / MICROS_PER_SECOND as f64;
    let records = (density * seconds).round() as u64;
    // What is newest is asked for once more, to see that nothing follows.
    Ok(Estimate { records: Some(records), requests: pages(endpoint, records) + 1 })
}

/// A page of events.
struct Stretch {
    count: u64,
    first: Option<Micros>,
    last: Option<Micros>,
}

impl Stretch {
    /// Events a second within it.
    fn density(&self) -> f64 {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0.0 };
        self.count as f64 / (last - first).max(MICROS_PER_SECOND) as f64 * MICROS_PER_SECOND as f64
    }

    /// Events a second from its first until now.
    fn per_second(&self, now: Micros) -> f64 {
        Self { last: self.last.map(|last| last.max(now)), ..*self }.density()
    }
}

/// Asks for the events at one end of the log.
fn at_end(sort: &str) -> Vec<(&'static str, String)> {
    vec![("sort", sort.to_owned()), ("page", "0".to_owned())]
}

/// Asks for the events from a time on.
fn after(time: Micros) -> Vec<(&'static str, String)> {
    vec![("from", log_id::at(log_id::PREFIX, time))]
}

async fn stretch(
    reader: &Reader,
    endpoint: &'static Endpoint,
    query: Vec<(&'static str, String)>,
) -> SourceResult<Stretch> {
    let size = if query.iter().any(|(name, _)| *name == "from") { "take" } else { "per_page" };
    let call = Call::get(format!("see how many events {} holds", endpoint.path), endpoint.path)
        .with(query)
        .with([(size, endpoint.page_size.to_string())]);
    match reader.call(&call, |answer| log_page::events(answer, endpoint.collection)).await {
        Ok(events) => {
            let times = || events.ids.iter().filter_map(|id| log_id::time_of(id));
            Ok(Stretch { count: events.ids.len() as u64, first: times().min(), last: times().max() })
        }
        Err(error) if error.kind == SourceErrorKind::Refused => {
            Ok(Stretch { count: 0, first: None, last: None })
        }
        Err(error) => Err(error),
    }
}
