"""Stands for the real BigQuery service in tests, which cannot be had there: bqemulator, with three things that the service does and it does not.

A job's name is taken once (409 afterwards), a load by upload keeps the name that it was given, and a table gets the columns that a change of its
description names. Ends by itself once nobody uses it any more:
usage: emulator.py FOLDER USE_FILE
"""

import asyncio
import contextvars
import fcntl
import functools
import gc
import json
import os
import sys

import sqlglot
from bqemulator import server
from bqemulator.api.routes import upload
from bqemulator.catalog import ddl_sync
from bqemulator.config import Settings
from bqemulator.jobs import ddl_result
from sqlglot import expressions
from sqlglot.dialects.dialect import Dialect

WATCH_SECONDS = 3
# To start takes long: between two tests that use it there may be some that do not.
UNUSED_SECONDS = 30

_job_id = contextvars.ContextVar("job_id", default=None)
_new_job_id = upload._new_job_id
_configuration = upload._load_configuration_from_envelope
_run_load = upload._run_load


def configuration_with_name(envelope):
    configuration = dict(_configuration(envelope))
    configuration["_job_id"] = (envelope.get("jobReference") or {}).get("jobId")
    return configuration


async def run_load_under_name(*, configuration, **others):
    configuration = dict(configuration)
    _job_id.set(configuration.pop("_job_id", None))
    return await _run_load(configuration=configuration, **others)


upload._load_configuration_from_envelope = configuration_with_name
upload._run_load = run_load_under_name
upload._new_job_id = lambda: _job_id.get() or _new_job_id()


def has_not_null_constraint(column):
    """The same without `kind` of a constraint, whose type the compiled sqlglot holds to: there are constraints that have another."""
    constraints = column.args.get("constraints") or ()
    return any(isinstance(constraint.args.get("kind"), expressions.NotNullColumnConstraint) for constraint in constraints)


ddl_result._has_not_null_constraint = has_not_null_constraint
_idle_generators = {}


def generate(self, expression, copy=True, **options):
    """The same with a generator that is kept: to make one takes the compiled sqlglot eight milliseconds, more than all that it does."""
    idle = [] if self.settings else _idle_generators.setdefault((type(self), *sorted(options.items())), [])
    generator = idle.pop() if idle else self.generator(**options)
    try:
        return generator.generate(expression, copy=copy)
    finally:
        idle.append(generator)


Dialect.generate = generate


class Reading:
    """sqlglot for the module that asks of each statement five times whether it makes or drops something, and changes no tree."""

    errors = sqlglot.errors
    parse_one = staticmethod(functools.lru_cache(maxsize=32)(sqlglot.parse_one))


ddl_sync.sqlglot = Reading


class Once:
    """Refuses a job whose name is taken."""

    def __init__(self, app):
        self.app = app
        self.taken = set()

    async def __call__(self, scope, receive, send):
        is_job = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/jobs")
        if not is_job:
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            job = json.loads(body)
        except ValueError:
            job = {}
        name = (job.get("jobReference") or {}).get("jobId")
        is_dry = (job.get("configuration") or {}).get("dryRun", False)
        if name is not None and not is_dry:
            if name in self.taken:
                return await refuse(send, name)
            self.taken.add(name)
        given = False

        async def again():
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return await self.app(scope, again, send)


class Widened:
    """Adds columns to a table's rows before the description of the table is changed, which alone is what the emulator does."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        parts = scope.get("path", "").split("/")
        if scope["type"] != "http" or scope["method"] != "PATCH" or "tables" not in parts:
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        project, dataset, table = (parts[parts.index(what) + 1] for what in ("projects", "datasets", "tables"))
        for field in json.loads(body).get("schema", {}).get("fields", []):
            place = f"`{project}.{dataset}.{table}`"
            sql = f"ALTER TABLE {place} ADD COLUMN IF NOT EXISTS `{field['name']}` {field['type']}"
            job = json.dumps({"configuration": {"query": {"query": sql, "useLegacySql": False}}}).encode()
            path = f"/bigquery/v2/projects/{project}/jobs"
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(job)).encode())]
            changed = {"method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
            await self.app({**scope, **changed}, once(job), ignore)
        return await self.app(scope, once(body), send)


def once(body):
    given = False

    async def receive():
        nonlocal given
        if given:
            return await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def ignore(message):
    pass


async def refuse(send, name):
    message = f"Already Exists: Job {name}"
    error = {"code": 409, "message": message, "errors": [{"reason": "duplicate", "message": message}], "status": "ALREADY_EXISTS"}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 409, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_create_app = server.create_app


def create_app(*positional, **named):
    app = _create_app(*positional, **named)
    app.add_middleware(Once)
    app.add_middleware(Widened)
    return app


server.create_app = create_app


async def main(folder, use):
    emulator = server.EmulatorServer(
        Settings(rest_host="127.0.0.1", rest_port=0, grpc_host="127.0.0.1", grpc_port=0, log_level="error")
    )
    await emulator.start()
    port = os.path.join(folder, "port")
    with open(port + ".new", "w", encoding="ascii") as file:
        file.write(str(emulator.rest_port))
    os.rename(port + ".new", port)
    with open(use, "r", encoding="ascii") as used:
        unused = 0
        while unused < UNUSED_SECONDS:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                unused = 0
                continue
            unused += WATCH_SECONDS
            if unused < UNUSED_SECONDS:
                fcntl.flock(used, fcntl.LOCK_UN)
        os.remove(port)
    # Nothing is kept, so nothing has to be ended in order.
    os._exit(0)


# What is loaded by now stays: to go over it at each search for rubbish took a fourteenth of the time.
gc.freeze()
gc.set_threshold(100_000, 50, 50)
asyncio.run(main(sys.argv[1], sys.argv[2]))
