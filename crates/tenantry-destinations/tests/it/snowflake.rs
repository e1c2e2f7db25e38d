//! The emulator `fakesnow` stands for the real Snowflake service here: the conformance suite, and what is particular to Snowflake.
//! The real service is asked only where `TENANTRY_LIVE_SNOWFLAKE` names a place in it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use tenantry_destinations::snowflake::server::{BRIEF, Database};
use tenantry_destinations::snowflake::{VARIABLES, server};
use tenantry_destinations::{Access, Language, Options, Surroundings};
use tenantry_replication::catalog::Table;
use tenantry_replication::destination::conformance::tables::{self, events, things};
use tenantry_replication::destination::conformance::{self, Subject};
use tenantry_replication::destination::{Destination, Parking};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};
use tenantry_replication::state::Parked;

use crate::commit::{Cut, Line};
use crate::rows::{commit, happened, rows};

/// What a COMMIT is on the line: the body of a request.
const COMMIT: &[u8] = b"\"sqlText\":\"COMMIT\"";

/// A database of its own on the emulator.
struct Own {
    database: Database,
}

impl Own {
    fn new() -> Self {
        Self { database: Database::new() }
    }
}

fn all_rows(schema: &str, table: &Table) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.to_ascii_uppercase());
    let columns: Vec<_> = table.columns.iter().map(|column| quoted(column.name)).collect();
    let order: Vec<_> =
        table.key_columns().map(|column| format!("{} NULLS FIRST", quoted(column.name))).collect();
    format!("SELECT {} FROM {schema}.{} ORDER BY {}", columns.join(", "), table.name, order.join(", "))
}

fn forbidden(schema: &str, table: &Table) -> Vec<String> {
    let corpus = include_str!("forbidden_snowflake.sql");
    let statements = corpus.split("\n\n").map(str::trim).filter(|statement| !statement.is_empty());
    let statements = statements.filter(|statement| !statement.starts_with("--"));
    statements.map(|sql| sql.replace("{table}", &format!("{schema}.{}", table.name))).collect()
}

#[async_trait]
impl Subject for Own {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.database, self.database.server.port()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows("auth0", table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden("auth0", table)
    }
}

tenantry_replication::destination_conformance!(Own::new());

async fn open(database: &Database, port: u16) -> DestinationResult<Arc<dyn Destination>> {
    let surroundings = Surroundings::of(database.variables(port));
    tenantry_destinations::open(&database.url(), Options { surroundings, ..Options::default() }).await
}

/// The same with some variables said otherwise.
async fn open_with(
    database: &Database,
    others: &[(&str, &str)],
    access: Access,
) -> DestinationResult<Arc<dyn Destination>> {
    let others = others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let surroundings = Surroundings::of(database.variables(database.server.port()).into_iter().chain(others));
    let options = Options { surroundings, access, language: Language::Japanese, ..Options::default() };
    tenantry_destinations::open(&database.url(), options).await
}

fn count(batches: &[RecordBatch]) -> i64 {
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn asked(destination: &dyn Destination, sql: &str) -> i64 {
    count(&destination.query(sql).await.unwrap())
}

/// What the server holds: live things, and whether there is a checkpoint of that time.
async fn found(destination: &dyn Destination, read_at: i64) -> (i64, bool) {
    let live = asked(destination, "select count(*) from thing where not _fivetran_deleted").await;
    let kept = format!(
        "select count(*) from _tenantry.checkpoint where stream = 'things' and checkpoint like '%\"read_at\":{read_at},%'"
    );
    (live, asked(destination, &kept).await == 1)
}

#[tokio::test]
async fn what_became_of_a_commit_is_found_out_and_not_guessed() {
    for cut in [Cut::Before, Cut::After, Cut::Late] {
        let database = Database::new();
        let line = Line::to(database.server.port(), COMMIT);
        let destination = open(&database, line.port).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        destination.stage(rows(&["a", "b"])).await.unwrap();
        destination.publish(commit(things(), 10)).await.unwrap();
        assert_eq!(found(destination.as_ref(), 10).await, (2, true));

        destination.stage(rows(&["a", "c", "d"])).await.unwrap();
        line.cut(cut);
        let published = destination.publish(commit(things(), 20)).await;
        assert!(line.is_cut(), "{cut:?}");
        if cut == Cut::After {
            let counts = published.unwrap().tables[0].1;
            assert_eq!((counts.inserted, counts.deleted, counts.unchanged), (2, 1, 1));
            assert_eq!(found(destination.as_ref(), 20).await, (3, true));
        } else {
            // A COMMIT that comes late finds its session ended, and nothing to commit.
            let error = published.unwrap_err();
            assert_eq!(error.kind, DestinationErrorKind::Unavailable, "{error}");
            assert!(error.message.contains("it did not take place: nothing was written"), "{error}");
            assert_eq!(found(destination.as_ref(), 10).await, (2, true), "{cut:?}");
        }
        // Either way this object goes on, in another session.
        destination.stage(rows(&["e"])).await.unwrap();
        destination.publish(commit(things(), 30)).await.unwrap();
        assert_eq!(found(destination.as_ref(), 30).await, (1, true), "{cut:?}");
    }
}

#[tokio::test]
async fn rows_that_were_staged_survive_the_loss_of_a_session() {
    let database = Database::new();
    let line = Line::to(database.server.port(), COMMIT);
    let destination = open(&database, line.port).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(happened(&["1", "2"])).await.unwrap();
    destination.publish(commit(events(), 10)).await.unwrap();
    // A part of a complete read has been sent when another stream's commit loses the session.
    destination.stage(happened(&["1"])).await.unwrap();
    assert_eq!(destination.absent(events(), 10).await.unwrap(), [["2"]]);
    destination.stage(rows(&["a"])).await.unwrap();
    line.cut(Cut::After);
    destination.publish(commit(things(), 20)).await.unwrap();
    assert_eq!(destination.absent(events(), 10).await.unwrap(), [["2"]], "the files are sent again");
    destination.stage(happened(&["2", "3"])).await.unwrap();
    destination.publish(commit(events(), 30)).await.unwrap();
    assert_eq!(
        asked(destination.as_ref(), "select count(*) from event where not _fivetran_deleted").await,
        3
    );
}

#[tokio::test]
async fn a_stream_whose_parked_rows_were_staged_in_a_lost_session_sweeps_nothing() {
    let database = Database::new();
    let line = Line::to(database.server.port(), COMMIT);
    let destination = open(&database, line.port).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(happened(&["1", "2"])).await.unwrap();
    let parked = Parked { position: "page 1".to_owned(), ..Parked::default() };
    let parking =
        Parking { stream: events(), parked, rows: true, quarantined: Vec::new(), synced_at: 1, run: 1 };
    destination.park(parking).await.unwrap();
    assert!(destination.resume(events(), None).await.unwrap());
    destination.stage(rows(&["a"])).await.unwrap();
    line.cut(Cut::After);
    destination.publish(commit(things(), 20)).await.unwrap();
    let refused = destination.publish(commit(events(), 30)).await.unwrap_err();
    assert!(refused.message.contains("rows that were staged went with it"), "{refused}");
    // They are still parked.
    assert!(destination.resume(events(), None).await.unwrap());
    destination.publish(commit(events(), 40)).await.unwrap();
    assert_eq!(asked(destination.as_ref(), "select count(*) from event").await, 2);
}

#[tokio::test]
async fn a_token_that_runs_out_is_renewed() {
    let database = Database::new();
    let destination = open_with(&database, &[("SNOWFLAKE_USER", BRIEF)], Access::Write).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(rows(&["a"])).await.unwrap();
    destination.publish(commit(things(), 10)).await.unwrap();
    assert_eq!(found(destination.as_ref(), 10).await, (1, true));
}

#[tokio::test]
async fn who_cannot_prove_who_he_is_stays_outside() {
    let database = Database::new();
    let stranger = include_str!("../snowflake/throwaway_key.txt");
    let key = format!("-----BEGIN {0}-----\n{stranger}-----END {0}-----\n", "PRIVATE KEY");
    for (variables, words) in [
        ([("SNOWFLAKE_PRIVATE_KEY", key.as_str())], "JWT token is invalid"),
        ([("SNOWFLAKE_PRIVATE_KEY", "canary")], "not PEM"),
        ([("SNOWFLAKE_HOST", "http://127.0.0.1:1")], "cannot connect"),
    ] {
        let error = open_with(&database, &variables, Access::Write).await.err().unwrap();
        assert_eq!(error.kind, DestinationErrorKind::Unavailable, "{error}");
        assert!(error.message.contains(words) && !error.message.contains("canary"), "{error}");
    }
    let absent = open_with(&database, &[], Access::Read).await.err().unwrap();
    assert_eq!(absent.kind, DestinationErrorKind::Absent, "{absent}");
}

#[tokio::test]
async fn a_second_process_that_prepares_finds_all_as_it_should_be() {
    let database = Database::new();
    let first = open(&database, database.server.port()).await.unwrap();
    first.prepare(&tables::CATALOG).await.unwrap();
    // In another language: every description is written anew.
    let second = open_with(&database, &[], Access::Write).await.unwrap();
    second.prepare(&tables::CATALOG).await.unwrap();
    let named =
        "select count(*) from information_schema.tables where table_name = 'THING' and comment = '値'";
    assert_eq!(asked(second.as_ref(), named).await, 1);
    let rows = "select (select count(*) from _tenantry.meta) + (select count(*) from _tenantry.commit) + (select count(*) from _tenantry.lease)";
    assert_eq!(asked(second.as_ref(), rows).await, 3, "one row in each");
}

/// A place in the real service, which holds neither of the schemas before, and holds neither afterwards.
struct Live {
    url: String,
    schema: String,
    surroundings: Surroundings,
}

#[async_trait]
impl Subject for Live {
    async fn open(&self) -> Arc<dyn Destination> {
        let options = Options { surroundings: self.surroundings.clone(), ..Options::default() };
        tenantry_destinations::open(&self.url, options).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(&self.schema, table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(&self.schema, table)
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "who has an account says so in the environment")]
async fn the_real_service_agrees_where_there_is_one() {
    let Ok(place) = std::env::var("TENANTRY_LIVE_SNOWFLAKE") else {
        eprintln!(
            "skipped: the real Snowflake was not asked, as TENANTRY_LIVE_SNOWFLAKE=ACCOUNT/DATABASE/SCHEMA is not set"
        );
        return;
    };
    let variables = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let (url, schema) = (format!("snowflake:{place}"), place.rsplit('/').next().unwrap().to_owned());
    let live = Live { url, schema, surroundings: Surroundings::of(variables) };
    assert!(
        !server::has_schemas(&live.url, &live.surroundings).await,
        "{place}: neither this schema nor that of its state may be there before the test, which removes both"
    );
    macro_rules! cases {
        ($($case:ident)*) => {
            $(
                conformance::$case(&live).await;
                server::drop_schemas(&live.url, &live.surroundings).await;
            )*
        };
    }
    cases! {
        preparing_twice_changes_nothing
        a_missing_column_is_added
        a_column_of_another_type_is_a_conflict
        publishing_the_same_twice_changes_nothing
        of_equal_keys_the_later_page_counts_whatever_came_last
        composite_keys_with_null_in_them_are_one_key
        a_failed_publish_leaves_nothing_behind
        children_are_replaced_record_by_record
        spared_keys_and_their_children_are_not_swept
        what_is_gone_is_marked_in_any_scope
        a_comparison_names_every_way_to_differ_and_writes_nothing
        rows_that_nothing_told_of_have_drifted
        absent_keys_come_in_order
        rows_are_found_by_any_column
        a_resumed_read_is_parked_further
        rows_of_lost_records_are_left_out
        every_type_holds_null
        extreme_values_survive
        awkward_text_survives
        many_rows_survive
        a_lease_keeps_others_out_until_it_ends
        who_lost_the_lease_writes_nothing
        quarantined_records_and_gaps_are_kept
        the_summary_counts_rows
        queries_that_write_are_refused
        agrees_with_the_reference
    }
}
