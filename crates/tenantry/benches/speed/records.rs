//! Records as the API answers them, made up from their number alone: users of about 1 KB, log events of about 900 bytes, organizations.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Digits of a log id behind its time.
const ORDINAL_DIGITS: usize = 39;
const PREFIX: &str = "900";

/// A user of about 1 KB, in the state `version`.
pub(crate) fn user(out: &mut String, n: u64, version: u64) {
    let (day, hour, minute) = (n % 28 + 1, n % 24, n % 60);
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let _ = write!(
        out,
        concat!(
            r#"{{"user_id":"auth0|{mixed:016x}{n:08x}","email":"given{n}.family{n}@example.com","email_verified":{verified},"#,
            r#""name":"Given{n} Family{n}","nickname":"given{n}.family{n}","#,
            r#""picture":"https://images.example.com/avatars/{mixed:016x}/large.png?d=identicon&size=480&rating=pg&fallback=initials","#,
            r#""created_at":"2024-03-04T05:06:07.891Z","updated_at":"2026-01-{day:02}T{hour:02}:{minute:02}:07.123Z","#,
            r#""last_login":"2026-02-{day:02}T{hour:02}:00:00.000Z","last_ip":"203.0.{high}.{low}","logins_count":{logins},"#,
            r#""identities":[{{"user_id":"{mixed:016x}{n:08x}","provider":"auth0","connection":"Username-Password-Authentication","isSocial":false}}],"#,
            r#""app_metadata":{{"plan":"enterprise","roles":["admin","editor"],"limits":{{"seats":{seats},"projects":12}},"customer":"cus_{mixed:016x}"}},"#,
            r#""user_metadata":{{"locale":"ja-JP","theme":"dark","bio":"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"}}}}"#,
        ),
        n = n,
        mixed = mixed,
        verified = n.is_multiple_of(3),
        day = day,
        hour = hour,
        minute = minute,
        high = n / 256 % 256,
        low = n % 256,
        logins = n % 500 + version,
        seats = n % 100,
    );
    out.push('\n');
}

/// When event `n` of `of` was written: evenly spread over the last twenty days, the newest a little ago.
pub(crate) struct Log {
    pub(crate) events: u64,
    begin: i64,
    seconds: i64,
}

impl Log {
    pub(crate) fn of(events: u64, now: i64) -> Self {
        let seconds = 20 * 86_400;
        Self { events, begin: now - seconds - 600, seconds }
    }

    /// Second of event `n`, numbered from 1.
    fn second(&self, n: u64) -> i64 {
        self.begin + (i128::from(self.seconds) * i128::from(n) / i128::from(self.events.max(1))) as i64
    }

    /// Number of the first event behind a position: an event's id, or one made from a time.
    pub(crate) fn behind(&self, position: &str) -> u64 {
        let Some((time, ordinal)) = position
            .strip_prefix(PREFIX)
            .filter(|rest| rest.len() == 14 + ORDINAL_DIGITS)
            .map(|rest| rest.split_at(14))
        else {
            return 1;
        };
        match ordinal.parse::<u128>() {
            Ok(n) if n > 0 => n as u64 + 1,
            _ => {
                let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", time).unwrap();
                let wanted = civil.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
                let ahead = i128::from((wanted - self.begin).max(0)) * i128::from(self.events);
                ((ahead + i128::from(self.seconds) - 1) / i128::from(self.seconds)).max(1) as u64
            }
        }
    }

    /// Position of event `n`.
    pub(crate) fn id(&self, n: u64) -> String {
        let time = Timestamp::from_second(self.second(n)).unwrap().strftime("%Y%m%d%H%M%S");
        format!("{PREFIX}{time}{n:0ORDINAL_DIGITS$}")
    }

    /// A page of `count` events from `first` on.
    pub(crate) fn page(&self, first: u64, count: u64) -> String {
        let mut out = String::from("[");
        for n in first..(first + count).min(self.events + 1) {
            if n > first {
                out.push(',');
            }
            self.event(&mut out, n);
        }
        out.push(']');
        out
    }

    fn event(&self, out: &mut String, n: u64) {
        let id = self.id(n);
        let date = Timestamp::from_second(self.second(n)).unwrap();
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let kind = ["s", "seacft", "ssa", "f", "slo", "fp", "ss", "gd_auth_succeed"][(n % 8) as usize];
        let _ = write!(
            out,
            concat!(
                r#"{{"date":"{date}","type":"{kind}","description":"event {n}","connection":"Username-Password-Authentication","#,
                r#""connection_id":"con_{c:016}","client_id":"cli{c:029}","client_name":"app {c}","ip":"203.0.{high}.{low}","#,
                r#""user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36","hostname":"tenant.example.com","#,
                r#""audience":"https://api.example.com","scope":"openid profile email","user_id":"auth0|{mixed:016x}{n:08x}","user_name":"given{n}@example.com","#,
                r#""strategy":"auth0","strategy_type":"database","log_id":"{id}","_id":"{id}","isMobile":false,"#,
                r#""location_info":{{"country_code":"JP","country_name":"Japan","city_name":"Tokyo","latitude":35.6,"longitude":139.7,"time_zone":"Asia/Tokyo","continent_code":"AS"}},"#,
                r#""details":{{"prompts":[{{"name":"login","elapsedTime":{low}}}],"completedAt":1767225600000,"elapsedTime":{high},"session_id":"{mixed:016x}"}}}}"#,
            ),
            date = date,
            kind = kind,
            n = n,
            c = n % 10,
            high = n / 256 % 256,
            low = n % 256,
            mixed = mixed,
            id = id,
        );
    }
}

/// Organizations of a page that begins with number `from`.
pub(crate) fn organizations(from: u64, count: u64, of: u64) -> String {
    let end = (from + count).min(of);
    let list: Vec<String> = (from..end)
        .map(|n| {
            format!(r#"{{"id":"org_{n:016}","name":"organization-{n}","display_name":"Organization {n}"}}"#)
        })
        .collect();
    let next = if end < of { format!(r#","next":"{end}""#) } else { String::new() };
    format!(r#"{{"organizations":[{}]{next}}}"#, list.join(","))
}

/// The few members of organization `n`.
pub(crate) fn members(n: &str) -> String {
    let list: Vec<String> = (0..5).map(|k| format!(r#"{{"user_id":"auth0|{n}{k}"}}"#)).collect();
    format!(r#"{{"start":0,"limit":100,"total":5,"members":[{}]}}"#, list.join(","))
}
