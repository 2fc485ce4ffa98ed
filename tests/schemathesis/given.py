"""What requests are given before they are sent: ids of what is there instead of random ones, so that calls come
further than "not found"; and other data where a call would destroy what the run needs (its session, its admin, a
directory that is not its own). No operation is left out.

What is replaced is decided by the generated value alone, so a seed stays a seed.
"""

import hashlib
import json
import os
import re

from server import Client, sha512

UUID = re.compile(r"^[0-9a-f]{32}$")
SCRATCH = os.environ["LONGHAUL_SCHEMATHESIS_SCRATCH"]
KEPT_SESSION = os.environ["LONGHAUL_SCHEMATHESIS_SESSION"]
# Which query lists the resources that a path's or a body's uuid may name.
BY_PATH = {"accounts": "/accounts", "accesskeys": "/accesskeys", "longjobs": "/longjobs", "zones": "/zones",
           "primary-storage": "/primary-storage", "volumes": "/volumes", "management-nodes": "/management-nodes"}
BY_NAME = {"volumeUuid": "/volumes", "accountUuid": "/accounts", "zoneUuid": "/zones", "userUuid": "/accounts",
           "primaryStorageUuid": "/primary-storage", "dstPrimaryStorageUuid": "/primary-storage",
           "targetResourceUuid": "/volumes", "zoneUuids": "/zones", "primaryStorageUuids": "/primary-storage"}
# A list of what is there is used so often before it is asked for again.
USES = 20


def draw(value, sides):
    """0 to sides - 1, the same for the same value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % sides


class World:
    """What is there now, asked for through a session of its own."""

    def __init__(self, base):
        self.client = Client(base)
        self.lists = {}
        self.admin = self.client.inventory("PUT", f"/accounts/sessions/{self.client.session}/renew",
                                           {"renewSession": {}})["accountUuid"]
        self.made = 0

    def known(self, path):
        """The uuids that a query answers, at most some seconds old."""
        uuids, uses = self.lists.get(path, ([], 0))
        if uses == 0:
            answer = self.client.call("GET", f"{path}?fields=uuid&limit=40")
            rows = answer.json().get("inventories", []) if answer.status_code == 200 else []
            uuids, uses = [row["uuid"] for row in rows], USES
        self.lists[path] = (uuids, uses - 1)
        return uuids

    def one_of(self, path, value):
        """One that is there, chosen by `value`; `value` itself if there is none."""
        uuids = self.known(path)
        return uuids[draw(value, len(uuids))] if uuids else value

    def victim(self):
        """An account that may be changed and deleted."""
        self.made += 1
        body = {"params": {"name": f"victim {self.made}", "password": sha512("victim")}}
        return self.client.inventory("POST", "/accounts", body)["uuid"]


def path_parameters(world, case):
    """Ids in the path."""
    given = dict(case.path_parameters or {})
    first = case.operation.path.split("/")[1]
    deletes = case.method.upper() == "DELETE"
    for name, value in given.items():
        listed = BY_NAME.get(name) or (BY_PATH.get(first) if name == "uuid" else None)
        # Of what is deleted a part, so that something stays for the others.
        if listed and UUID.match(str(value)) and (draw(value, 4) == 0) == deletes:
            given[name] = world.one_of(listed, value)
        elif name == "apiId" and draw(value, 2) == 0 and UUID.match(str(value)):
            given[name] = value
    # The session of the run and the world's own stay.
    if given.get("sessionUuid") in (KEPT_SESSION, world.client.session):
        given["sessionUuid"] = "0" * 32
    # The admin's password and account stay: somebody else's are changed and deleted.
    if first == "accounts" and given.get("uuid") == world.admin and case.method.upper() in ("PUT", "DELETE"):
        given["uuid"] = world.victim()
    return given


def below_scratch(url):
    """A directory of the run's own, whatever is asked for; nothing that leads out of it again."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", url)[:40] or "empty"
    path = os.path.join(SCRATCH, name)
    if draw(url, 4) != 0:
        os.makedirs(path, exist_ok=True)
    return path


def job_data(world, value):
    """`jobData` that some job type can work with; a fourth stays as it was generated."""
    side = draw(value, 8)
    if side < 2:
        return value
    if side < 4:
        return json.dumps({"volumeUuid": world.one_of("/volumes", value),
                           "dstPrimaryStorageUuid": world.one_of("/primary-storage", value)})
    outcome = ["succeed", "fail", "interrupt", "succeed"][side - 4]
    return json.dumps({"durationMs": draw(value, 400), "outcome": outcome, "adminPassword": "hidden"})


def parameters(world, given):
    """The parameters inside of a wrapper."""
    changed = dict(given)
    for name, value in given.items():
        some = draw([name, value], 4) != 0
        if name in BY_NAME and some and isinstance(value, str):
            changed[name] = world.one_of(BY_NAME[name], value)
        elif name == "url" and isinstance(value, str):
            changed[name] = below_scratch(value)
        elif name == "jobName" and some and isinstance(value, str):
            names = ["APISimulateJobMsg", "APISimulateJobMsg", "APIPrimaryStorageMigrateVolumeMsg"]
            changed[name] = names[draw(value, len(names))]
        elif name == "jobData" and isinstance(value, str):
            changed[name] = job_data(world, value)
        elif name == "diskSize" and isinstance(value, int) and some:
            changed[name] = value % (64 << 20)
        elif name == "accountName" and some:
            changed.update({name: "admin", "password": sha512("correct horse")})
        elif name == "username" and some:
            changed.update({name: "admin", "password": sha512("correct horse"), "loginType": "account"})
    return changed


def body(world, given):
    """The parameters of whichever wrapper the body has."""
    return {key: parameters(world, value) if isinstance(value, dict) else value for key, value in given.items()}


def headers(case):
    """A web hook is told to nobody outside of this machine."""
    for name in list(case.headers or {}):
        if name.lower() == "x-web-hook":
            case.headers[name] = "http://127.0.0.1:9/" + str(draw(case.headers[name], 1000))
