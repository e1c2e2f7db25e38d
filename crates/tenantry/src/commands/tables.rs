//! `tenantry tables`: what is replicated.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;
use tenantry_replication::catalog::schema::{self, Language};
use tenantry_replication::catalog::{CATALOG, Mark, Stream, Table, Type};

use crate::cli::LanguageArgs;
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{self, HEADING, paint};

/// List what is replicated, or show one table
///
/// Columns, keys, endpoint, scope and description. Needs neither a tenant nor a destination.
#[derive(Debug, Args)]
pub(crate) struct TablesArgs {
    /// A table to show in full
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    language: LanguageArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &TablesArgs) -> CommandResult {
    let language = args.language.lang.into();
    let found = args.name.as_deref().map(find).transpose()?;
    if args.json {
        terminal::print_json(&to_json(found.map(|(_, table)| table))?)?;
    } else {
        terminal::print(&match found {
            Some((stream, table)) => one(stream, table, language),
            None => all(language),
        })?;
    }
    Ok(Exit::Done)
}

fn find(name: &str) -> Result<(&'static Stream, &'static Table), CommandError> {
    let stream = CATALOG.stream_of(name);
    stream.and_then(|stream| Some((stream, stream.table(name)?))).ok_or_else(|| {
        CommandError::usage(format!("there is no table `{name}`"))
            .hint_if(did_you_mean(name, CATALOG.tables().map(|table| table.name)))
            .hint("`tenantry tables` lists all of them")
    })
}

fn all(language: Language) -> String {
    let mut list = TextTable::new([
        ("table", Align::Left),
        ("columns", Align::Right),
        ("endpoint", Align::Left),
        ("scope", Align::Left),
        ("a row is", Align::Left),
    ]);
    for stream in CATALOG.streams {
        for table in stream.tables {
            let (path, scope) = endpoint(stream);
            let about = table.about.in_language(language).to_owned();
            list.row([table.name.to_owned(), table.columns.len().to_string(), path, scope, about]);
        }
    }
    list.render()
}

fn endpoint(stream: &Stream) -> (String, String) {
    stream.endpoint.as_ref().map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |endpoint| (endpoint.path.replace("{parent}", "{id}"), endpoint.scope.to_owned()),
    )
}

fn one(stream: &Stream, table: &Table, language: Language) -> String {
    let (path, scope) = endpoint(stream);
    let mut shown = format!("{}\n{}\n\n", paint(HEADING, table.name), table.about.in_language(language));
    let key = table.key.join(", ");
    let tags = table.tags.join(", ");
    for (name, value) in [
        ("stream", stream.name),
        ("endpoint", &path),
        ("scope", &scope),
        ("merge key", &key),
        ("tags", &tags),
    ] {
        let _ = writeln!(shown, "{name:<10} {value}");
    }
    let mut columns = TextTable::new([
        ("column", Align::Left),
        ("type", Align::Left),
        ("key", Align::Left),
        ("meaning", Align::Left),
    ]);
    for column in table.columns {
        let kind = match column.kind {
            Type::String => "STRING",
            Type::Boolean => "BOOLEAN",
            Type::Timestamp => "TIMESTAMP",
            Type::Integer => "INTEGER",
        };
        let mark = match column.mark {
            Mark::None => "",
            Mark::Primary => "PK",
            Mark::Foreign => "FK",
        };
        columns.row([column.name, kind, mark, column.about.in_language(language)].map(str::to_owned));
    }
    let _ = write!(shown, "\n{}", columns.render());
    let _ = writeln!(
        shown,
        "\n{}\n\n{}",
        paint(HEADING, table.example.asks.in_language(language)),
        table.example.sql
    );
    shown
}

/// The catalog's own document; of one table only its part, with its stream around it.
fn to_json(table: Option<&Table>) -> Result<Value, CommandError> {
    let mut document: Value = serde_json::from_str(&schema::json(&CATALOG)).map_err(CommandError::usage)?;
    let Some(table) = table else { return Ok(document) };
    let of_table = |value: &Value| value["name"] == table.name;
    let streams = document["streams"].as_array_mut().into_iter().flatten();
    let mut streams = streams
        .filter(|stream| stream["tables"].as_array().is_some_and(|tables| tables.iter().any(of_table)));
    let mut stream = streams.next().map_or(Value::Null, Value::take);
    if let Some(tables) = stream["tables"].as_array_mut() {
        tables.retain(of_table);
    }
    Ok(stream)
}
