//! Lists that do not page as they should: they go in a circle or on for ever, repeat a page, count wrongly, or give more than was asked for.
//!
//! Changes requests and answers on their way; decides on no occasion but those of its own faults.

use std::collections::BTreeMap;

use serde_json::Value;
use tenantry_simulator::{Request, Response};

use crate::faults::Group;
use crate::sightings::Sighting;
use crate::world::World;

/// Largest page that the API gives.
const PAGE_MAX: u64 = 100;
/// Lists of users are searches: each answer stands for itself.
const SEARCH: &str = "/api/v2/users";
/// The log, which is walked on from where the last walk ended.
const LOG: &str = "/api/v2/logs";
/// What positions begin with that the tenant never gave.
const MADE_UP: &str = "further-";

/// A request's query, and the answer to it.
#[derive(Debug, Clone)]
struct Answered {
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answered {
    fn response(&self) -> Response {
        Response { status: 200, headers: self.headers.clone(), body: self.body.clone() }
    }
}

/// What a list gives behind its end.
#[derive(Debug, Clone, Copy)]
enum Beyond {
    /// Pages without records.
    Nothing,
    /// Its last page, again and again.
    Last,
    /// Its last page and its first one, in turn.
    Both,
}

/// Answers to requests for each list of a run.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    first: BTreeMap<String, Answered>,
    last: BTreeMap<String, Answered>,
    /// Positions that a list was asked for since a walk over it began, in order.
    positions: BTreeMap<String, Vec<String>>,
    /// Lists that go in a circle for the rest of the run: where it closes, and where that leads.
    circles: BTreeMap<String, (String, String)>,
    /// Lists that have no end for the rest of the run.
    endless: BTreeMap<String, Beyond>,
    /// Lists whose total is too high for the rest of the run, and by how much.
    miscounted: BTreeMap<String, u64>,
}

/// Asks for a larger page than the engine does, where that strikes.
pub(crate) fn enlarge(world: &World, request: &mut Request) {
    let size = |name: &str, value: &str| {
        let asked = value.parse::<u64>().ok().filter(|asked| *asked < PAGE_MAX)?;
        matches!(name, "per_page" | "take").then_some(asked)
    };
    let pairs: Vec<(&str, &str)> = request.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let may = request.method == "GET" && pairs.iter().any(|(name, value)| size(name, value).is_some());
    if !may || !world.strikes(Group::LargerPage) {
        return;
    }
    let factor = 2 + world.draw(3);
    let larger = pairs.iter().map(|(name, value)| match size(name, value) {
        Some(asked) => format!("{name}={}", (asked * factor).min(PAGE_MAX)),
        None => format!("{name}={value}"),
    });
    request.query = larger.collect::<Vec<_>>().join("&");
}

fn position(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("from="))
}

/// A list as one process reads it: a circle is made of positions that this one has been at, not another.
pub(crate) fn reading(path: &str, is_rival: bool) -> String {
    if is_rival { format!("{path} of the other process") } else { path.to_owned() }
}

/// The answer for a position behind the end of a list that has none.
pub(crate) fn beyond(world: &World, reading: &str, query: &str) -> Option<Response> {
    let number: u64 = position(query)?.strip_prefix(MADE_UP)?.parse().ok()?;
    let (first, last, beyond) = {
        let earlier = &world.state().run.earlier;
        let of = |answers: &BTreeMap<String, Answered>| answers.get(reading).cloned();
        (of(&earlier.first)?, of(&earlier.last)?, *earlier.endless.get(reading)?)
    };
    world.saw(Sighting::ReadBeyondEnd);
    let mut response = match beyond {
        Beyond::Both if number % 2 == 1 => first.response(),
        Beyond::Both | Beyond::Last | Beyond::Nothing => last.response(),
    };
    let mut body: Value = serde_json::from_slice(&response.body).ok()?;
    if matches!(beyond, Beyond::Nothing) {
        body.as_object_mut()?.values_mut().filter_map(Value::as_array_mut).for_each(Vec::clear);
    }
    body["next"] = format!("{MADE_UP}{}", number + 1).into();
    response.body = body.to_string().into_bytes();
    Some(response)
}

/// Spoils the paging of an answer, where that strikes.
pub(crate) fn disturb(world: &World, path: &str, reading: &str, query: &str, response: &mut Response) {
    if response.status != 200 || path == SEARCH || path.starts_with("/api/v2/jobs") {
        return;
    }
    if query.contains("page=") {
        miscount(world, reading, response);
    }
    let at = position(query).map(|at| at.replace("%7C", "|"));
    let told =
        Answered { query: query.to_owned(), headers: response.headers.clone(), body: response.body.clone() };
    let before = {
        let earlier = &mut world.state().run.earlier;
        earlier.first.entry(reading.to_owned()).or_insert_with(|| told.clone());
        let been = earlier.positions.entry(reading.to_owned()).or_default();
        match &at {
            None => been.clear(),
            Some(at) if been.contains(at) => {}
            Some(at) => been.push(at.clone()),
        }
        earlier.last.insert(reading.to_owned(), told)
    };
    if query.contains("take=") && has_no_end(world, reading, response) {
        return;
    }
    let is_later = at.is_some() || (query.contains("page=") && !query.contains("page=0"));
    let leaps = |before: &Answered| path == LOG && is_further(position(&before.query), at.as_deref());
    if let Some(before) = before.filter(|before| is_later && before.query != query && !leaps(before))
        && world.strikes(Group::PageAgain)
    {
        (response.headers, response.body) = (before.headers, before.body);
    } else if let Some(at) = at {
        turn_back(world, path, reading, &at, response);
    }
}

/// Lets the list's total be more than there is, in all answers of the run.
fn miscount(world: &World, reading: &str, response: &mut Response) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else { return };
    let Some(total) = body["total"].as_u64() else { return };
    let known = world.state().run.earlier.miscounted.get(reading).copied();
    if known.is_none() && !world.strikes(Group::Miscounted) {
        return;
    }
    let more = known.unwrap_or_else(|| 1 + world.draw(3));
    world.state().run.earlier.miscounted.insert(reading.to_owned(), more);
    body["total"] = (total + more).into();
    response.body = body.to_string().into_bytes();
}

/// Lets a list that ends here name a position all the same, where that strikes.
fn has_no_end(world: &World, reading: &str, response: &mut Response) -> bool {
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else { return false };
    let ends = body.is_object() && body["next"].as_str().unwrap_or_default().is_empty();
    if !ends || !(world.state().run.earlier.endless.contains_key(reading) || world.strikes(Group::Endless)) {
        return false;
    }
    let beyond = [Beyond::Nothing, Beyond::Last, Beyond::Both][world.draw(3) as usize];
    world.state().run.earlier.endless.insert(reading.to_owned(), beyond);
    body["next"] = format!("{MADE_UP}1").into();
    response.body = body.to_string().into_bytes();
    true
}

/// Whether a position of the log is behind another one. An earlier walk may have been there: what it leads to is no page again and no
/// circle but a leap, which no reader can tell from a log without events between.
fn is_further(position: Option<&str>, than: Option<&str>) -> bool {
    let place = |position: Option<&str>| position.map(|position| (position.len(), position.to_owned()));
    place(position) > place(than)
}

/// Lets the answer's next position be one that the list was asked for before, where it names one and that strikes.
fn turn_back(world: &World, path: &str, reading: &str, at: &str, response: &mut Response) {
    let (circle, mut been) = {
        let earlier = &world.state().run.earlier;
        (earlier.circles.get(reading).cloned(), earlier.positions.get(reading).cloned().unwrap_or_default())
    };
    if path == LOG {
        been.retain(|been| !is_further(Some(been), Some(at)));
    }
    let leads = || match &circle {
        Some((closes, leads)) => (closes == at).then(|| leads.clone()),
        None => world
            .strikes(Group::Circling)
            .then(|| been.get(world.draw(been.len() as u64) as usize).cloned())
            .flatten(),
    };
    let Some(leads) = lead(response, leads) else { return };
    world.trace(&format!("{reading} goes in a circle"));
    if leads != at {
        world.saw(Sighting::WideCircle);
    }
    world.state().run.earlier.circles.insert(reading.to_owned(), (at.to_owned(), leads));
}

/// Replaces the answer's next position, where it names one and there is another for it.
fn lead(response: &mut Response, leads: impl Fn() -> Option<String>) -> Option<String> {
    if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
        && body["next"].as_str().is_some_and(|next| !next.is_empty())
    {
        let leads = leads()?;
        body["next"] = leads.clone().into();
        response.body = body.to_string().into_bytes();
        return Some(leads);
    }
    let link = response.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("link"));
    let (_, link) = link.filter(|(_, link)| link.contains("from="))?;
    let leads = leads()?;
    *link = format!("<https://tenant.example.com/api/v2/logs?from={leads}>; rel=\"next\"");
    Some(leads)
}
