"""Questions to the tables, in SQL that Sail and DuckDB both understand, and what asks them."""

import atexit
import os
import shutil
import tempfile
import time

import duckdb
import duckdb_extension_delta

TABLES = ("users", "user_identities", "logs")

QUESTIONS = {
    "logins by day": "select _day, count(*) as logins from logs where type = 's' group by _day order by _day",
    "failures by address, 7 days, top 20": """
        select ip, count(*) as failures, count(distinct user_id) as users from logs
        where type in ('f', 'fp', 'fu') and _day >= date '{week}' group by ip order by failures desc, ip limit 20""",
    "users without a login in the log": """
        select substring(u.id, 1, 5) as provider, count(*) as dormant from users u
        where not u._fivetran_deleted
            and not exists (select 1 from logs l where l.user_id = u.id and l.type = 's')
        group by 1 order by 1""",
    "users by provider and connection": """
        select provider, connection, count(distinct users_id) as users from user_identities
        where not _fivetran_deleted group by provider, connection order by users desc, provider, connection""",
    "active users of all days": "select count(distinct user_id) as users from logs where type in ('s', 'seacft')",
    "all events of one user": """
        select log_id, date, type, ip from logs where user_id = '{user}' order by log_id""",
    "one event by its key": "select log_id, date, type, user_id from logs where log_id = '{event}'",
}


def one_process(threads):
    """DuckDB with the extension that its package carries, put where it is looked for."""
    home = tempfile.mkdtemp(prefix="scale-")
    atexit.register(shutil.rmtree, home, True)
    carried = os.path.join(os.path.dirname(duckdb_extension_delta.__file__), "extensions")
    files = [
        os.path.join(folder, file)
        for folder, _, names in os.walk(carried)
        for file in names
        if file.endswith(".duckdb_extension")
    ]
    connection = duckdb.connect(
        config={"extension_directory": home, "threads": threads, "memory_limit": "8GB", "temp_directory": home}
    )
    platform = connection.execute("pragma platform").fetchone()[0]
    place = os.path.join(home, f"v{duckdb.__version__}", platform)
    os.makedirs(place)
    shutil.copy(files[0], place)
    connection.execute("load delta")
    connection.execute("set timezone = 'UTC'")
    shutil.rmtree(place)
    return connection


def open_by_duckdb(connection, made):
    for table in TABLES:
        path = made.path(table)
        connection.execute(f"create or replace view {table} as select * from delta_scan('{path}')")


def open_by_sail(session, made):
    for table in TABLES:
        session.read.format("delta").load(made.path(table)).createOrReplaceTempView(table)


def questions(made):
    """The questions, with a day, a user and an event that are in the set."""
    connection = made.connect()
    number = made.logs_in_day * made.days // 2
    day = number // made.logs_in_day
    event = connection.execute(made.event(number, day)).fetchone()
    values = {"week": made.day(made.days - 7), "user": event[1], "event": event[0]}
    return {name: question.format(**values) for name, question in QUESTIONS.items()}


def rows_of(table):
    """Rows as texts that two engines agree on."""
    return [tuple(text(value) for value in row.values()) for row in table.to_pylist()]


def text(value):
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def timed(ask, cpu, repeat):
    """The shortest time of some, the CPU seconds of that one, and the answer."""
    best = None
    for _ in range(repeat):
        before, began = cpu(), time.monotonic()
        answer = ask()
        took = (time.monotonic() - began, cpu() - before)
        best = min(best, took) if best else took
    return *best, rows_of(answer)
