//! The demo's stage: buttons that make things happen in the simulated tenant, as they would in a real one, to watch them arrive.
//!
//! Only under `tenantry demo`. What happens is ordered through the simulator's own control routes; how it arrives is the engine's business.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use tenantry_simulator::{Request, Simulation};

use super::address::Pairs;
use super::live::Order;
use super::reply::{self, Content, Trouble};
use super::server::nowhere;
use super::visit::Visit;
use super::{layout, syncs};

/// The simulated tenant.
#[derive(Clone)]
pub(crate) struct Stage(pub(crate) Arc<Mutex<Simulation>>);

/// Something that can be made to happen.
struct Scene {
    id: &'static str,
    title: (&'static str, &'static str),
    about: (&'static str, &'static str),
    /// Where it shows.
    see: &'static [(&'static str, &'static str, &'static str)],
    /// The control route that makes it happen, and what it is told.
    route: &'static str,
    body: fn(u64) -> Value,
}

const SCENES: &[Scene] = &[
    Scene {
        id: "password-spraying",
        title: ("A password-spraying attack", "パスワードスプレー攻撃"),
        about: (
            "One address tries common passwords on many users: most attempts fail, the address is throttled, and one password fits.",
            "1つのIPアドレスが多数のユーザーによくあるパスワードを試します。大半は失敗し、制限されますが、1人だけ一致してしまいます。",
        ),
        see: &[
            ("/detections/password-spraying", "Detections: password spraying", "検出：パスワードスプレー"),
            ("/insight/failures-by-ip", "Insight: failures by IP address", "インサイト：IPアドレス別の失敗"),
        ],
        route: "/__sim/scenes/password-spraying",
        body: |seed| json!({ "seed": seed }),
    },
    Scene {
        id: "administrator-mistake",
        title: ("An administrator's mistake", "管理者の操作ミス"),
        about: (
            "A clean-up script with a wrong condition deletes users, turns protection off and opens an application to insecure grants.",
            "条件を誤ったクリーンアップスクリプトが、ユーザーを削除し、保護を無効にし、アプリケーションに安全でない権限を許可します。",
        ),
        see: &[
            ("/insight/admin-changes", "Insight: administrators' changes", "インサイト：管理者の変更"),
            ("/detections", "Detections", "検出"),
        ],
        route: "/__sim/scenes/administrator-mistake",
        body: |seed| json!({ "seed": seed }),
    },
    Scene {
        id: "logins",
        title: ("A busy minute", "ログインの集中"),
        about: (
            "Two hundred users log in, some of them for the first time, and some get their password wrong.",
            "200人がログインします。初めてのユーザーや、パスワードを間違えるユーザーもいます。",
        ),
        see: &[("/insight", "Insight", "インサイト"), ("/syncs", "Syncs", "同期")],
        route: "/__sim/logins",
        body: |seed| json!({ "count": 200, "seed": seed }),
    },
    Scene {
        id: "import",
        title: ("A bulk import", "一括インポート"),
        about: (
            "Five hundred users arrive at once by an import job: one event in the log, and all with one time stamp.",
            "インポートジョブで500人のユーザーが一度に追加されます。ログのイベントは1件だけで、タイムスタンプはすべて同じです。",
        ),
        see: &[("/", "Overview", "概要"), ("/syncs", "Syncs", "同期")],
        route: "/__sim/import",
        body: |seed| json!({ "count": 500, "seed": seed }),
    },
    Scene {
        id: "deleted-organization",
        title: ("A deleted organization", "組織の削除"),
        about: (
            "An administrator deletes the organization with most members; memberships and metadata end with it.",
            "管理者が最もメンバーの多い組織を削除します。所属とメタデータも同時になくなります。",
        ),
        see: &[("/", "Overview: last runs", "概要：最近の実行"), ("/detections", "Detections", "検出")],
        route: "/__sim/scenes/deleted-organization",
        body: |seed| json!({ "seed": seed }),
    },
    Scene {
        id: "changes",
        title: ("A morning of changes", "日常的な変更"),
        about: (
            "Users are renamed, blocked and deleted, members join, an application is changed.",
            "ユーザーの名称変更・ブロック・削除、メンバーの追加、アプリケーションの変更が行われます。",
        ),
        see: &[("/", "Overview: last runs", "概要：最近の実行")],
        route: "/__sim/churn",
        body: |seed| json!({ "seed": seed, "users_created": 5, "users_updated": 20, "users_deleted": 3, "members_added": 8, "clients_updated": 2 }),
    },
];

impl Stage {
    /// Makes it happen; what the simulator says of it.
    fn play(&self, scene: &Scene) -> Result<(), Trouble> {
        let mut simulation = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = simulation.now();
        let mut request = Request::new("POST", scene.route);
        request.body = (scene.body)(now.unsigned_abs()).to_string().into_bytes();
        let answer = simulation.handle(&request, now);
        if answer.status == 200 {
            return Ok(());
        }
        Err(Trouble {
            what: format!("the simulated tenant answered with status {}", answer.status),
            hint: None,
        })
    }
}

pub(super) async fn page(visit: &Visit) -> Content {
    let words = visit.words;
    let live = visit.console.live.now();
    let did = visit.query.get("did").and_then(|id| SCENES.iter().find(|scene| scene.id == id));
    Ok(html! {
        p.lead { (words.say(
            "This tenant is simulated, and yours to change. Make something happen, and watch it arrive in the tables.",
            "このテナントはシミュレーションです。自由に変化を起こし、テーブルに反映される様子をご覧ください。"
        )) }
        @if let Some(scene) = did {
            section.notice.is-good role="status" {
                p { b { (words.say(scene.title.0, scene.title.1)) } ": " (words.say("it happened, and a sync was asked for.", "実行し、同期を要求しました。")) }
            }
        }
        div.grid { @for scene in SCENES { (card(visit, scene)) } }
        (syncs::under_way(visit, &live))
        div data-live="reload" { (syncs::latest(visit).await?) }
    })
}

fn card(visit: &Visit, scene: &Scene) -> Markup {
    let words = visit.words;
    html! {
        article.panel {
            h3 { (words.say(scene.title.0, scene.title.1)) }
            p { (words.say(scene.about.0, scene.about.1)) }
            form method="post" action="/demo" {
                (layout::word(visit))
                button.button type="submit" name="scene" value=(scene.id) { (words.say("Make it happen", "実行する")) }
            }
            p.fine {
                (words.say("It shows in: ", "確認できるページ："))
                @for (path, en, ja) in scene.see { a href=(path) { (words.say(en, ja)) } " " }
            }
        }
    }
}

/// Makes happen what a form asks for.
pub(super) fn act(visit: &Visit, form: &Pairs) -> Response {
    let scene = form.get("scene").and_then(|id| SCENES.iter().find(|scene| scene.id == id));
    let (Some(stage), Some(scene)) = (&visit.console.stage, scene) else { return nowhere(visit) };
    if let Err(trouble) = stage.play(scene) {
        let content = reply::sorry(visit.words, &trouble);
        return reply::whole(visit, StatusCode::BAD_GATEWAY, visit.words.say("Demo", "デモ"), &content);
    }
    // Where too many wait already, the next scheduled one will see it.
    visit.console.live.order(Order::Sync(BTreeSet::new()));
    reply::redirect(&Pairs::default().with("did", scene.id).behind("/demo"))
}
