//! The network of a trial: the simulated tenant in the same thread, and everything that can go wrong on the way to it.
//!
//! Keeps the promises of [`Transport`]: follows no redirect, repeats nothing, and never shows a cut body as a whole one without saying so
//! in `framed` — except where a well-formed answer itself is cut, as a faulty proxy does it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tenantry_replication::clock::Clock as _;
use tenantry_replication::source::auth0::{
    Body, Headers, HttpRequest, HttpResponse, Transport, TransportError,
};
use tenantry_simulator::{Request, Response};

use crate::faults::Group;
use crate::sightings::Sighting;
use crate::world::World;
use crate::{answers, conduct, files, pages};

/// Paths of fan-outs end like this.
const FAN_OUTS: [&str; 2] = ["/members", "/clients"];
/// Where tokens come from.
const TOKENS: &str = "/oauth/token";
/// Where jobs are looked at.
const JOBS: &str = "/api/v2/jobs/";

/// The way to the tenant.
pub(crate) struct Network {
    pub(crate) world: Arc<World>,
    /// The tenant's own host.
    pub(crate) host: &'static str,
    /// Whether this is a second process: nobody kills it, and what it does is not judged.
    pub(crate) is_rival: bool,
    /// Whether finished jobs tell how many users their files hold.
    pub(crate) counts: bool,
}

/// What becomes of a request.
enum Way {
    /// The tenant answers.
    Tenant(Response),
    /// Somebody answers in its place.
    Other(Response),
    Fails(&'static str),
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let world = &self.world;
        let target = target(&request);
        let asked = world.clock.monotonic();
        if request.url.path == TOKENS && !self.is_rival {
            conduct::token_is_asked_for(world);
        }
        self.point("request", &request).await;
        let query = &request.url.query;
        world.request(query.contains("page=") && !query.contains("page=0"));
        let in_fan_out = is_fan_out(&request.url.path);
        world.state().run.in_fan_out = in_fan_out;
        self.keep_token_at_home(&request);
        let latency = Duration::from_millis(5 + world.draw(115));
        world.clock.sleep(latency).await;
        let way = self.way(&request).await;
        world.clock.sleep(latency).await;
        self.point("answer", &request).await;
        self.account(&request, &target, &way);
        match way {
            Way::Fails(reason) => Err(TransportError::new(reason)),
            Way::Tenant(response) => Ok(self.deliver(&request, &target, response, asked)),
            Way::Other(response) => {
                let headers = Headers::new(response.headers);
                Ok(HttpResponse::whole(response.status, headers, response.body.into()))
            }
        }
    }
}

impl Network {
    /// A point at which the process may die.
    async fn point(&self, what: &str, request: &HttpRequest) {
        if !self.is_rival {
            self.world.fate.point(&format!("{what} {}", request.url.path)).await;
        }
    }

    /// The token goes to the tenant's own host, and not to where export files are.
    fn keep_token_at_home(&self, request: &HttpRequest) {
        let bears = request.headers.iter().any(|(name, _)| *name == "authorization");
        let at_home = request.url.origin.host == self.host && !request.url.path.starts_with("/exports/");
        if bears && !at_home {
            self.world.violated("I9 secrets", format!("the token went to {}", request.url.origin.host));
        }
    }

    /// Decides what becomes of a request, and lets the tenant hear of it or not.
    async fn way(&self, request: &HttpRequest) -> Way {
        let world = &self.world;
        let path = request.url.path.as_str();
        if world.strikes(Group::Refused) {
            return Way::Fails("connection refused");
        }
        if world.strikes(Group::Stalled) {
            world.clock.sleep(Duration::from_secs(45 + world.draw(45))).await;
            if world.draw(2) == 0 {
                self.ask(request);
            }
            return Way::Fails("timed out");
        }
        if world.strikes(Group::Slow) {
            world.clock.sleep(Duration::from_millis(500 + world.draw(40_000))).await;
        }
        if world.strikes(Group::ServerError) {
            return Way::Other(answers::server_error(world));
        }
        if path.starts_with("/api/") {
            if let Some(answer) = self.refusal(request) {
                return Way::Other(answer);
            }
        } else if path == TOKENS && self.denies() {
            return Way::Other(answers::denied());
        } else if path.starts_with("/exports/") && world.strikes(Group::LinkExpired) {
            return Way::Other(answers::expired_link());
        }
        let reading = pages::reading(path, self.is_rival);
        let beyond = pages::beyond(world, &reading, &request.url.query);
        let is_beyond = beyond.is_some();
        let mut response = beyond.unwrap_or_else(|| self.ask(request));
        if world.strikes(Group::AnswerLost) {
            return Way::Fails("connection reset");
        }
        if !is_beyond {
            pages::disturb(world, path, &reading, &request.url.query, &mut response);
        }
        let is_odd = response.status == 200 && path.starts_with("/api/") && world.strikes(Group::OddRecord);
        // Of searches for users some answers are read for their number alone.
        if is_odd && answers::spoil(world, path, &mut response) && path != "/api/v2/users" {
            world.state().run.spoiled.insert(target(request));
        }
        answers::spoil_again(world, path, &mut response);
        Way::Tenant(response)
    }

    /// Whether the credentials are refused, from now on or before.
    fn denies(&self) -> bool {
        let strikes = self.world.strikes(Group::Denied);
        let run = &mut self.world.state().run;
        run.denied |= strikes;
        run.denied
    }

    /// An answer of the API in place of the real one.
    fn refusal(&self, request: &HttpRequest) -> Option<Response> {
        let world = &self.world;
        let path = request.url.path.as_str();
        if world.strikes(Group::Limited) {
            return Some(answers::limited(world));
        }
        let token = authorization(request);
        if world.strikes(Group::Revoked) {
            world.state().run.revoked.insert(token.clone());
        }
        if world.state().run.revoked.contains(&token) {
            return Some(answers::unauthorized());
        }
        let segment = path.trim_start_matches("/api/v2/").split('/').next().unwrap_or_default();
        if world.strikes(Group::Withheld) {
            world.state().run.withheld = Some(segment.to_owned());
        }
        if world.state().run.withheld.as_deref() == Some(segment) {
            return Some(answers::withheld(world, segment, path.matches('/').count() == 3));
        }
        if world.strikes(Group::Redirected) {
            return Some(answers::redirect());
        }
        if world.strikes(Group::WebPage) {
            return Some(answers::web_page(world));
        }
        if world.strikes(Group::WrongShape) {
            return Some(answers::wrong_shape(world));
        }
        let is_job = path.starts_with("/api/v2/jobs/") && request.method.name() == "GET";
        (is_job && world.strikes(Group::JobFailed)).then(|| answers::failed_job(world, path))
    }

    /// The tenant's own answer.
    fn ask(&self, request: &HttpRequest) -> Response {
        let mut asked = Request::new(request.method.name(), &request.url.path);
        asked.query.clone_from(&request.url.query);
        asked.body = request.body.to_vec();
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        asked = asked.header("host", &request.url.origin.authority());
        pages::enlarge(&self.world, &mut asked);
        let at = self.world.clock.truth();
        let simulation = &mut self.world.state().simulation;
        let mut answer = simulation.handle(&asked, at);
        if self.counts && answer.status == 200 && asked.path.starts_with(JOBS) {
            files::count(simulation, &mut answer, at);
        }
        answer
    }

    /// The answer with its body as it arrives: in pieces, and not always whole.
    fn deliver(
        &self,
        request: &HttpRequest,
        target: &str,
        response: Response,
        asked: Duration,
    ) -> HttpResponse {
        let world = &self.world;
        let is_file = request.url.path.starts_with("/exports/");
        let mut body = Bytes::from(response.body);
        let mut broken = false;
        let mut framed = true;
        let mut whole = false;
        let cut = |body: &Bytes| body.slice(..world.draw(body.len() as u64 + 1) as usize);
        if world.strikes(Group::Cut) {
            (body, broken) = (cut(&body), true);
        } else if world.strikes(Group::Unframed) {
            framed = false;
            body = match files::cut(world, &body, false).filter(|_| is_file) {
                Some(short) => short,
                None => cut(&body),
            };
        } else if response.status == 200 && !is_file && world.strikes(Group::Truncated) {
            body = cut(&body.slice(..body.len().saturating_sub(1)));
        } else if is_file && world.strikes(Group::Corrupt) {
            body = files::corrupt(world, &body);
        } else if let Some(short) = self.short(is_file, &body) {
            (body, framed) = short;
        } else {
            whole = true;
        }
        if !whole {
            conduct::stumbled(world, target);
        } else if response.status == 200 && request.url.path == TOKENS && !self.is_rival {
            conduct::token_came(world, &body, asked);
        }
        let spoiled = world.state().run.spoiled.remove(target);
        world.state().run.conduct.spoiled += u64::from(whole && spoiled);
        let size = 1 + world.draw(3_000) as usize;
        let left = body.chunks(size).map(Bytes::copy_from_slice).collect();
        let body = Pieces { world: Arc::clone(world), left, broken, is_rival: self.is_rival };
        HttpResponse {
            status: response.status,
            headers: Headers::new(response.headers),
            framed,
            body: Box::new(body),
        }
    }

    /// The file cut at a line's end, and whether it looks whole all the same: then only its job's count tells.
    fn short(&self, is_file: bool, body: &Bytes) -> Option<(Bytes, bool)> {
        if !is_file || !self.world.strikes(Group::ShortFile) {
            return None;
        }
        Some((files::cut(&self.world, body, self.counts)?, self.counts))
    }

    /// Writes the exchange down, and notes what it shows.
    fn account(&self, request: &HttpRequest, target: &str, way: &Way) {
        let world = &self.world;
        let (status, shown) = match way {
            Way::Tenant(response) => (response.status, format!("{}", response.status)),
            Way::Other(response) => (response.status, format!("{} (fault)", response.status)),
            Way::Fails(reason) => (0, (*reason).to_owned()),
        };
        world.trace(&format!("{} {target} -> {shown}", request.method.name()));
        let path = request.url.path.as_str();
        let failed = matches!(status, 0 | 401 | 408 | 409 | 429 | 500..);
        if failed || (status == 200 && matches!(way, Way::Other(_))) {
            conduct::stumbled(world, target);
        }
        if status == 401 {
            conduct::token_refused(world, &authorization(request));
        }
        let state = &mut *world.state();
        let (run, sightings) = (&mut state.run, &mut state.sightings);
        if path == TOKENS && status == 200 {
            run.tokens += 1;
            if run.tokens == 2 {
                sightings.note(Sighting::TokenRenewed);
            }
        }
        if status == 401 && is_fan_out(path) {
            sightings.note(Sighting::RevokedWithinFanOut);
        }
        if status == 0 || status >= 429 {
            run.failed.insert(target.to_owned());
        }
        if matches!(way, Way::Tenant(_)) && status == 429 {
            run.limited.insert(target.to_owned());
            state.limits.refused += u64::from(!run.lease_lost);
        }
        state.limits.asked += u64::from(path.starts_with("/api/") && !run.lease_lost);
        let key = path.rsplit('/').next().unwrap_or_default().replace("%7C", "|");
        if matches!(way, Way::Tenant(_)) && status == 200 && run.absent.contains(&key) {
            sightings.note(Sighting::AbsentButThere);
        }
        if status == 200 {
            note_success(run, sightings, path, &request.url.query, target);
        }
        let of_record = path.starts_with("/api/v2/") && path.matches('/').count() > 3;
        if matches!(way, Way::Tenant(_)) && status == 404 && of_record {
            run.gone = true;
        }
    }
}

fn note_success(
    run: &mut crate::world::Run,
    sightings: &mut crate::sightings::Sightings,
    path: &str,
    query: &str,
    target: &str,
) {
    if run.limited.remove(target) {
        sightings.note(Sighting::OwnLimitObeyed);
    }
    if run.failed.remove(target) && path.starts_with("/api/") {
        sightings.note(Sighting::PageRetried);
        if query.contains("from=") || query.contains("page=1") {
            sightings.note(Sighting::LaterPageRetried);
        }
    }
    if path.starts_with("/exports/") {
        run.exported = true;
        sightings.note(Sighting::UsersExported);
    }
    if path == "/api/v2/users" {
        run.walked = true;
        if query.contains("1970-01-01") {
            sightings.note(Sighting::UsersWalked);
        }
        if query.contains("sort=user_id") && query.contains("updated_at") {
            sightings.note(Sighting::TiedUsersSplit);
        }
    }
    if path == "/api/v2/logs" {
        let position = query.split('&').find_map(|pair| pair.strip_prefix("from="));
        if run.after_crash && position.is_some() {
            sightings.note(Sighting::LogResumed);
        }
        run.log_read_from = position.map(str::to_owned);
    }
    if run.last_list.as_deref() == Some(path) && run.changed_since {
        sightings.note(Sighting::ChangedBetweenPages);
    }
    run.last_list = Some(path.to_owned());
    run.changed_since = false;
}

fn is_fan_out(path: &str) -> bool {
    FAN_OUTS.iter().any(|end| path.ends_with(end)) && path.matches('/').count() > 3
}

fn target(request: &HttpRequest) -> String {
    if request.url.query.is_empty() {
        request.url.path.clone()
    } else {
        format!("{}?{}", request.url.path, request.url.query)
    }
}

fn authorization(request: &HttpRequest) -> String {
    let field = request.headers.iter().find(|(name, _)| *name == "authorization");
    field.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// A body as it arrives.
struct Pieces {
    world: Arc<World>,
    left: VecDeque<Bytes>,
    /// Whether the connection breaks after the last piece.
    broken: bool,
    is_rival: bool,
}

#[async_trait]
impl Body for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        if !self.is_rival {
            self.world.fate.point("body").await;
        }
        match self.left.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None if self.broken => Err(TransportError::new("connection reset")),
            None => Ok(None),
        }
    }
}
