"""Synthetic tables in the layout of the destination `delta:`: same columns, types, partition, order and size of files.

Users and their identities are written a piece at a time, log events a day at a time, so that memory does not follow the size of the set.
A row follows from its number alone (by DuckDB's `hash`), so that a day of changes can be made beside the tables later on.
"""

import concurrent.futures
import datetime
import os

import deltalake
import duckdb
import pyarrow

FILE_BYTES = 32 << 20
# Users that become about a file of 32 MB.
USERS_IN_PIECE = 250_000
FIRST_DAY = datetime.date(2026, 10, 1)

# Key columns and those that files tell the smallest and largest value of, as the destination names them.
TABLES = {
    "users": {
        "key": ["id"],
        "columns": {
            "id": "string", "_fivetran_deleted": "boolean", "_fivetran_synced": "timestamp", "blocked": "boolean",
            "created_at": "timestamp", "email": "string", "email_verified": "boolean", "last_ip": "string",
            "last_login": "timestamp", "logins_count": "long", "name": "string", "nickname": "string",
            "updated_at": "timestamp", "username": "string", "picture": "string", "last_password_reset": "timestamp",
        },
    },
    "user_identities": {
        "key": ["users_id", "provider", "connection", "user_identity_id"],
        "columns": {
            "users_id": "string", "index": "long", "_fivetran_deleted": "boolean", "_fivetran_synced": "timestamp",
            "user_identity_id": "string", "is_social": "boolean", "provider": "string", "connection": "string",
        },
    },
    "logs": {
        "key": ["log_id"],
        "partition": "_day",
        "columns": {
            "log_id": "string", "_fivetran_deleted": "boolean", "_fivetran_synced": "timestamp", "audience": "string",
            "client_id": "string", "client_name": "string", "connection_id": "string", "date": "timestamp",
            "description": "string", "hostname": "string", "ip": "string", "is_mobile": "boolean",
            "request_auth_credential": "string", "request_auth_user": "string", "scope": "string", "strategy": "string",
            "strategy_type": "string", "type": "string", "user_agent": "string", "user_id": "string",
            "request_channel": "string", "request_ip": "string", "response_client_id": "string",
            "request_auth_strategy": "string", "request_path": "string", "request_method": "string",
            "request_user_agent": "string", "response_status_code": "long", "_day": "date",
        },
    },
}  # fmt: skip

SQL_TYPES = {
    "string": "varchar", "boolean": "boolean", "timestamp": "timestamp", "long": "bigint", "date": "date",
}  # fmt: skip

# Keys sort as the numbers do, so that rows need no sort: database users by the time of their creation, as the ids of Auth0 do, then two other providers.
MACROS = """
create macro share(n, salt, parts) as (hash(n, salt) % parts)::bigint;
create macro digits(n, salt) as (100000000000000000 + hash(n, salt) % 900000000000000000)::varchar;
create macro at_second(s) as make_timestamp((s)::bigint * 1000000);
create macro born_second(n) as 1577836800 + n * 189000000 // $users;
create macro born(n) as at_second(born_second(n));
create macro seen(n) as at_second(greatest($until - share(n, 6, 40000000), born_second(n)));
create macro provider(n) as
    case when n < $users * 0.8 then 'auth0' when n < $users * 0.95 then 'google-oauth2' else 'samlp' end;
create macro connection_of(n) as
    case when n < $users * 0.8 then 'users' when n < $users * 0.95 then 'google-oauth2' else 'example-corp' end;
create macro own_id(n) as
    case when n < $users * 0.8 then lower(to_hex(born_second(n)::bigint) || to_hex(hash(n) | 9223372036854775808))
    when n < $users * 0.95 then (100000000000000 + n * 21)::varchar || (100000 + share(n, 1, 900000))
    else (100000000000 + n)::varchar || '@corp.example.com' end;
create macro user_key(n) as
    provider(n) || '|' || case when provider(n) = 'samlp' then 'example-corp|' else '' end || own_id(n);
create macro address(n) as
    (11 + share(n, 31, 180)) || '.' || share(n, 32, 256) || '.' || share(n, 33, 256) || '.' || share(n, 34, 254);
create macro agent_text(n) as 'Mozilla/5.0 (' || list_value('Windows NT 10.0; Win64; x64', 'Macintosh; Intel Mac OS X 10_15_7',
    'iPhone; CPU iPhone OS 18_1 like Mac OS X', 'Linux; Android 15; Pixel 9')[1 + n % 4] ||
    ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || (120 + n % 25) || '.0.' || (n % 50) || '.0 Safari/537.36';
create macro agent(n) as (getvariable('agents'))[1 + n];
"""

USERS = """
select user_key(n) as id, false as _fivetran_deleted, $synced as _fivetran_synced,
    case when share(n, 2, 100) = 0 then true end as blocked, born(n) as created_at,
    'user' || n || '@mail' || share(n, 3, 500) || '.example.com' as email, share(n, 4, 10) > 0 as email_verified,
    case when share(n, 5, 20) > 0 then address(n) end as last_ip,
    case when share(n, 5, 20) > 0 then seen(n) end as last_login,
    case when share(n, 5, 20) > 0 then 1 + share(n, 7, 200) end as logins_count,
    'Given' || share(n, 8, 5000) || ' Family' || share(n, 9, 20000) as name, 'user' || n as nickname,
    seen(n) as updated_at,
    case when share(n, 10, 10) = 0 then 'user' || n end as username,
    'https://s.example.com/avatar/' || lower(to_hex(hash(n, 11))) || lower(to_hex(hash(n, 12))) || '?s=480&r=pg' as picture,
    case when provider(n) = 'auth0' and share(n, 13, 4) = 0 then at_second(born_second(n) + share(n, 14, 500) * 86400) end
        as last_password_reset
from (select unnest(range($first, $last)) as n)
"""

# Every tenth user has a second, linked identity.
IDENTITIES = """
select user_key(n) as users_id, place as "index", false as _fivetran_deleted, $synced as _fivetran_synced,
    case when place = 0 then own_id(n) else digits(n, 15) end as user_identity_id,
    place = 1 or provider(n) = 'google-oauth2' as is_social,
    case when place = 0 then provider(n) else 'facebook' end as provider,
    case when place = 0 then connection_of(n) else 'facebook' end as connection
from (select unnest(range($first, $last)) as n), (select unnest([0, 1]) as place)
where place = 0 or share(n, 16, 10) = 0
order by users_id, provider, connection, user_identity_id
"""

# Of a hundred events about 35 are logins, 30 exchanges of a code, 8 failures, 4 requests to the Management API. Failures come from few
# addresses. A tenth of the users is behind half of the events.
LOGS = """
with numbered as (
    select n, share(n, 17, 100) as part,
        ((n - $first) * 86400000000.0 / ($last - $first))::bigint as stored,
        case when share(n, 19, 2) = 0 then share(n, 20, greatest($users // 10, 1)) * 10
            else share(n, 21, $users) end as who
    from (select unnest(range($first, $last)) as n)
), event as (
    select *, case when part < 35 then 's' when part < 65 then 'seacft' when part < 73 then 'ssa' when part < 78 then 'slo'
            when part < 83 then 'fp' when part < 85 then 'f' when part < 86 then 'fu' when part < 87 then 'ss'
            when part < 91 then 'sapi' else 'feacft' end as type,
        part < 35 or part >= 78 and part < 87 as is_login, part >= 78 and part < 86 as is_failure,
        part >= 87 and part < 91 as is_request,
        make_timestamp(epoch_us($day) + greatest(stored - share(n, 18, 3000000), 0)) as date,
        stored // 1000000 as second,
        user_key(who) as user_key, provider(who) as provider, address(who) as address
    from numbered
)
select '900' || (strftime($day, '%Y%m%d')::bigint * 1000000 + second // 3600 * 10000 + second // 60 % 60 * 100 + second % 60)
        || '223' || (100000000000000000 + n) || digits(n, 22) as log_id, false as _fivetran_deleted, $synced as _fivetran_synced,
    case when part < 73 or part > 90 then 'https://api.example.com/' end as audience,
    'clientABCDEFGHIJKLMNOPQRST' || (100000 + share(n, 23, 40)) as client_id, 'Application ' || share(n, 23, 40) as client_name,
    case when is_login then 'con_' || provider || '0123456789' end as connection_id,
    date, case when type in ('fp', 'fu') then 'Wrong email or password.' when type = 'f' then 'Login required'
        when is_request then 'Update a User' end as description,
    'login.example.com' as hostname,
    case when is_failure then '203.0.113.' || (share(n, 24, 16) * share(n, 25, 16)) else address end as ip,
    share(n, 26, 3) = 0 as is_mobile,
    case when is_request then '{"jti":"' || lower(to_hex(hash(n, 27))) || '"}' end as request_auth_credential,
    case when is_request then '{"user_id":"' || user_key || '"}' end as request_auth_user,
    case when part < 65 then 'openid profile email offline_access' end as scope,
    case when is_login then provider end as strategy,
    case when is_login then
        case provider when 'auth0' then 'database' when 'samlp' then 'enterprise' else 'social' end end as strategy_type,
    type, agent(share(who, 28, 5000)) as user_agent, case when type <> 'fu' then user_key end as user_id,
    case when is_request then 'api' end as request_channel, case when is_request then address end as request_ip,
    null::varchar as response_client_id, case when is_request then 'jwt' end as request_auth_strategy,
    case when is_request then '/api/v2/users/' || user_key end as request_path,
    case when is_request then 'patch' end as request_method,
    case when is_request then agent(share(n, 29, 20)) end as request_user_agent,
    case when is_request then 200 end as response_status_code, $day as _day
from event
"""


class Set:
    """A set of tables of one size in one folder."""

    def __init__(self, folder, users, logs, days):
        self.folder = folder
        self.users = users
        self.logs_in_day = max(1, logs // days)
        self.days = days

    def path(self, table):
        return os.path.join(self.folder, "auth0", table)

    def day(self, number):
        return FIRST_DAY + datetime.timedelta(days=number)

    def synced(self):
        """When the set was written, as its rows say."""
        return f"timestamp '{self.day(self.days)} 00:00:00'"

    def rows(self, query, first, last, day=None, synced=None):
        """A query over the rows of some numbers, as DuckDB takes it."""
        values = {"$users": self.users, "$first": first, "$last": last, "$synced": synced or self.synced()}
        if day is not None:
            values["$day"] = f"date '{day}'"
        return filled(query, values)

    def event(self, number, day):
        """Key and user of the event of a number; of a failed login of nobody the user is none."""
        first = day * self.logs_in_day
        return f"select log_id, user_id from ({self.rows(LOGS, first, first + self.logs_in_day, self.day(day))}) where user_id is not null limit 1 offset {number - first}"

    def connect(self):
        connection = duckdb.connect(config={"memory_limit": "4GB", "threads": 2})
        connection.execute("set timezone = 'UTC'")
        until = (self.day(self.days) - datetime.date(1970, 1, 1)).days * 86400
        connection.execute(filled(MACROS, {"$users": self.users, "$until": until}))
        connection.execute("set variable agents = (select list(agent_text(n) order by n) from range(5000) as r(n))")
        return connection


def filled(query, values):
    for name, value in values.items():
        query = query.replace(name, str(value))
    return query


def typed(table, query):
    """The columns of a table in its order and types, from a query."""
    columns = TABLES[table]["columns"].items()
    cast = ", ".join(f'"{name}"::{SQL_TYPES[kind]} as "{name}"' for name, kind in columns)
    return f"select {cast} from ({query})"


def arrow(table, connection, query):
    """Rows of a query as they are written; its times are UTC."""
    rows = connection.execute(typed(table, query)).to_arrow_table()
    fields = [
        field.with_type(pyarrow.timestamp("us", "UTC")) if pyarrow.types.is_timestamp(field.type) else field
        for field in rows.schema
    ]
    return rows.cast(pyarrow.schema(fields))


def create(path, table):
    about = TABLES[table]
    fields = [deltalake.Field(name, deltalake.schema.PrimitiveType(kind)) for name, kind in about["columns"].items()]
    times = [name for name, kind in about["columns"].items() if kind == "timestamp"]
    indexed = [*about["key"], *(name for name in times if name not in about["key"]), "_fivetran_deleted"]
    return deltalake.DeltaTable.create(
        path,
        deltalake.Schema(fields),
        partition_by=[about["partition"]] if "partition" in about else None,
        configuration={
            "delta.dataSkippingStatsColumns": ",".join(indexed),
            "delta.targetFileSize": str(FILE_BYTES),
        },
    )


def generate(made):
    """Writes the set; several pieces are made while one is written."""
    for table in TABLES:
        create(made.path(table), table)
    pieces = []
    for first in range(0, made.users, USERS_IN_PIECE):
        last = min(first + USERS_IN_PIECE, made.users)
        pieces.append(("users", made.rows(USERS, first, last)))
    for first in range(0, made.users, 4 * USERS_IN_PIECE):
        last = min(first + 4 * USERS_IN_PIECE, made.users)
        pieces.append(("user_identities", made.rows(IDENTITIES, first, last)))
    for number in range(made.days):
        first = number * made.logs_in_day
        pieces.append(("logs", made.rows(LOGS, first, first + made.logs_in_day, made.day(number))))
    connection = made.connect()

    def write(piece):
        table, query = piece
        rows = arrow(table, connection.cursor(), query)
        deltalake.write_deltalake(made.path(table), rows, mode="append", target_file_size=FILE_BYTES)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(write, pieces))


def files(path):
    """Files of a table, their rows and their bytes, as its log tells."""
    actions = pyarrow.table(deltalake.DeltaTable(path).get_add_actions(flatten=True))
    sizes = actions["size_bytes"].to_pylist()
    rows = actions["num_records"].to_pylist()
    return {"files": len(sizes), "rows": sum(rows), "bytes": sum(sizes)}
