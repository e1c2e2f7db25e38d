//! One process writes at a time, and one that was replaced writes nothing more.

use super::park::parking;
use super::prepare::thing;
use super::tables::things;
use super::{Scene, Subject, commit, whole};
use crate::clock::Micros;
use crate::destination::{Claim, Holder, Lease};
use crate::error::{DestinationErrorKind, DestinationResult};
use crate::state::{Checkpoint, RunRecord};

fn holder(name: &str) -> Holder {
    Holder { name: name.to_owned(), place: Some("it's here".to_owned()), process: 7 }
}

fn claim(name: &str, over: Option<u64>, now: Micros, until: Micros) -> Claim {
    Claim { holder: holder(name), over, now, until }
}

fn lease(token: u64, name: &str, until: Option<Micros>) -> Lease {
    Lease { token, holder: holder(name), until }
}

/// That it was refused for another's lease, and names who has it.
fn assert_held<T: std::fmt::Debug>(result: DestinationResult<T>, by: &str) {
    let refused = result.unwrap_err();
    assert_eq!(refused.kind, DestinationErrorKind::Held, "{refused}");
    assert!(refused.message.contains(by), "{refused}");
}

pub async fn a_lease_keeps_others_out_until_it_ends(subject: &dyn Subject) {
    let destination = subject.open().await;
    assert_eq!(destination.lease().await.unwrap(), None);
    let given = destination.hold(claim("one", None, 0, 100)).await.unwrap();
    assert_eq!(given, lease(1, "one", Some(100)));
    drop(destination);
    let scene = Scene::new(subject).await;
    assert_held(scene.destination.hold(claim("other", None, 99, 200)).await, "one");
    assert_held(scene.destination.hold(claim("other", Some(2), 99, 200)).await, "one");
    assert_eq!(scene.destination.lease().await.unwrap(), Some(given));
    let taken = scene.destination.hold(claim("other", None, 100, 200)).await.unwrap();
    assert_eq!(taken, lease(2, "other", Some(200)));
    let scene = scene.reopened().await;
    assert_eq!(scene.destination.lease().await.unwrap(), Some(taken));
}

pub async fn a_lease_is_prolonged_given_back_and_taken_from_the_dead(subject: &dyn Subject) {
    let Scene { destination, .. } = Scene::new(subject).await;
    destination.hold(claim("one", None, 0, 100)).await.unwrap();
    let prolonged = destination.hold(claim("one", Some(1), 50, 300)).await.unwrap();
    assert_eq!(prolonged, lease(1, "one", Some(300)));
    let taken = destination.hold(claim("other", Some(1), 60, 200)).await.unwrap();
    assert_eq!(taken, lease(2, "other", Some(200)), "whoever knows that it is dead need not wait");
    destination.release(1).await.unwrap();
    assert_eq!(destination.lease().await.unwrap(), Some(taken), "only the last lease can be given back");
    destination.release(2).await.unwrap();
    assert_eq!(destination.lease().await.unwrap(), Some(lease(2, "other", None)));
    assert_held(destination.hold(claim("other", Some(2), 70, 100)).await, "given back");
    assert_eq!(destination.hold(claim("one", None, 70, 100)).await.unwrap().token, 3);
}

pub async fn who_lost_the_lease_writes_nothing(subject: &dyn Subject) {
    let scene = Scene::new(subject).await;
    let root = things().root();
    let first = scene.destination.hold(claim("one", None, 0, 100)).await.unwrap();
    scene.destination.fence(Some(first.token));
    scene.stage(root, &[thing(0, "a", "Anna")]).await;
    scene.publish(commit(things(), whole(), 10)).await;
    scene.stage(root, &[thing(0, "b", "Ben")]).await;
    scene.park("page 1").await;

    let second = scene.destination.hold(claim("other", None, 100, 200)).await.unwrap();
    assert_held(scene.destination.park(parking(things(), "page 2")).await, "other");
    assert_eq!(scene.position().await.as_deref(), Some("page 1"));
    let (before, state) = (scene.rows(root).await, scene.destination.state().await.unwrap());
    assert_held(scene.destination.discard(things()).await, "other");
    assert_eq!(scene.position().await.as_deref(), Some("page 1"));
    scene.stage(root, &[thing(0, "b", "Ben")]).await;
    assert_held(scene.destination.publish(commit(things(), whole(), 20)).await, "other");
    let run = RunRecord {
        run: 1,
        started_at: 1,
        finished_at: 2,
        outcome: "done".to_owned(),
        requests: 0,
        tables: Vec::new(),
    };
    assert_held(scene.destination.record(&run).await, "other");
    let checkpoint = Checkpoint::Events { offset: "a".to_owned() };
    assert_held(scene.destination.keep("the feed", &checkpoint, 1, 20).await, "other");
    assert_eq!(scene.rows(root).await, before);
    assert_eq!(scene.destination.state().await.unwrap(), state);

    scene.destination.fence(Some(second.token));
    scene.publish(commit(things(), whole(), 30)).await;
    assert!(scene.live(root, "id").await.is_empty(), "what was staged before went with the refusal");
}
