//! What the next run will take, for people and for programs.
//!
//! The numbers are the engine's; this only shows them, and says where they pass what is allowed.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_replication::sync::{Forecast, How, StreamForecast};

use crate::config::Allowance;
use crate::terminal::table::{Align, TextTable};
use crate::terminal::text;

/// One object: each stream, and the whole.
pub(crate) fn to_json(forecast: &Forecast) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 10.0).round() / 10.0);
    let stream = |stream: &StreamForecast| {
        let (how, message) = said(&stream.how);
        json!({
            "stream": stream.stream,
            "tables": stream.tables,
            "read": how,
            "message": message,
            "records": stream.records,
            "requests": stream.requests,
            "seconds": seconds(stream.time),
            "last_run": stream.last.map(|(requests, seconds)| json!({
                "requests": requests,
                "seconds": (seconds * 1000.0).round() / 1000.0,
            })),
        })
    };
    json!({
        "streams": forecast.streams.iter().map(stream).collect::<Vec<_>>(),
        "requests": forecast.requests,
        "seconds": seconds(forecast.time),
        "last_run": last(forecast).map(|requests| json!({ "requests": requests })),
        "asked": forecast.asked,
        "notes": forecast.notes,
    })
}

/// A line for each stream, and one for the whole.
pub(crate) fn to_text(forecast: &Forecast) -> String {
    let mut table = TextTable::new([
        ("stream", Align::Left),
        ("read", Align::Left),
        ("records", Align::Right),
        ("requests", Align::Right),
        ("time", Align::Right),
        ("last run", Align::Right),
    ]);
    let dash = || "-".to_owned();
    for stream in &forecast.streams {
        let (how, message) = said(&stream.how);
        table.row([
            stream.stream.to_owned(),
            message.map_or_else(|| how.replace('_', " "), |message| format!("{how}: {message}")),
            stream.records.map_or_else(dash, text::count),
            text::count(stream.requests),
            stream.time.map_or_else(dash, time),
            stream.last.map_or_else(dash, |(requests, _)| text::count(requests)),
        ]);
    }
    let at_least = forecast.time.map_or_else(String::new, |least| format!(", at least {}", time(least)));
    let last =
        last(forecast).map_or_else(String::new, |last| format!("; the last run took {}", text::count(last)));
    let requests = text::counted(forecast.requests, "request");
    let asked = text::counted(forecast.asked, "request");
    format!("{}\n{requests}{at_least}{last}\n(asking for this took {asked})\n", table.render())
}

/// What makes the numbers uncertain, and where they pass what a run may take.
pub(crate) fn warnings(forecast: &Forecast, allowance: &Allowance) -> Vec<String> {
    let mut warnings = forecast.notes.clone();
    if let Some(most) = allowance.max_requests.filter(|most| *most < forecast.requests) {
        let runs = forecast.requests.div_ceil(most);
        warnings
            .push(format!("one sync may send {}: this takes {runs} of them", text::counted(most, "request")));
    }
    if let (Some(most), Some(least)) = (allowance.max_time, forecast.time)
        && most < least
    {
        let runs = (least.as_secs_f64() / most.as_secs_f64()).ceil();
        warnings.push(format!("one sync may take {}: this takes {runs:.0} of them", time(most)));
    }
    warnings
}

/// How a stream is read in a word, and why it is not.
fn said(how: &How) -> (&'static str, Option<&str>) {
    match how {
        How::Whole => ("in_full", None),
        How::Onward => ("onward", None),
        How::Changes => ("changes", None),
        How::Left(why) => ("left", why.as_deref()),
    }
}

/// Requests of the last run for these streams, where it dealt with any.
fn last(forecast: &Forecast) -> Option<u64> {
    let mut requests = forecast.streams.iter().filter_map(|stream| Some(stream.last?.0)).peekable();
    requests.peek()?;
    Some(requests.sum())
}

fn time(time: Duration) -> String {
    if time < Duration::from_mins(2) { text::seconds(time.as_secs_f64()) } else { text::duration(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast() -> Forecast {
        let stream = |name, how, requests, time: Option<u64>, last| StreamForecast {
            stream: name,
            tables: vec![name],
            how,
            records: Some(requests * 100),
            requests,
            time: time.map(Duration::from_secs),
            last,
        };
        Forecast {
            streams: vec![
                stream("organizations", How::Whole, 2_000, Some(1_250), Some((1_990, 1_244.0))),
                stream("logs", How::Onward, 3, Some(0), None),
                stream("grants", How::Left(Some("the token lacks `read:grants`".to_owned())), 0, None, None),
                stream("users", How::Changes, 1, Some(1), Some((10, 2.0))),
            ],
            requests: 2_004,
            time: Some(Duration::from_secs(1_255)),
            asked: 4,
            notes: vec!["about 100 events have come".to_owned()],
        }
    }

    #[test]
    fn a_forecast_stands_beside_what_the_last_run_took() {
        insta::assert_snapshot!(to_text(&forecast()));
        let json = to_json(&forecast());
        assert_eq!(json["last_run"]["requests"], 2_000);
        assert_eq!(json["streams"][2]["message"], "the token lacks `read:grants`");
        assert_eq!((&json["streams"][0]["read"], &json["seconds"]), (&json!("in_full"), &json!(1255.0)));
    }

    #[test]
    fn a_run_that_would_pass_its_allowance_is_told_to_take_several() {
        let few = Allowance { max_requests: Some(500), max_time: Some(Duration::from_mins(10)) };
        let said = warnings(&forecast(), &few);
        assert_eq!(said[1], "one sync may send 500 requests: this takes 5 of them");
        assert_eq!(said[2], "one sync may take 10 min: this takes 3 of them");
        assert_eq!(warnings(&forecast(), &Allowance::default()).len(), 1);
    }
}
