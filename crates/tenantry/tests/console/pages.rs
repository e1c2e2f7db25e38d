//! What pages show, against what the tables hold.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, Tenant};
use crate::served::{Served, encoded};

fn filled() -> (Place, Served) {
    let place = Place::new();
    place.run(&["demo", "--users", "130", "--logs", "900", "--no-console"]).exits(0);
    let served = Served::start(&place, &["--no-sync"]).open();
    (place, served)
}

/// Reads the same file while the console shows it: both only read.
fn sql(place: &Place, question: &str) -> Vec<Value> {
    place.run(&["sql", "--format", "json", question]).exits(0).json().as_array().unwrap().clone()
}

/// What stands between two texts, each time.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

fn plain(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

#[test]
fn every_section_answers_in_both_languages() {
    let (_place, served) = filled();
    for path in [
        "/",
        "/explore",
        "/explore/users",
        "/explore/logs",
        "/sql",
        "/diagram",
        "/syncs",
        "/syncs/1",
        "/explain/gap",
    ] {
        for (language, words) in [("en", "Skip to content"), ("ja", "本文へ移動")] {
            let answer = served.get_with(path, &[("cookie", served.cookie()), ("accept-language", language)]);
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.body.contains(words) && answer.body.ends_with("</html>"), "{path} in {language}");
            assert!(!answer.body.contains("notice is-bad"), "{path}: {}", answer.body);
        }
    }
    for path in ["/explore/no_such_table", "/explain/nothing", "/syncs/99x", "/nowhere", "/explore/users/row"]
    {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
}

#[test]
fn pages_of_a_table_hold_each_row_once_in_order_and_lead_back() {
    let (place, served) = filled();
    for order in ["", "by=email&down=1", "by=last_login", "by=blocked&down=1"] {
        let mut path = format!("/explore/users?{order}");
        let mut seen: Vec<String> = Vec::new();
        let mut pages = 0;
        loop {
            let page = served.page(&path);
            let keys: Vec<String> =
                between(&page, "/explore/users/row?key=", "\"").iter().map(|key| plain(key)).collect();
            assert!(!keys.is_empty() && keys.len() <= 50, "{order}: {} rows", keys.len());
            seen.extend(keys.clone());
            pages += 1;
            let next = between(&page, "rel=\"next\" href=\"", "\"").first().map(|next| plain(next));
            if pages == 2 {
                let back = plain(between(&page, "rel=\"prev\" href=\"", "\"")[0]);
                let before = served.page(&back);
                let before: Vec<String> =
                    between(&before, "/explore/users/row?key=", "\"").iter().map(|key| plain(key)).collect();
                assert_eq!(before, seen[..50], "{order}: the page before is not the first");
            }
            match next {
                Some(next) => path = next,
                None => break,
            }
        }
        let all = sql(&place, "select count(*) as n from auth0.users where not _fivetran_deleted")[0]["n"]
            .as_u64()
            .unwrap();
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len() as u64, distinct.len() as u64), (all, all), "{order}");
    }
}

#[test]
fn filters_find_what_sql_finds() {
    let (place, served) = filled();
    for (filter, condition) in [
        ("type~is~s", "type = 's'"),
        ("type~not~s", "type is distinct from 's'"),
        ("type~begins~s", "type like 's%'"),
        ("ip~none~", "ip is null"),
        ("user_id~some~", "user_id is not null"),
        ("description~has~PASS", "description ilike '%pass%'"),
        ("date~from~2020-01-01", "\"date\" >= '2020-01-01'"),
        ("date~below~2020-01-01", "\"date\" < '2020-01-01'"),
    ] {
        let wanted = sql(&place, &format!("select count(*) as n from auth0.logs where {condition}"))[0]["n"]
            .as_u64()
            .unwrap();
        let page = served.page(&format!("/explore/logs?w={}", filter.replace('~', "%7E")));
        let told = between(&page, "<p class=\"found\" role=\"status\">", "<")[0];
        let expected = if wanted == 1 { "1 row fits".to_owned() } else { format!("{wanted} rows fit") };
        assert_eq!(told, expected, "{filter}");
    }
    // What a form adds becomes a part of the address; a value of the wrong type is told, not hidden.
    let answer = served.get("/explore/logs?w=type%7Eis%7Es&c=ip&o=has&v=1%271");
    assert_eq!(answer.status, 303);
    assert_eq!(answer.headers["location"], "/explore/logs?w=type%7Eis%7Es&w=ip%7Ehas%7E1%271");
    assert!(served.page("/explore/logs?w=date%7Efrom%7Enonsense").contains("notice is-bad"));
    assert!(served.page("/explore/logs?w=ip%7Eis%7E%27%20or%201%3D1").contains("0 rows fit"));
}

#[test]
fn a_users_page_gathers_what_belongs_to_the_user() {
    let (place, served) = filled();
    let user = &sql(
        &place,
        // Events of nobody have an empty user, and are on some days more than those of any user.
        "select users.id, count(*) as n from auth0.logs join auth0.users on users.id = logs.user_id group by 1 order by 2 desc, 1 limit 1",
    )[0];
    let id = user["id"].as_str().unwrap();
    let page = served.page(&format!("/explore/users/row?key=%5B%22{}%22%5D", id.replace('|', "%7C")));
    for table in ["user_identities", "user_app_metadata", "organization_member", "grants", "logs"] {
        assert!(page.contains(&format!("href=\"/explore/{table}?")), "{table} is missing: {page}");
    }
    let identities = sql(
        &place,
        &format!("select count(*) as n from auth0.user_identities where users_id = '{id}'"),
    )[0]["n"]
        .as_u64()
        .unwrap();
    assert_eq!(between(&page, "/explore/user_identities/row?key=", "\"").len() as u64, identities.min(8));
    assert!(page.contains("/explore/logs/row?key="));
}

#[test]
fn an_answer_can_be_taken_along() {
    let (_place, served) = filled();
    let question = "select+id,+email+from+auth0.users+order+by+id+limit+3";
    let csv = served.get(&format!("/sql/export?q={question}&as=csv"));
    assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"answer.csv\"");
    assert_eq!(csv.body.lines().count(), 4);
    let json: Value =
        serde_json::from_str(&served.get(&format!("/sql/export?q={question}&as=json")).body).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    assert!(served.get(&format!("/sql/export?q={question}&as=parquet")).body.starts_with("PAR1"));
    assert_eq!(served.get(&format!("/sql/export?q={question}&as=exe")).status, 400);
}

#[test]
fn a_sync_that_is_asked_for_runs_and_is_told_live() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("TENANTRY_LOGS_EVERY", "1h").with("TENANTRY_USERS_EVERY", "1h");
    let served = Served::start(&place, &[]).open();
    wait_for(|| served.page("/syncs").contains("href=\"/syncs/1\""));
    // What takes longer than a moment to count appears when it is there.
    wait_for(|| served.page("/").contains("up to date"));
    assert_eq!(served.post("/syncs", "what=resync&table=role").status, 303);
    wait_for(|| served.page("/syncs").contains("href=\"/syncs/2\""));
    let run = served.page("/syncs/2");
    assert_eq!(
        between(&run, "<a href=\"/explore/", "\"").into_iter().filter(|name| *name != "role").count(),
        0,
        "{run}"
    );
    assert_eq!(served.post("/syncs", "what=verify").status, 303);
    wait_for(|| served.page("/syncs").contains("notice is-good"));
    assert_eq!(served.stop(), 0);
    // The lease was given back: another process may write at once.
    place.run(&["sync"]).exits(0);
}

#[test]
fn a_question_ends_with_the_connection_that_asked_it() {
    let (_place, served) = filled();
    // Far longer than any patience, were it not ended.
    let long = "select count(*) from range(100000000) a, range(100000000) b where a.range * b.range % 7 = 3";
    let encoded = encoded(long);
    let mut stream = std::net::TcpStream::connect(&served.host).unwrap();
    let request = format!(
        "GET /sql?q={encoded} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
        served.host,
        served.cookie()
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let ticks = || cpu_ticks(served.process());
    wait_for(|| {
        let before = ticks();
        std::thread::sleep(Duration::from_millis(200));
        // A machine that has much else to do gives it little; without a question it takes none.
        ticks() > before + 2
    });
    drop(stream);
    wait_for(|| {
        let before = ticks();
        std::thread::sleep(Duration::from_millis(800));
        ticks() < before + 2
    });
    assert!(served.page("/sql?q=select+1").contains("1 row"));
}

/// Processor time of a process, in hundredths of a second.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[track_caller]
fn wait_for(mut holds: impl FnMut() -> bool) {
    let begun = begin();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test of a process waits in real time")]
fn begin() -> Instant {
    Instant::now()
}
