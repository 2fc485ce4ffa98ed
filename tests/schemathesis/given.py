"""What requests are given before they are sent: ids of what is there instead of random ones, so that calls come
further than "not found"; headers that do not refuse every call; and other data where a call would destroy what the
run needs (its session, its admin, its storages, its settings). No operation is left out, and of everything that is
replaced some stays as it was generated. Bodies are in `bodies`.

What is replaced is decided by the operation and the number of its call alone, so a seed stays a seed.
"""

import collections
import hashlib
import re

import bodies

UUID = re.compile(r"^[0-9a-f]{32}$")
NOBODY = "0" * 32
# What a call may take, where a number was generated: most of those are 0, which nothing ends within.
TIMEOUT_S = 30
# Which query lists the resources that a path's uuid may name.
BY_PATH = {"accounts": "/accounts", "accesskeys": "/accesskeys", "longjobs": "/longjobs", "zones": "/zones",
           "primary-storage": "/primary-storage", "volumes": "/volumes", "management-nodes": "/management-nodes",
           "system-tags": "/system-tags", "user-tags": "/user-tags", "backup-storage": "/backup-storage",
           "images": "/images"}
# The same for ids that have a name of their own.
BY_KEY = {"volumeUuid": "/volumes", "rootVolumeUuid": "/volumes", "imageUuid": "/images",
          "backupStorageUuid": "/backup-storage", "srcBackupStorageUuid": "/backup-storage"}
# What is made for calls that change or destroy it: by operation, where several share it with the action.
MADE = {
    "DELETE /accesskeys/{uuid}": "access_key",
    "PUT /accesskeys/{uuid}/actions changeAccessKeyState": "access_key",
    "PUT /accounts/{uuid}": "account",
    "DELETE /accounts/{uuid}": "account",
    "DELETE /accounts/sessions/{sessionUuid}": "session",
    "PUT /accounts/sessions/{sessionUuid}/renew": "session",
    "GET /api-jobs/{uuid}": "accepted_call",
    "PUT /longjobs/{uuid}/actions cancelLongJob": "running_job",
    "PUT /longjobs/{uuid}/actions cleanLongJob": "canceling_job",
    "PUT /longjobs/{uuid}/actions rerunLongJob": "failed_job",
    "PUT /longjobs/{uuid}/actions resumeLongJob": "suspended_job",
    "PUT /longjobs/{uuid}/actions suspendLongJob": "running_job",
    "DELETE /longjobs/{uuid}": "failed_job",
    "DELETE /primary-storage/{uuid}": "storage",
    "PUT /primary-storage/{uuid}/actions changePrimaryStorageState": "storage",
    "PUT /primary-storage/volumes/{volumeUuid}/actions primaryStorageMigrateVolume": "volume",
    "POST /system-tags/{resourceUuid}/tags": "running_job",
    "PUT /system-tags/{uuid}/actions updateSystemTag": "system_tag",
    "DELETE /tags/{uuid}": "user_tag",
    "DELETE /volumes/{uuid}": "volume",
    "PUT /volumes/{uuid}/actions expungeDataVolume": "deleted_volume",
    "PUT /volumes/{uuid}/actions recoverDataVolume": "deleted_volume",
    "PUT /volumes/{uuid}/actions forgetVolume": "volume",
}
# Of what these calls name, admin and storages must stay as they are.
KEEPS = {"PUT /accounts/{uuid}", "DELETE /accounts/{uuid}", "DELETE /primary-storage/{uuid}",
         "PUT /primary-storage/{uuid}/actions"}
# A node that it drained would take no job of the rest of the run.
DRAINS = "PUT /management-nodes/{uuid}/actions drainManagementNode"
# What ZQL is asked.
ZQL = ["query longjob", "count volume where size > 1", "query longjob.uuid,name where state = 'Running' or name like "
       "'%a%' return with (total) order by name desc limit 3 offset 1 named as 'a'; count zone",
       "query volume where uuid in ('a', \"b\") and name is not null", "query longjob where nothing = 1",
       "query systemtag where tag like '%::%' limit 2", "query longjob order by nothing asc", "sum longjob by name"]
QUERIES = ["state=Running", "name~=%a%", "uuid?=a,b", "createDate>2017-11-14", "description is null", "name!=x"]


class Dice:
    """Choices by operation and number of its call."""

    def __init__(self):
        self.calls = collections.Counter()

    def of(self, *label):
        """A number below 2^64."""
        self.calls[label] += 1
        text = repr((label, self.calls[label]))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def below(self, sides, *label):
        return self.of(*label) % sides

    def one_of(self, values, *label):
        return values[self.of(*label) % len(values)]


class Given:
    """Changes requests; `kept` are the sessions that must live on, `hook` is where web hooks lead."""

    def __init__(self, world, kept, hook):
        self.world = world
        self.kept = {kept, world.client.session}
        self.hook = hook
        self.dice = Dice()

    def change(self, case, name):
        """Everything of a request; `name` is its operation, with its action."""
        self.headers(case, name)
        if case.path_parameters:
            case.path_parameters = self.path(case, name)
        if isinstance(case.query, dict):
            self.query(case, name)
        if isinstance(case.body, dict):
            case.body = bodies.body(self.world, self.dice, name, case.body, case.path_parameters or {})

    def headers(self, case, name):
        """An id of a call is used once, as all clients do; a web hook is told to nobody but the run itself."""
        for header, value in list((case.headers or {}).items()):
            if header.lower() == "x-job-uuid" and UUID.match(str(value)) and self.dice.below(8, name, header):
                case.headers[header] = self.world.uuid()
            elif header.lower() == "x-web-hook":
                case.headers[header] = f"{self.hook}/{self.dice.below(1000, name, header)}"
            elif header.lower() == "x-api-timeout" and str(value).isdigit() and self.dice.below(4, name, header):
                case.headers[header] = str(TIMEOUT_S)
            elif header.lower() == "prefer" and self.dice.below(4, name, header):
                case.headers[header] = "respond-async"

    def path(self, case, name):
        """Ids in the path."""
        given = dict(case.path_parameters)
        first = case.operation.path.split("/")[1]
        for key, value in given.items():
            if key in ("category", "name"):
                continue
            side = self.dice.below(4, name, key)
            listed = BY_KEY.get(key) or (BY_PATH.get(first) if key == "uuid" else None)
            named = bool(UUID.match(str(value))) or key == "sessionUuid" or first == "api-jobs"
            if side < 2 and name in MADE and named:
                given[key] = getattr(self.world, MADE[name])()
            elif side < 3 and listed and UUID.match(str(value)):
                given[key] = self.dice.one_of(self.world.known(listed) or [value], name, key)
            elif side < 3 and key == "apiId":
                given[key] = self.dice.one_of(self.world.known("/longjobs", "apiId") or [value], name, key)
        if "category" in given and self.dice.below(4, name):
            given["category"], given["name"] = self.dice.one_of(list(bodies.CONFIGS), name).split("/")
        if name == DRAINS and given["uuid"] in self.world.known("/management-nodes"):
            given["uuid"] = NOBODY
        if given.get("sessionUuid") in self.kept:
            given["sessionUuid"] = NOBODY
        operation = f"{case.method.upper()} {case.operation.path}"
        if operation in KEEPS and given.get("uuid") == self.world.admin:
            given["uuid"] = self.world.account()
        if operation in KEEPS and given.get("uuid") in self.world.storages:
            given["uuid"] = self.world.storage()
        return given

    def query(self, case, name):
        """Ids, conditions and ZQL that mean something."""
        for key, value in case.query.items():
            if self.dice.below(3, name, key) == 0:
                continue
            text = isinstance(value, str)
            if key == "uuid" and text:
                case.query[key] = self.dice.one_of(self.world.storages, name, key)
            elif key == "zql" and text:
                case.query[key] = self.dice.one_of(ZQL, name, key)
            elif key == "q" and isinstance(value, list):
                case.query[key] = [self.dice.one_of(QUERIES, name, key)]
            elif key in ("sort", "fields") and text:
                case.query[key] = self.dice.one_of({"sort": ["+uuid", "-createDate", "name"],
                                                    "fields": ["uuid", "uuid,name"]}[key], name, key)
            elif key == "zoneUuids" or key == "primaryStorageUuids":
                case.query[key] = self.world.known("/zones" if key == "zoneUuids" else "/primary-storage")[:2]
