//! One recorded answer as the source decodes it: the source asks, gets the recording, and then nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tenantry_replication::catalog::Replication;
use tenantry_replication::clock::Micros;
use tenantry_replication::source::auth0::HttpRequest;
use tenantry_replication::source::{Page, Read, Records, Source as _};

use crate::endpoints::Answer as Recorded;
use crate::network::{self, Answer, Answers, Virtual};

/// 1 December 2026: later than every recording.
const NOW: Micros = 1_796_083_200_000_000;

/// The pages that the source makes of an answer.
///
/// Lists of users are the one exception: they are read by an export, so that their answers are taken as they are.
pub(crate) async fn pages(recorded: &Recorded) -> Vec<Page> {
    let Recorded { stream, page } = recorded;
    if stream.replication == Replication::Export && page.records != Records::One {
        return vec![page.clone()];
    }
    let replay =
        Arc::new(Replay { body: serde_json::from_slice(&page.body).unwrap(), asked: AtomicBool::new(false) });
    let source = network::source(replay, &Virtual::at(NOW));
    if page.records == Records::One {
        return source.record(stream, "some-id").await.unwrap().into_iter().collect();
    }
    let parents = page.parent.iter().cloned().collect();
    let mut read = source.open(Read { stream, parents, from: None, since: None });
    let mut pages = Vec::new();
    while let Some(page) = read.next().await.unwrap() {
        pages.push(page);
    }
    pages
}

struct Replay {
    body: Value,
    asked: AtomicBool,
}

impl Answers for Replay {
    fn answer(&self, request: &HttpRequest, _now: Micros) -> Answer {
        if request.url.path == "/oauth/token" {
            return Answer::json(
                200,
                &json!({ "access_token": "replayed", "expires_in": 86_400, "token_type": "Bearer" }),
            );
        }
        if !self.asked.swap(true, Ordering::Relaxed) {
            return Answer::json(200, &self.body);
        }
        // Nothing more, in the same envelope.
        let mut rest = self.body.clone();
        match &mut rest {
            Value::Object(members) => {
                members.remove("next");
                for list in members.values_mut().filter(|value| value.is_array()) {
                    *list = json!([]);
                }
            }
            rest => *rest = json!([]),
        }
        Answer::json(200, &rest)
    }
}
