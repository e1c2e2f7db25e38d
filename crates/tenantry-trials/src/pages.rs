//! Lists that do not page as they should: they go in a circle, repeat a page, or give more than was asked for.
//!
//! Changes requests and answers on their way; decides on no occasion but those of its own faults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tenantry_simulator::{Request, Response};

use crate::faults::Group;
use crate::world::World;

/// Largest page that the API gives.
const PAGE_MAX: u64 = 100;
/// Lists of users are searches: each answer stands for itself.
const SEARCH: &str = "/api/v2/users";

/// A request's query, and the answer to it.
#[derive(Debug)]
struct Answered {
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Answers to the last request for each list of a run.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    answers: BTreeMap<String, Answered>,
    /// Lists that go in a circle for the rest of the run.
    circles: BTreeSet<String>,
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

/// Spoils the paging of an answer, where that strikes.
pub(crate) fn disturb(world: &World, path: &str, query: &str, response: &mut Response) {
    let is_list = response.status == 200 && path != SEARCH && !path.starts_with("/api/v2/jobs");
    let at = query.split('&').find_map(|pair| pair.strip_prefix("from="));
    let is_later = at.is_some() || (query.contains("page=") && !query.contains("page=0"));
    if !is_list {
        return;
    }
    let (headers, body) = (response.headers.clone(), response.body.clone());
    let told = Answered { query: query.to_owned(), headers, body };
    let (before, circles) = {
        let earlier = &mut world.state().run.earlier;
        (earlier.answers.insert(path.to_owned(), told), earlier.circles.contains(path))
    };
    if !is_later {
        return;
    }
    if let Some(before) = before.filter(|before| before.query != query)
        && world.strikes(Group::PageAgain)
    {
        (response.headers, response.body) = (before.headers, before.body);
    } else if let Some(at) = at
        && turns_back(response, at, &|| circles || world.strikes(Group::Circling))
    {
        world.trace(&format!("{path} goes in a circle"));
        world.state().run.earlier.circles.insert(path.to_owned());
    }
}

/// Lets the answer's next position be the one that it was asked for, where it names one and `strikes` says so.
fn turns_back(response: &mut Response, at: &str, strikes: &dyn Fn() -> bool) -> bool {
    let position = at.replace("%7C", "|");
    if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
        && body["next"].as_str().is_some_and(|next| !next.is_empty())
        && strikes()
    {
        body["next"] = position.into();
        response.body = body.to_string().into_bytes();
        return true;
    }
    let link = response.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("link"));
    if let Some((_, link)) = link.filter(|(_, link)| link.contains("from="))
        && strikes()
    {
        *link = format!("<https://tenant.example.com/api/v2/logs?from={at}>; rel=\"next\"");
        return true;
    }
    false
}
