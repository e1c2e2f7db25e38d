"""A day of changes, published by the destination itself, with files rewritten by Sail (`--merge-with`).

Counts and checksums are DuckDB's, which has no part in the publish.
"""

import datetime
import json
import os
import resource
import shutil
import subprocess

import deltalake
import pyarrow

import generate
from generate import IDENTITIES, LOGS, TABLES, USERS, filled, typed

# The publish of a run, with rows out of files.
PROGRAM = (
    "cargo", "bench", "--quiet", "--locked", "-p", "tenantry-delta", "--features", "engine", "--bench", "publish", "--",
)  # fmt: skip
WRITTEN = 1
SWEPT = 2
SYNCED = "_fivetran_synced"
DELETED = "_fivetran_deleted"
# Of the log only these go into its checksum: all of 28 columns would take longer than the publish.
SUMMED_OF_LOGS = ("log_id", "type", "date", "user_id", "ip", "_day")


class Day:
    """What a day brings: changed, unchanged, deleted and new users, identities of the new ones, new events and late doubles."""

    def __init__(self, made, users, events, folder):
        self.made = made
        self.folder = folder
        self.changed = users * 8 // 10
        self.new = users - self.changed
        self.unchanged = users // 20
        self.swept = users // 100
        self.events = events
        self.doubles = events // 100

    def path(self, table):
        return os.path.join(self.folder, table)

    def synced(self):
        return f"timestamp '{self.made.day(self.made.days + 1)} 00:00:00'"

    def synced_micros(self):
        day = self.made.day(self.made.days + 1) - datetime.date(1970, 1, 1)
        return day // datetime.timedelta(microseconds=1)

    def stage(self):
        """Writes what comes to files, as a reader of the tenant would."""
        shutil.rmtree(self.folder, ignore_errors=True)
        connection = self.made.connect()
        self._copy(connection, "users", self._users())
        self._copy(connection, "user_identities", self._identities())
        self._copy(connection, "logs", self._logs())

    def _copy(self, connection, table, query):
        os.makedirs(self.path(table))
        staged = {"timestamp": "timestamptz", "long": "bigint"}
        columns = ", ".join(
            f'"{name}"::{staged[kind]} as "{name}"' if kind in staged else f'"{name}"'
            for name, kind in TABLES[table]["columns"].items()
        )
        rows = f"select {columns}, _change from ({query})"
        connection.execute(f"copy ({rows}) to '{self.path(table)}/rows.parquet' (row_group_size 100000)")

    def _numbered(self, query, numbers):
        """A query of the generator over other numbers than a range."""
        values = {"$users": self.made.users, "$synced": self.synced(), "(select unnest(range($first, $last)) as n)": numbers}
        return filled(query, {name: value for name, value in sorted(values.items(), reverse=True)})

    def _spread(self, count, offset):
        """Numbers of stored users, spread over the whole table."""
        step = max(1, self.made.users // max(1, count))
        return f"(select i * {step} + {offset} as n from range({count}) as r(i))"

    def _users(self):
        login = f"({self.synced()} - to_seconds((hash(id) % 86400)::bigint))"
        changed = self._numbered(USERS, self._spread(self.changed, 0))
        unchanged = self._numbered(USERS, self._spread(self.unchanged, 1))
        swept = self._numbered(USERS, self._spread(self.swept, 2))
        return f"""
            select * replace ({login} as last_login, coalesce(logins_count, 0) + 1 as logins_count, {login} as updated_at),
                {WRITTEN} as _change from ({changed})
            union all select *, {WRITTEN} from ({unchanged})
            union all select *, {SWEPT} from ({swept})
            union all select * replace ({self._new_key()} as id), {WRITTEN} from ({self._numbered(USERS, self._new())})"""

    def _new(self):
        return f"(select unnest(range({self.made.users}, {self.made.users + self.new})) as n)"

    def _new_key(self):
        """Keys of users that were born today, behind those of all other database users."""
        return "'auth0|' || lower(to_hex((1793404800 + hash(id) % 86400)::bigint) || to_hex(hash(id) | 9223372036854775808))"

    def _identities(self):
        rows = self._numbered(IDENTITIES, self._new())
        key = self._new_key().replace("id)", "users_id)")
        return f"""select * replace ({key} as users_id, 'auth0' as provider, 'users' as connection), {WRITTEN} as _change
            from ({rows}) where "index" = 0"""

    def _logs(self):
        made = self.made
        first = made.days * made.logs_in_day
        today = made.rows(LOGS, first, first + self.events - self.doubles, made.day(made.days), self.synced())
        # Late doubles come from the day before.
        before = made.rows(LOGS, first - made.logs_in_day, first, made.day(made.days - 1))
        every = max(1, made.logs_in_day // max(1, self.doubles))
        late = f"select * from (select *, row_number() over () as place from ({before})) where place % {every} = 0"
        return f"""select *, {WRITTEN} as _change from ({today})
            union all (select * exclude (place), {WRITTEN} from ({late}) limit {self.doubles})"""


def publish(day, table, server=None):
    """Publishes the staged rows of one table as a run of Tenantry does; what was done, and what our own process took."""
    said = [day.made.folder, table, os.path.join(day.path(table), "rows.parquet"), str(day.synced_micros())]
    command = [*PROGRAM, *said, *([server] if server else [])]
    publisher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = publisher.stdout.read()
    _, status, used = os.wait4(publisher.pid, 0)
    if status:
        raise SystemExit(f"the publish of {table} failed: {told}")
    return {
        **json.loads(told.splitlines()[-1]),
        "own_cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "own_memory_mb": round(used.ru_maxrss / 1024),
    }


def summed(table):
    columns = SUMMED_OF_LOGS if table == "logs" else [name for name in TABLES[table]["columns"] if name != SYNCED]
    return ", ".join(f'"{name}"' for name in columns)


def total(connection, query, columns):
    """Rows, and a checksum that every lost, doubled or changed one alters."""
    return connection.execute(f"select count(*), coalesce(sum(hash({columns})::hugeint), 0) from ({query})").fetchone()


def expected(connection, day, table):
    """What the table has to hold after the publish, from what it holds before it and what is staged."""
    stored = f"delta_scan('{day.made.path(table)}')"
    staged = f"read_parquet('{day.path(table)}/*.parquet')"
    keys = TABLES[table]["key"]
    same = " and ".join(f'stored."{key}" = staged."{key}"' for key in keys)
    columns = summed(table)
    untouched = f"select * from {stored} as stored where not exists (select 1 from {staged} as staged where {same})"
    swept = f"""select stored.* replace (true as {DELETED}) from {stored} as stored semi join
        (select * from {staged} where _change = {SWEPT}) as staged on {same}"""
    parts = [untouched, f"select * from {staged} where _change = {WRITTEN}", swept]
    if table == "logs":
        # The log is large: all of it, and of the staged events those that it has not.
        known = f"select * from {stored} as stored semi join {staged} as staged on {same}"
        all_of_it = total(connection, f"select * from {stored}", columns)
        came = total(connection, f"select * from {staged}", columns)
        doubled = total(connection, known, columns)
        return tuple(a + b - c for a, b, c in zip(all_of_it, came, doubled))
    sums = [total(connection, part, columns) for part in parts]
    return tuple(sum(part) for part in zip(*sums))


def holds(connection, made, table):
    return total(connection, f"select * from delta_scan('{made.path(table)}')", summed(table))


def with_new_sync_time(connection, day, table):
    """Rows that say that this publish wrote them."""
    moment = day.synced().replace("timestamp ", "timestamptz ").replace("00:00:00'", "00:00:00+00'")
    stored = f"delta_scan('{day.made.path(table)}')"
    return connection.execute(f"select count(*) from {stored} where {SYNCED} = {moment}").fetchone()[0]


def paths(made, table):
    """Files of a table with their bytes."""
    actions = pyarrow.table(deltalake.DeltaTable(made.path(table)).get_add_actions(flatten=True))
    return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist()))


def cpu_so_far(running):
    """CPU seconds of driver and workers that are there, and of all processes that have ended: a session has workers of its own."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (running.cpu() if running else 0) + ended.ru_utime + ended.ru_stime


def run(running, day, connection, tables=tuple(TABLES)):
    """Publishes a day table by table, checks each, and repeats it; by our own process where no cluster is running."""
    server = running.address if running else None
    done = {}
    for table in tables:
        wanted = expected(connection, day, table)
        before = paths(day.made, table)
        version = deltalake.DeltaTable(day.made.path(table)).version()
        cpu = cpu_so_far(running)
        result = publish(day, table, server)
        result["cluster_cpu_seconds"] = round(cpu_so_far(running) - cpu - result["own_cpu_seconds"], 1)
        after = paths(day.made, table)
        result["files_before"] = len(before)
        result["files_removed"] = len(before.keys() - after.keys())
        result["files_added"] = len(after.keys() - before.keys())
        result["bytes_added"] = sum(after[path] for path in after.keys() - before.keys())
        held = holds(connection, day.made, table)
        if held != wanted:
            raise SystemExit(f"{table} holds {held[0]} rows with another sum than the {wanted[0]} that it has to hold")
        written = result["new"] + result["changed"] + result["deleted"]
        if with_new_sync_time(connection, day, table) != written:
            raise SystemExit(f"not exactly the {written} rows of {table} that changed say that they did")
        published = deltalake.DeltaTable(day.made.path(table)).version()
        if published != version + bool(written):
            raise SystemExit(f"{table} went from version {version} to {published}")
        again = publish(day, table, server)
        if again["new"] + again["changed"] + again["deleted"]:
            raise SystemExit(f"a repeated publish of {table} found {again}")
        if deltalake.DeltaTable(day.made.path(table)).version() != published:
            raise SystemExit(f"a repeated publish of {table} wrote")
        result["again_seconds"] = round(again["seconds"], 1)
        result["rows_after"] = held[0]
        done[table] = result
        print(table, result, flush=True)
    return done
