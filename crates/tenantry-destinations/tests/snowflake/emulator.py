"""The emulator `fakesnow`, which stands for the real Snowflake service: that one cannot run here.

Adds what the real service does and fakesnow does not: proof of identity by a signed key, sessions that have to be renewed, writers that
wait for one another instead of failing, and a refusal of statements that would end a transaction unasked.

usage: emulator.py FOLDER USED    serves until nobody holds a lock on USED; FOLDER gets `port` and `key.p8`
"""

import base64
import fcntl
import functools
import gc
import hashlib
import json
import os
import secrets
import socket
import sys
import threading
import time
import types

import anyio
import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.server as fake
import fakesnow.transforms
import jwt
import pyarrow as pa
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlglot import expressions
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

WATCH_SECONDS = 3
# To start takes long: between two tests that use it there may be some that do not.
UNUSED_SECONDS = 30
LOCK_SECONDS = 120
# Tokens of a user with this name are good for so many statements.
SHORT_LIVED = ("BRIEF", 3)
DDL = ("CREATE", "DROP", "ALTER", "COMMENT", "TRUNCATE", "USE", "UNDROP")
DML = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")


class Session:
    """What the real service knows of a session, beside its connection."""

    def __init__(self, database, user):
        self.database = database
        self.user = user
        self.master = secrets.token_urlsafe(32)
        self.is_open = False
        self.uses = 0
        self.lock = anyio.Lock()


class Writers:
    """One writer at a time for each database."""

    def __init__(self):
        self.holder = {}

    async def take(self, session):
        deadline = time.monotonic() + LOCK_SECONDS
        while self.holder.get(session.database, session) is not session:
            if time.monotonic() > deadline:
                return False
            await anyio.sleep(0.02)
        self.holder[session.database] = session
        return True

    def give(self, session):
        if self.holder.get(session.database) is session:
            del self.holder[session.database]


def comments(insert_sql):
    """A comment with a quote in it is a text like any other, and what is made for a MERGE alone has none: it would be written to another
    database than the one of the transaction."""

    def sql(catalog, schema, table, text):
        if table.lower() == "merge_candidates":
            return "SELECT 1"
        return insert_sql(catalog, schema, table, text and text.replace("'", "''"))

    return sql


def nulls_of_times(to_sf_struct):
    """A time that is NULL is so as a whole, and not in the parts that never are."""

    def masked(times):
        whole = times.combine_chunks() if isinstance(times, pa.ChunkedArray) else times
        parts = to_sf_struct(whole)
        fields = [parts.type.field(at) for at in range(parts.type.num_fields)]
        filled = [part.fill_null(0) for part in parts.flatten()]
        return pa.StructArray.from_arrays(filled, fields=fields, mask=whole.is_null())

    return masked


fakesnow.arrow.timestamp_to_sf_struct = nulls_of_times(fakesnow.arrow.timestamp_to_sf_struct)
fakesnow.info_schema.insert_table_comment_sql = comments(fakesnow.info_schema.insert_table_comment_sql)


# Nodes that nearly every tree of SQL has: a pass that names others as well looks for those, and makes these.
COMMON = {"And", "Column", "EQ", "Identifier", "Literal", "Table", "TableAlias", "Where"}


@functools.cache
def sought(code, module):
    """Classes of the nodes that a pass over a tree, or a helper of it, names, without the common ones."""
    found, seen, rest = set(), set(), [(code, module)]
    while rest:
        code, module = rest.pop()
        if code in seen:
            continue
        seen.add(code)
        rest += [(inner, module) for inner in code.co_consts if isinstance(inner, types.CodeType)]
        for name in code.co_names:
            if name not in COMMON and isinstance(getattr(expressions, name, None), type):
                found.add(getattr(expressions, name))
            for place in (sys.modules[module], fakesnow.transforms):
                helper = getattr(place, name, None)
                if isinstance(helper, types.FunctionType) and helper.__module__.startswith("fakesnow.transforms"):
                    rest.append((helper.__code__, helper.__module__))
    return tuple(found)


class Passes:
    """A tree of SQL for fakesnow's 75 passes over each statement, which take longer than to parse it: those that look for what the tree has none of
    are left out."""

    def __init__(self, tree):
        self.tree = tree
        self.held = None

    def transform(self, one, *arguments, **named):
        if self.held is None:
            self.held = {type(node) for node in self.tree.walk()}
        wanted = sought(one.__code__, one.__module__)
        if wanted and not any(issubclass(kind, wanted) for kind in self.held):
            return self

        def noting(node, *arguments, **named):
            other = one(node, *arguments, **named)
            if other is not node:
                self.held = None
            return other

        self.tree = self.tree.transform(noting, *arguments, **named)
        return self


def with_few_passes(transform):
    return lambda self, tree, params: transform(self, Passes(tree), params).tree


cursor = fakesnow.cursor.FakeSnowflakeCursor
cursor._transform = with_few_passes(cursor._transform)


def refused(code, message, status=200):
    body = {"data": {"errorCode": code, "sqlState": "42000"}, "code": code, "message": message, "success": False}
    return JSONResponse(body, status_code=status)


class Emulator:
    def __init__(self, key):
        self.public = key.public_key()
        der = self.public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
        self.sessions = {}
        self.writers = Writers()

    def is_proven(self, data):
        if data.get("AUTHENTICATOR") != "SNOWFLAKE_JWT":
            return False
        name = f"{data['ACCOUNT_NAME'].upper()}.{data['LOGIN_NAME'].upper()}"
        try:
            claims = jwt.decode(data["TOKEN"], self.public, algorithms=["RS256"], options={"require": ["exp", "iat"]})
        except jwt.PyJWTError:
            return False
        return claims.get("iss") == f"{name}.{self.fingerprint}" and claims.get("sub") == name

    async def login(self, request):
        data = json.loads(await request.body())["data"]
        if not self.is_proven(data):
            return refused("390144", "JWT token is invalid.")
        answer = json.loads((await fake.login_request(request)).body)
        session = Session(request.query_params.get("databaseName"), data["LOGIN_NAME"].upper())
        self.sessions[answer["data"]["token"]] = session
        answer["data"].update(masterToken=session.master, validityInSeconds=3600, masterValidityInSeconds=14400)
        return JSONResponse(answer)

    async def renew(self, request):
        master = request.headers.get("Authorization", "")[17:-1]
        old = json.loads(await request.body())["oldSessionToken"]
        session = self.sessions.pop(old, None)
        if session is None or session.master != master:
            return refused("390114", "Authentication token has expired. The user must authenticate again.")
        token = secrets.token_urlsafe(32)
        session.uses, session.master = 0, secrets.token_urlsafe(32)
        self.sessions[token] = session
        fake.sessions[token] = fake.sessions.pop(old)
        data = {"sessionToken": token, "masterToken": session.master, "validityInSecondsST": 3600}
        return JSONResponse({"data": data, "success": True})

    async def close(self, request):
        token = fake.to_token(request)
        session = self.sessions.pop(token, None)
        if session is None:
            return refused("390111", "Session no longer exists.")
        async with session.lock:
            connection = fake.sessions.pop(token)
            if session.is_open:
                await anyio.to_thread.run_sync(connection.cursor().execute, "ROLLBACK")
                self.writers.give(session)
        return JSONResponse({"data": None, "success": True})

    async def query(self, request):
        token = fake.to_token(request)
        session = self.sessions.get(token)
        if session is None:
            return refused("390111", "Session no longer exists.")
        session.uses += 1
        if session.user == SHORT_LIVED[0] and session.uses > SHORT_LIVED[1]:
            return refused("390112", "Your session has expired. Please login again.")
        word = json.loads(await request.body())["sqlText"].split(None, 1)[0].upper()
        # A session runs one statement after the other.
        async with session.lock:
            return await self.one(request, session, word)

    async def one(self, request, session, word):
        if word in DDL and session.is_open:
            return refused("090999", f"{word} would commit the open transaction")
        writes = word in DDL or word in DML or word == "BEGIN"
        if writes and not await self.writers.take(session):
            return refused("000625", "Statement has locked out: lock wait timeout")
        try:
            answer = await fake.query_request(request)
        finally:
            if word in ("COMMIT", "ROLLBACK"):
                session.is_open = False
            if not session.is_open and word != "BEGIN":
                self.writers.give(session)
        if word == "BEGIN":
            session.is_open = True
        return answer

    def app(self):
        post = ["POST"]
        routes = [
            Route("/session/v1/login-request", self.login, methods=post),
            Route("/session/token-request", self.renew, methods=post),
            Route("/session", self.close, methods=post),
            Route("/queries/v1/query-request", self.query, methods=post),
            Route("/fs_bucket/{path:path}", fake.bucket_upload, methods=["PUT"]),
        ]
        return Starlette(routes=routes)


def watch(used):
    """Ends the process once nobody uses it any more."""
    with open(used) as file:
        unused = 0
        while True:
            time.sleep(WATCH_SECONDS)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                unused = 0
                continue
            unused += WATCH_SECONDS
            if unused >= UNUSED_SECONDS:
                os._exit(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def main(folder, used):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.path.join(folder, "key.p8"), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does this for its own sockets alone: without it every other answer waits 40 ms for the client's acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=watch, args=(used,), daemon=True).start()
    with open(os.path.join(folder, "port.new"), "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.replace(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    uvicorn.Server(uvicorn.Config(Emulator(key).app(), log_level="warning")).run(sockets=[listener])


# What is loaded by now stays: to go over it at each search for rubbish took a fourteenth of the time.
gc.freeze()
gc.set_threshold(100_000, 50, 50)
main(*sys.argv[1:])
