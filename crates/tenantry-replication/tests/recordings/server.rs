//! Serves a rebuilt tenant as Auth0 does: both pagings in their real shapes, the log by checkpoint, users by an export job.
//!
//! Written from Auth0's documents and recorded answers; knows nothing of the replicator, and refuses what it does not expect to be asked.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use tenantry_replication::clock::Micros;
use tenantry_replication::source::auth0::HttpRequest;

use crate::network::{Answer, Answers, HOST, parameter};
use crate::rebuilt::Rebuilt;

/// Offset paging ends here, where the API says so.
const OFFSET_MAX: usize = 1_000;
/// Where export files lie: not with the tenant.
const FILES: &str = "exports.example.com";
const TOKEN: &str = "rebuilt-token";
const SCOPES: &str = "read:actions read:clients read:client_grants read:connections read:organizations \
     read:organization_members read:resource_servers read:roles read:users read:log_streams read:logs read:grants read:stats";

/// A tenant that answers.
pub(crate) struct Server {
    pub(crate) tenant: Rebuilt,
    /// Requests to the Management API.
    pub(crate) requests: AtomicU64,
    export: Mutex<Option<Export>>,
}

struct Export {
    /// Names of the members that were asked for.
    fields: Vec<String>,
    looks: u32,
}

/// How a list may be paged.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// By offset alone.
    Offset,
    /// By offset up to 1,000 records, and by checkpoint.
    Both,
    /// By checkpoint, where a next position comes with every page that is not empty.
    Members,
}

impl Server {
    pub(crate) fn new(tenant: Rebuilt) -> Self {
        Self { tenant, requests: AtomicU64::new(0), export: Mutex::new(None) }
    }

    fn read(&self, path: &str, query: &str) -> Answer {
        let list = |style, collection, query: &str| page(self.tenant.list(path), collection, style, query);
        match path {
            "/actions/actions" => actions(self.tenant.list(path), query),
            "/actions/triggers" => Answer::json(200, &json!({ "triggers": self.tenant.triggers })),
            "/clients" => list(Style::Both, "clients", query),
            "/client-grants" => list(Style::Both, "client_grants", query),
            "/connections" => list(Style::Both, "connections", query),
            "/organizations" => list(Style::Both, "organizations", query),
            "/resource-servers" => list(Style::Offset, "resource_servers", query),
            "/roles" => list(Style::Offset, "roles", query),
            "/grants" => list(Style::Offset, "grants", query),
            "/log-streams" => Answer::json(200, &Value::Array(self.tenant.list(path))),
            "/logs" => logs(&self.tenant.list(path), query),
            "/stats/daily" => days(&self.tenant.list(path), query),
            _ => match path.split('/').collect::<Vec<_>>()[..] {
                ["", "organizations", id, "members"] => {
                    let members =
                        self.tenant.members.get(id).into_iter().flat_map(|members| members.values().cloned());
                    page(members.collect(), "members", Style::Members, query)
                }
                ["", "connections", id, "clients"] => {
                    let clients = self
                        .tenant
                        .connection_clients
                        .get(id)
                        .into_iter()
                        .flat_map(|clients| clients.values().cloned());
                    page(clients.collect(), "clients", Style::Both, query)
                }
                ["", "jobs", "job_rebuilt"] => self.job(),
                _ => panic!("GET {path}?{query} is not expected"),
            },
        }
    }

    fn begin_export(&self, body: &Value) -> Answer {
        assert_eq!(body["format"], "json");
        let fields =
            body["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
        *self.export.lock().unwrap() = Some(Export { fields: fields.collect(), looks: 0 });
        Answer::json(
            200,
            &json!({ "type": "users_export", "status": "pending", "id": "job_rebuilt", "format": "json" }),
        )
    }

    fn job(&self) -> Answer {
        let mut export = self.export.lock().unwrap();
        let export = export.as_mut().unwrap();
        export.looks += 1;
        let mut job =
            json!({ "type": "users_export", "status": "processing", "id": "job_rebuilt", "format": "json" });
        if export.looks > 2 {
            job["status"] = json!("completed");
            job["percentage_done"] = json!(100);
            job["location"] = json!(format!("https://{FILES}/rebuilt.json.gz?Expires=1&Signature=a%2Bb"));
        }
        Answer::json(200, &job)
    }

    /// The export's file: gzipped lines.
    fn file(&self) -> Answer {
        let export = self.export.lock().unwrap();
        let fields = &export.as_ref().unwrap().fields;
        let mut lines = GzEncoder::new(Vec::new(), Compression::fast());
        for user in self.tenant.list("/users") {
            let selected: Map<String, Value> =
                fields.iter().filter_map(|name| Some((name.clone(), user.get(name)?.clone()))).collect();
            writeln!(lines, "{}", Value::Object(selected)).unwrap();
        }
        Answer { status: 200, headers: Vec::new(), body: lines.finish().unwrap().into() }
    }
}

impl Answers for Server {
    fn answer(&self, request: &HttpRequest, _now: Micros) -> Answer {
        let url = &request.url;
        let bearer = request
            .headers
            .iter()
            .find(|(name, _)| *name == "authorization")
            .map(|(_, value)| value.as_str());
        let call = (request.method.name(), url.origin.host.as_str(), url.path.as_str());
        if call.1 == FILES {
            assert_eq!((call.0, bearer), ("GET", None), "credentials stay with the tenant");
            return self.file();
        }
        assert_eq!(call.1, HOST);
        if call.2 == "/oauth/token" {
            return Answer::json(
                200,
                &json!({ "access_token": TOKEN, "expires_in": 86_400, "scope": SCOPES, "token_type": "Bearer" }),
            );
        }
        if call.2 == "/.well-known/openid-configuration" {
            assert_eq!(bearer, None, "it is open to all");
            return Answer::json(404, &json!({}));
        }
        assert_eq!(bearer, Some(format!("Bearer {TOKEN}").as_str()));
        self.requests.fetch_add(1, Ordering::Relaxed);
        match (call.0, call.2.strip_prefix("/api/v2").unwrap()) {
            ("POST", "/jobs/users-exports") => {
                self.begin_export(&serde_json::from_slice(&request.body).unwrap())
            }
            ("GET", path) => self.read(path, &url.query),
            (method, path) => panic!("{method} {path} is not expected"),
        }
    }
}

fn refused(message: &str) -> Answer {
    Answer::json(
        400,
        &json!({ "statusCode": 400, "error": "Bad Request", "message": message, "errorCode": "invalid_query_string" }),
    )
}

fn number(query: &str, name: &str) -> Option<usize> {
    parameter(query, name).map(|text| text.parse().unwrap())
}

/// One page of a list, in the envelope that the query asks for.
fn page(records: Vec<Value>, collection: &str, style: Style, query: &str) -> Answer {
    let records: Vec<Value> = records.into_iter().map(|record| selected(record, query)).collect();
    let by_checkpoint = number(query, "take").is_some() || parameter(query, "from").is_some();
    if by_checkpoint && style == Style::Offset {
        return refused("Query validation error: 'Additional properties not allowed: take'");
    }
    if by_checkpoint {
        let take = number(query, "take").unwrap_or(50);
        let from =
            parameter(query, "from").map_or(0, |from| from.strip_prefix("next|+/").unwrap().parse().unwrap());
        let taken: Vec<Value> = records.iter().skip(from).take(take).cloned().collect();
        let end = from + taken.len();
        let more = if style == Style::Members { !taken.is_empty() } else { end < records.len() };
        let mut answer = json!({ collection: taken });
        if more {
            answer["next"] = json!(format!("next|+/{end}"));
        }
        return Answer::json(200, &answer);
    }
    let (page, per_page) = (number(query, "page").unwrap_or(0), number(query, "per_page").unwrap_or(50));
    if style != Style::Offset && (page + 1) * per_page > OFFSET_MAX {
        return refused("You can only page through the first 1000 records. See https://auth0.com/docs");
    }
    let taken: Vec<Value> = records.iter().skip(page * per_page).take(per_page).cloned().collect();
    if parameter(query, "include_totals").as_deref() == Some("true") {
        let answer =
            json!({ "start": page * per_page, "limit": per_page, "total": records.len(), collection: taken });
        return Answer::json(200, &answer);
    }
    Answer::json(200, &Value::Array(taken))
}

/// The members of a record that `fields` and `include_fields` leave.
fn selected(record: Value, query: &str) -> Value {
    let Some(fields) = parameter(query, "fields") else { return record };
    let included = parameter(query, "include_fields").as_deref() != Some("false");
    let Value::Object(members) = record else { return record };
    let stays = |name: &str| fields.split(',').any(|field| field == name) == included;
    Value::Object(members.into_iter().filter(|(name, _)| stays(name)).collect())
}

/// Actions have an envelope of their own: no `page` on page 0, no `total` on an empty one.
fn actions(records: Vec<Value>, query: &str) -> Answer {
    let (page, per_page) = (number(query, "page").unwrap_or(0), number(query, "per_page").unwrap_or(20));
    let total = records.len();
    let taken: Vec<Value> = records.into_iter().skip(page * per_page).take(per_page).collect();
    let mut answer = json!({ "actions": taken, "per_page": per_page });
    if page > 0 {
        answer["page"] = json!(page);
    }
    if !taken.is_empty() {
        answer["total"] = json!(total);
    }
    Answer::json(200, &answer)
}

/// Events after a position in the order of their ids, or the first ones by date.
fn logs(events: &[Value], query: &str) -> Answer {
    let id = |event: &Value| event["log_id"].as_str().unwrap().to_owned();
    let mut events = events.to_vec();
    if parameter(query, "sort").is_some() {
        assert_eq!(parameter(query, "sort").as_deref(), Some("date:1"));
        events.sort_by_key(|event| event["date"].as_str().unwrap_or_default().to_owned());
        return page(events, "logs", Style::Offset, query);
    }
    let from = parameter(query, "from").unwrap();
    let take = number(query, "take").unwrap();
    assert!(take <= 100);
    events.sort_by_key(id);
    let taken: Vec<Value> = events.into_iter().filter(|event| id(event) > from).take(take).collect();
    let mut answer = Answer::json(200, &Value::Array(taken.clone()));
    if let Some(last) = taken.last() {
        let link = format!("<https://{HOST}/api/v2/logs?from={}&take={take}>; rel=\"next\"", id(last));
        answer.headers.push(("Link".to_owned(), link));
    }
    answer
}

/// Days of a range, both ends included.
fn days(days: &[Value], query: &str) -> Answer {
    let (from, to) = (parameter(query, "from").unwrap(), parameter(query, "to").unwrap());
    let compact = |day: &Value| day["date"].as_str().unwrap()[..10].replace('-', "");
    let taken: Vec<Value> =
        days.iter().filter(|day| (from.clone()..=to.clone()).contains(&compact(day))).cloned().collect();
    Answer::json(200, &Value::Array(taken))
}
