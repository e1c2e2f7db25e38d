"""Lists a simulated tenant with auth0-python: every entity, by every way in which that client can read it.

Usage: list_everything.py http://127.0.0.1:PORT, with AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET set. Prints one JSON
object: entity, then the way it was read, then the ids in order. It compares nothing, and any error ends it.
"""

import gzip
import json
import os
import sys
import time
import urllib.request

from auth0.management.client import Auth0

# Small enough that every list takes several pages.
PAGE = 5
# The longest that the tenant may take for an export file, seconds.
PATIENCE = 30


def token(base):
    """A Management API token, the way auth0-python leaves it to its user where the tenant is not at https."""
    body = {
        "grant_type": "client_credentials",
        "client_id": os.environ["AUTH0_CLIENT_ID"],
        "client_secret": os.environ["AUTH0_CLIENT_SECRET"],
        "audience": base + "/api/v2/",
    }
    request = urllib.request.Request(
        base + "/oauth/token", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def ids(rows, name="id"):
    """The values at a name, in order; a row that lacks it is an error."""
    found = [getattr(row, name) for row in rows]
    assert all(value is not None for value in found), f"a row without {name}"
    return sorted(found)


def by_offset(read, *arguments):
    """Pages through a list whose method in the client walks checkpoints alone, by number."""
    rows = []
    for page in range(1000):
        extra = {"page": page, "per_page": PAGE}
        answer = read(*arguments, take=None, request_options={"additional_query_parameters": extra})
        rows.extend(answer.items)
        assert answer.response.total is not None, "an offset page without a total"
        if len(answer.items) < PAGE:
            assert answer.response.total == len(rows), f"total {answer.response.total} for {len(rows)} rows"
            return rows
    raise AssertionError("the list never ends")


def clients_by_checkpoint(api):
    """Applications by checkpoint, for which the client has no parameters of its own yet: its others are taken back."""
    rows, extra = [], {"page": None, "per_page": None, "include_totals": None, "take": PAGE}
    for _ in range(1000):
        answer = api.clients.list(request_options={"additional_query_parameters": extra})
        rows.extend(answer.items)
        after = getattr(answer.response, "next", None)
        if after is None:
            return rows
        extra["from"] = after
    raise AssertionError("the list never ends")


def both(read, *arguments, name="id"):
    """The same list by checkpoint and by offset."""
    return {
        "checkpoint": ids(read(*arguments, take=PAGE), name),
        "offset": ids(by_offset(read, *arguments), name),
    }


def per_parent(parents, read, name):
    """Lists of children, by way of reading and then by parent."""
    found = {"checkpoint": {}, "offset": {}}
    for parent in parents:
        for way, children in both(read, parent, name=name).items():
            found[way][parent] = children
    return found


def export(api):
    """User ids in the file of an export job."""
    job = api.jobs.users_exports.create(format="json", fields=[{"name": "user_id"}])
    end = time.monotonic() + PATIENCE
    while job.status != "completed":
        assert time.monotonic() < end, f"the export is still {job.status}"
        time.sleep(0.1)
        job = api.jobs.get(job.id)
    with urllib.request.urlopen(job.location) as answer:
        lines = gzip.decompress(answer.read()).splitlines()
    return sorted(json.loads(line)["user_id"] for line in lines)


def details(api, found):
    """Reads what hangs on single records; what the truth does not list on its own must be readable all the same."""
    for organization in found["organizations"]["offset"]:
        list(api.organizations.enabled_connections.list(organization, per_page=PAGE))
        list(api.organizations.client_grants.list(organization, per_page=PAGE))
        for member in found["organization_members"]["offset"][organization][:2]:
            list(api.organizations.members.roles.list(organization, member, per_page=PAGE))
    for role in found["roles"]["offset"]:
        assert api.roles.get(role).id == role
        list(api.roles.permissions.list(role, per_page=PAGE))
    for user in found["users"]["offset"][::20]:
        record = api.users.get(user)
        assert record.user_id == user
        if record.email is not None:
            assert user in ids(api.users.list_users_by_email(email=record.email), "user_id")
        list(api.users.permissions.list(user, per_page=PAGE))
        list(api.users.organizations.list(user, per_page=PAGE))
        list(api.users.logs.list(user, per_page=PAGE))
    for client in found["clients"]["offset"]:
        assert api.clients.get(client).client_id == client
    for connection in found["connections"]["offset"]:
        assert api.connections.get(connection).id == connection


def everything(api):
    """Every entity of the tenant."""
    found = {
        "actions": {"offset": ids(api.actions.list(per_page=PAGE))},
        "client_grants": both(api.client_grants.list),
        "clients": {
            "checkpoint": ids(clients_by_checkpoint(api), "client_id"),
            "offset": ids(api.clients.list(per_page=PAGE), "client_id"),
        },
        "connections": both(api.connections.list),
        "grants": {"offset": ids(api.user_grants.list(per_page=PAGE))},
        "log_streams": {"whole": ids(api.log_streams.list())},
        "organizations": both(api.organizations.list),
        "resource_servers": {"offset": ids(api.resource_servers.list(per_page=PAGE))},
        "roles": {"offset": ids(api.roles.list(per_page=PAGE))},
        "stats_daily": {"whole": sorted(row.date for row in api.stats.get_daily(from_="20000101"))},
        "triggers": {"whole": sorted([row.id, row.version] for row in api.actions.triggers.list().triggers)},
        "users": {"offset": ids(api.users.list(per_page=50), "user_id"), "export": export(api)},
    }
    organizations, roles = found["organizations"]["offset"], found["roles"]["offset"]
    connections = found["connections"]["offset"]
    found["organization_members"] = per_parent(organizations, api.organizations.members.list, "user_id")
    found["role_users"] = per_parent(roles, api.roles.users.list, "user_id")
    enabled = {c: ids(api.connections.clients.get(c, take=PAGE), "client_id") for c in connections}
    found["connection_clients"] = {"checkpoint": enabled}
    roles_of = {u: ids(api.users.roles.list(u, per_page=PAGE)) for u in found["users"]["offset"]}
    found["user_roles"] = {"offset": {user: roles for user, roles in roles_of.items() if roles}}
    details(api, found)
    # The last, since reading secrets and asking for an export are events.
    found["logs"] = {"offset": ids(api.logs.list(per_page=100), "log_id")}
    return found


def main():
    base = sys.argv[1]
    api = Auth0(base_url=base + "/api/v2", token=token(base))
    json.dump(everything(api), sys.stdout)


main()
