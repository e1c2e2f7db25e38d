//! The command behind a network that breaks, stalls, lies and leads astray: either a run does its work all the same, or it says what is
//! wrong with the documented exit code, and the next one without the fault does it. Nothing is falsely deleted on the way.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::proxy::{Answer, Asked, Elsewhere, Fault, Length, Proxy, change};
use crate::scenario::{churn, quick};
use crate::tables::{self, Holding, Tables};
use crate::world::World;

const TOKEN: &str = "/oauth/token";
const ROLES: &str = "/api/v2/roles";
const CLIENTS: &str = "/api/v2/clients";
const ORGANIZATIONS: &str = "/api/v2/organizations";
const LOGS: &str = "/api/v2/logs";
const JOBS: &str = "/api/v2/jobs/users-exports";
const JOB: &str = "/api/v2/jobs/job*";
const FILE: &str = "/exports/*";

/// A tenant that is quickly read, with more users than are asked for one by one when they seem gone.
fn tiny() -> Config {
    Config {
        seed: 9,
        users: 130,
        tied_users: 5,
        logs: 150,
        organizations: 4,
        members_per_organization: 5,
        clients: 12,
        grants: 20,
        stats_days: 10,
        plan: Plan::Unlimited,
        ..quick()
    }
}

/// A tenant behind a proxy, whose tables were true once; since then it has changed.
struct Scene {
    world: World,
    proxy: Proxy,
    truth_before: tenantry_oracle::Tables,
    held_before: Tables,
}

impl Scene {
    fn start() -> Self {
        Self::of(tiny())
    }

    fn of(config: Config) -> Self {
        let world = World::start(config);
        let proxy = Proxy::before(world.address());
        let world = world.behind(proxy.url()).with("TENANTRY_TIMEOUT", "1s");
        let truth_before = world.truth();
        world.sync();
        let held_before = world.tables();
        tables::compare(&truth_before, &held_before, Holding::Nothing);
        world.churn_within_the_hour(&churn(77, 1));
        Self { world, proxy, truth_before, held_before }
    }

    /// The same where an answer may take longer: on a machine with much to do, pauses grow.
    fn patient(self, timeout: &str) -> Self {
        Self { world: self.world.with("TENANTRY_TIMEOUT", timeout), ..self }
    }

    /// A run that reads everything under the ordered faults does its work.
    #[track_caller]
    fn is_overcome(&self) {
        let (code, report, messages) = self.world.run(&["sync", "--json", "--full"]);
        assert_eq!(code, 0, "{report} {messages}");
        self.proxy.heal();
        self.is_true();
    }

    /// A run that reads everything under the ordered faults exits with `code` and says these words of `table`, whose rows stay as they
    /// were; once the faults are over, the next run brings everything up to date. Gives the report.
    #[track_caller]
    fn is_told(&self, code: i32, table: &str, words: &str) -> Value {
        self.is_told_with(&["sync", "--json", "--full"], code, table, words)
    }

    #[track_caller]
    fn is_told_with(&self, arguments: &[&str], code: i32, table: &str, words: &str) -> Value {
        let (ended, report, messages) = self.world.run(arguments);
        assert_eq!(ended, code, "{report} {messages}");
        assert_eq!(report["exit_code"], code, "{report}");
        assert!(messages.contains(words), "{words}: {messages}");
        let told = report["tables"].as_array().unwrap().iter().find(|told| told["table"] == table).unwrap();
        assert!(told["outcome"] == "failed" || told["outcome"] == "stopped", "{told}");
        let now = self.world.tables();
        for (name, rows) in &self.held_before {
            let gone = |key: &Vec<String>| now[name][key].deleted && !rows[key].deleted;
            let gone: Vec<_> = rows.keys().filter(|key| gone(key)).collect();
            let truth = self.world.truth();
            assert!(
                gone.iter().all(|key| !truth[name].contains_key(*key)),
                "{name}: falsely deleted {gone:?}"
            );
        }
        self.proxy.heal();
        self.world.sync();
        self.is_true();
        report
    }

    #[track_caller]
    fn is_true(&self) {
        let before = Holding::Before(&self.truth_before, &self.held_before);
        tables::compare(&self.world.truth(), &self.world.tables(), before);
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

/// An answer that is packed on its way, and then spoiled.
fn packed(spoil: impl Fn(&mut Answer) + Send + Sync + 'static) -> Fault {
    change(move |_, answer| {
        answer.body = pack(&answer.body);
        answer.headers.push(("content-encoding".into(), "gzip".into()));
        spoil(answer);
    })
}

#[test]
fn connections_that_break_at_any_byte_cost_nothing() {
    let scene = Scene::start();
    for (path, after) in
        [(TOKEN, 0), (ROLES, 1), (CLIENTS, 40), (ORGANIZATIONS, 300), (LOGS, 500), (FILE, 700)]
    {
        scene.proxy.once(path, Fault::Reset(after));
    }
    // Nobody knows whether the job was begun.
    scene.proxy.once(JOBS, Fault::Reset(0));
    scene.is_overcome();
}

#[test]
fn answers_that_stall_are_given_up_and_asked_for_again() {
    let scene = Scene::start();
    for (path, after) in [(TOKEN, 0), (ROLES, 0), (CLIENTS, 60), (LOGS, 400), (FILE, 600)] {
        scene.proxy.once(path, Fault::Stall(after));
    }
    scene.is_overcome();
}

#[test]
fn a_slow_file_is_waited_for_and_a_slow_answer_is_not() {
    let scene = Scene::start().patient("4s");
    scene.proxy.once(ROLES, Fault::Drip(500, Duration::from_millis(20)));
    scene.proxy.once(FILE, Fault::Drip(50, Duration::from_millis(100)));
    let [roles, files] = [scene.proxy.asked(ROLES), scene.proxy.asked("/exports/")];
    scene.is_overcome();
    assert_eq!(scene.proxy.asked("/exports/"), files + 1, "it was read to its end");
    assert!(scene.proxy.asked(ROLES) > roles + 1, "it was asked for again");
}

#[test]
fn answers_that_are_not_what_their_frame_says_are_asked_for_again() {
    let scene = Scene::start();
    let faults = [
        (ROLES, packed(|answer| answer.body.truncate(answer.body.len() - 8))),
        (CLIENTS, packed(|answer| *answer.body.last_mut().unwrap() ^= 1)),
        (CLIENTS, packed(|answer| answer.body.truncate(answer.body.len() / 2))),
        (ORGANIZATIONS, packed(|answer| answer.length = Length::Claimed(answer.body.len() - 1))),
        (ORGANIZATIONS, change(|_, answer| answer.length = Length::Claimed(answer.body.len() + 1))),
        (LOGS, change(|_, answer| answer.length = Length::Claimed(answer.body.len() / 2))),
        // Ends with the connection, in the middle.
        (
            "/api/v2/connections",
            change(|_, answer| {
                answer.body.truncate(answer.body.len() / 2);
                answer.length = Length::Unsaid;
            }),
        ),
        ("/api/v2/grants", packed(|_| {})),
    ];
    for (path, fault) in faults {
        scene.proxy.once(path, fault);
    }
    scene.is_overcome();
}

#[test]
fn an_export_file_that_is_cut_or_corrupt_is_fetched_again() {
    let scene = Scene::start();
    scene.proxy.once(FILE, change(|_, answer| answer.body.truncate(answer.body.len() - 4)));
    scene.proxy.once(FILE, change(|_, answer| answer.body[40] ^= 0x55));
    scene.proxy.once(FILE, change(|_, answer| answer.length = Length::Claimed(answer.body.len() / 2)));
    scene.is_overcome();
    assert!(scene.proxy.asked("/exports/") >= 4);
}

/// So many megabytes that take a thousandth of that on the wire.
fn bomb(byte: u8, megabytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[byte].repeat(1 << 20)).unwrap();
    encoder.finish().unwrap().repeat(megabytes)
}

#[test]
fn an_export_that_is_a_bomb_costs_its_tables_alone() {
    let scene = Scene::start().patient("20s");
    scene.proxy.always(FILE, change(|_, answer| answer.body = bomb(b'\n', 100)));
    let report = scene.is_told(1, "users", "the file unpacks to more than");
    let others = report["tables"].as_array().unwrap().iter().filter(|table| table["outcome"] == "failed");
    assert!(others.count() < 5, "{report}");
}

#[test]
fn an_answer_that_is_a_bomb_costs_its_table_alone() {
    let scene = Scene::start().patient("20s");
    let fault = change(|_, answer| {
        answer.headers.push(("content-encoding".into(), "gzip".into()));
        answer.body = bomb(b' ', 300);
    });
    scene.proxy.always(ROLES, fault);
    scene.is_told(1, "role", "the answer is larger than");
}

/// A file that ends after so many of its lines, without any packing that would tell.
fn short(lines: usize) -> impl Fn(&Asked, &mut Answer) + Send + Sync {
    move |_, answer| {
        let text = unpack(&answer.body);
        answer.body = text.split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect();
    }
}

#[test]
fn a_plain_export_that_ends_at_a_line_end_with_the_connection_is_fetched_again() {
    let scene = Scene::start();
    let cut = short(20);
    let fault = change(move |asked, answer| {
        cut(asked, answer);
        answer.length = Length::Unsaid;
    });
    scene.proxy.once(FILE, fault);
    scene.is_overcome();
}

#[test]
fn an_export_that_holds_fewer_users_than_its_job_counted_deletes_none() {
    let scene = Scene::start();
    scene.proxy.always(FILE, change(short(20)));
    let users = scene.world.truth()["users"].len();
    let counted = change(move |_, answer| {
        let mut job = answer.json();
        job["summary"] = json!({ "failed": 0, "updated": 0, "inserted": users, "total": users });
        answer.body = job.to_string().into();
    });
    scene.proxy.always(JOB, counted);
    scene.is_told(1, "users", "did not reach the end of the list");
}

#[test]
fn an_export_that_is_short_and_does_not_say_so_deletes_nobody_and_is_read_again() {
    for missing in [100, 30] {
        let scene = Scene::start();
        let users = scene.world.truth()["users"].len();
        scene.proxy.once(FILE, change(short(users - missing)));
        scene.is_overcome();
    }
}

#[test]
fn an_export_that_is_short_again_and_again_is_told() {
    for missing in [100, 30] {
        let scene = Scene::start();
        let users = scene.world.truth()["users"].len();
        scene.proxy.always(FILE, change(short(users - missing)));
        scene.is_told(1, "users", "did not reach the end of the list");
    }
}

#[test]
fn redirects_are_never_followed() {
    let elsewhere = Elsewhere::that_answers(b"[]".to_vec());
    let to = |status| {
        let target = elsewhere.url();
        change(move |asked, answer| {
            answer.say(status, "text/plain", "");
            answer.headers.push(("location".into(), format!("{target}{}", asked.target)));
        })
    };
    let scene = Scene::start();
    // Where a job is refused, users are searched for.
    scene.proxy.always(JOBS, to(307));
    scene.is_overcome();
    let scene = Scene::start();
    for (status, path) in [(302, ROLES), (308, LOGS), (301, FILE)] {
        scene.proxy.always(path, to(status));
    }
    let report = scene.is_told(1, "role", "redirects are not followed");
    let failed = report["tables"].as_array().unwrap().iter().filter(|table| table["outcome"] == "failed");
    let failed: Vec<&str> = failed.map(|table| table["table"].as_str().unwrap()).collect();
    assert!(["logs", "role", "users"].iter().all(|table| failed.contains(table)), "{failed:?}");
    assert!(failed.len() <= 6, "and what depends on them: {failed:?}");
    let scene = Scene::start();
    scene.proxy.always(TOKEN, to(307));
    let (code, report, messages) = scene.world.run(&["sync", "--json"]);
    assert_eq!(code, 1, "{report} {messages}");
    assert!(messages.contains("redirects are not followed"), "{messages}");
    scene.proxy.heal();
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

#[test]
fn the_host_of_the_export_file_gets_no_token() {
    let scene = Scene::start();
    let users = scene.world.truth()["users"].len();
    let elsewhere = Elsewhere::that_answers(pack(b"{\"user_id\":\"auth0|elsewhere\"}\n"));
    let target = elsewhere.url();
    let led_away = change(move |_, answer| {
        let mut job = answer.json();
        if job["status"] == "completed" {
            job["location"] = json!(format!("{target}/file.json.gz?Signature=s"));
            job["summary"] = json!({ "total": users });
        }
        answer.body = job.to_string().into();
    });
    scene.proxy.always(JOB, led_away);
    let (code, report, messages) = scene.world.run(&["sync", "--json", "--full"]);
    assert_eq!(code, 1, "{report} {messages}");
    let heads = elsewhere.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("get /file.json.gz?signature=s "), "{head}");
        assert!(
            !head.contains("authorization") && !head.contains("bearer") && !head.contains("cookie"),
            "{head}"
        );
    }
}

#[test]
fn a_next_page_at_another_host_is_asked_of_the_tenant_alone() {
    let elsewhere = Elsewhere::that_answers(b"[]".to_vec());
    let scene = Scene::start();
    let target = elsewhere.url();
    let led_away = change(move |_, answer| {
        for (name, value) in &mut answer.headers {
            if let Some((_, path)) = value.split_once("/api/").filter(|_| name == "link") {
                *value = format!("<{target}/api/{path}");
            }
        }
    });
    scene.proxy.always(LOGS, led_away);
    let (_, report, messages) = scene.world.run(&["sync", "--json", "--full"]);
    assert_eq!(elsewhere.heads(), Vec::<String>::new(), "{report} {messages}");
    scene.proxy.heal();
    scene.world.sync();
    scene.is_true();
}

#[test]
fn a_web_page_in_place_of_an_answer_is_asked_for_again() {
    let scene = Scene::start();
    let page =
        |kind: &'static str| change(move |_, answer| answer.say(200, kind, "<html>please sign in</html>"));
    for path in [TOKEN, ROLES, JOBS, FILE] {
        scene.proxy.once(path, page("text/html"));
    }
    for path in [CLIENTS, LOGS, FILE] {
        scene.proxy.once(path, page("application/json; charset=utf-8"));
    }
    scene.is_overcome();
}

#[test]
fn web_pages_without_end_cost_their_table_alone() {
    let scene = Scene::start();
    scene.proxy.always(ROLES, change(|_, answer| answer.say(200, "text/html", "<html>maintenance</html>")));
    scene.is_told(1, "role", "the answer is a web page, not JSON");
}

/// A list whose next position is a new one each time, and whose records are those of its first page, in turns.
fn endless(
    member: &'static str,
    pages: usize,
    by_number: impl Fn(usize, &mut Vec<Value>) + Send + Sync + 'static,
) -> Fault {
    let count = std::sync::atomic::AtomicUsize::new(0);
    change(move |asked, answer| {
        let first = asked.target.split('?').next().unwrap();
        *answer = asked.again(&format!("{first}?take={pages}")).unwrap();
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut body = answer.json();
        body["next"] = json!(format!("fresh{number}"));
        by_number(number, body[member].as_array_mut().unwrap());
        answer.body = body.to_string().into();
    })
}

#[test]
fn lists_that_go_on_for_ever_with_the_same_page_or_with_nothing_are_given_up() {
    let scene = Scene::start();
    scene.proxy.always(ORGANIZATIONS, endless("organizations", 50, |_, _| {}));
    scene.proxy.always(CLIENTS, endless("clients", 50, |_, records| records.clear()));
    let report = scene.is_told(1, "organization", "the list gives the same page again");
    let clients =
        report["tables"].as_array().unwrap().iter().find(|table| table["table"] == "client").unwrap();
    assert!(clients["message"].as_str().unwrap().contains("pages that hold nothing"), "{clients}");
}

#[test]
fn a_list_that_never_ends_is_stopped_by_the_allowance() {
    let scene = Scene::start();
    // In turns, and each time with something in it that no table holds: no page is like an earlier one.
    let ever_new = |number: usize, records: &mut Vec<Value>| {
        let at = number % records.len();
        *records = vec![records.swap_remove(at)];
        records[0]["times_asked"] = number.into();
    };
    scene.proxy.always(ORGANIZATIONS, endless("organizations", 50, ever_new));
    let arguments = ["sync", "--json", "--full", "--max-requests", "150"];
    scene.is_told_with(&arguments, 4, "organization", "run it again without --full");
}

#[test]
fn pages_larger_than_asked_for_are_taken_whole() {
    let scene = Scene::of(Config { roles: 130, clients: 120, ..tiny() });
    // Two pages at once: what the second says of what follows holds for both.
    let offset = change(|asked, answer| {
        if asked.target.contains("page=0&") {
            let second = asked.again(&asked.target.replace("page=0&", "page=1&")).unwrap().json();
            let mut both = answer.json();
            both["roles"].as_array_mut().unwrap().extend(second["roles"].as_array().unwrap().clone());
            answer.body = both.to_string().into();
        }
    });
    let by_position = change(|asked, answer| {
        let mut both = answer.json();
        if let Some(next) = both["next"].as_str().map(str::to_owned) {
            let second = asked.again(&format!("{}&from={next}", asked.target)).unwrap().json();
            both["clients"].as_array_mut().unwrap().extend(second["clients"].as_array().unwrap().clone());
            both["next"] = second["next"].clone();
            answer.body = both.to_string().into();
        }
    });
    scene.proxy.always(ROLES, offset);
    scene.proxy.always(CLIENTS, by_position);
    scene.is_overcome();
}
