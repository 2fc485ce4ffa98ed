"""What is there while the server is asked: uuids to name, and things made to be destroyed, through a session of its
own. Which of them a request names is `given`'s to say.
"""

import hashlib
import json
import os
import uuid

from server import Client, sha512

# A list of what is there is used so often before it is asked for again.
USES = 20
# A job that is waited for has at most so many looks until it is where it should be.
LOOKS = 500
IMAGE = b"\x01" * (64 << 10)
LONG_MS = 3_600_000


class World:
    """The server's state as far as requests name it."""

    def __init__(self, base, scratch):
        self.client = Client(base)
        self.scratch = scratch
        self.lists = {}
        self.made = 0
        renewed = self.client.inventory("PUT", f"/accounts/sessions/{self.client.session}/renew",
                                        {"renewSession": {}})
        self.admin = renewed["accountUuid"]
        self.storages = self.known("/primary-storage")
        self.home = self.client.inventory("GET", f"/primary-storage/{self.storages[0]}")["url"]

    def number(self):
        """The next number; no two things have the same."""
        self.made += 1
        return self.made

    def uuid(self):
        """A new uuid of version 4, always the same ones in a row."""
        digest = hashlib.sha256(f"uuid {self.number()}".encode()).digest()
        return uuid.UUID(bytes=digest[:16], version=4).hex

    def known(self, path, field="uuid"):
        """That field of what a query answers, at most some calls old."""
        values, uses = self.lists.get((path, field), ([], 0))
        if uses == 0:
            answer = self.client.call("GET", f"{path}?fields={field}&limit=40")
            rows = answer.json().get("inventories", []) if answer.status_code == 200 else []
            values, uses = [row[field] for row in rows if field in row], USES
        self.lists[path, field] = (values, uses - 1)
        return values

    def make(self, path, wrapped):
        """The uuid of something new."""
        return self.client.inventory("POST", path, {"params": wrapped})["uuid"]

    def account(self):
        return self.make("/accounts", {"name": f"victim {self.number()}", "password": sha512("victim")})

    def session(self):
        return self.client.log_in()

    def access_key(self):
        return self.make("/accesskeys", {"accountUuid": self.admin, "userUuid": self.admin})

    def directory(self):
        """An empty directory for a storage."""
        path = os.path.join(self.scratch, f"storage-{self.number()}")
        os.makedirs(path)
        return path

    def image(self, below):
        """A raw image in that directory."""
        path = os.path.join(below, f"image-{self.number()}.raw")
        with open(path, "wb") as file:
            file.write(IMAGE)
        return path

    def storage(self):
        return self.make("/primary-storage/local-storage",
                         {"name": f"victim {self.number()}", "url": self.directory()})

    def volume(self):
        return self.make("/volumes/data", {"name": f"victim {self.number()}", "diskSize": 1 << 16,
                                           "primaryStorageUuid": self.storages[0]})

    def deleted_volume(self):
        volume = self.volume()
        self.client.call("DELETE", f"/volumes/{volume}?deleteMode=Permissive")
        return volume

    def system_tag(self):
        return self.make("/system-tags", {"resourceType": "LongJobVO", "resourceUuid": self.job(LONG_MS),
                                          "tag": f"uploadImage::{self.number()}"})

    def user_tag(self):
        return self.make("/user-tags", {"resourceType": "PrimaryStorageVO", "resourceUuid": self.storages[0],
                                        "tag": f"tag {self.number()}"})

    def job(self, duration_ms=0, state=None, **data):
        """A simulator job, in that state."""
        data = json.dumps({"durationMs": duration_ms, **data})
        job = self.make("/longjobs", {"jobName": "APISimulateJobMsg", "jobData": data})
        self.seen(job, state)
        return job

    def seen(self, job, state):
        """Waits for a job to be in that state."""
        for _ in range(LOOKS if state else 0):
            if self.client.inventory("GET", f"/longjobs/{job}")["state"] == state:
                return

    def running_job(self):
        return self.job(LONG_MS, "Running")

    def suspended_job(self):
        return self.job(1, "Suspended", outcome="interrupt")

    def failed_job(self):
        return self.job(0, "Failed", outcome="fail")

    def canceling_job(self):
        job = self.job(LONG_MS, "Running", onCancel="ignore")
        self.client.call("PUT", f"/longjobs/{job}/actions", {"cancelLongJob": {}})
        return job

    def accepted_call(self):
        """The id of an asynchronous call that has its answer."""
        call = self.uuid()
        body = {"params": {"name": f"accepted {self.number()}", "password": sha512("victim")}}
        self.client.call("POST", "/accounts", body, {"X-Job-UUID": call})
        return call
