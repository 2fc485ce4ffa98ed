"""One reply profile: python profile_run.py SERVER_BINARY PROFILE OUT_DIR

Starts a server, makes a few of everything, lets schemathesis ask each operation of the server's own document, looks
at the whole run afterwards, and sees that what is wrong would be noticed. The last line is `N passed, M failed`.
"""

import os
import sys
import time

import controls
import demands
from asking import Run
from receiver import Receiver
from server import Client, Server

ALLOWED = "never-successful.txt"


class Tally:
    """Counts what holds and what does not."""

    def __init__(self, profile):
        self.profile = profile
        self.passed = self.failed = 0

    def __call__(self, what, yes, otherwise=""):
        self.passed, self.failed = (self.passed + 1, self.failed) if yes else (self.passed, self.failed + 1)
        print("ok     " if yes else "FAILED ", f"{self.profile}: {what}", "" if yes else otherwise, flush=True)


def furnish(client, scratch):
    """Two storages, a volume, a job in its end."""
    uuids = []
    for name in ("one", "two"):
        os.makedirs(os.path.join(scratch, name))
        body = {"params": {"name": name, "url": os.path.join(scratch, name)}}
        uuids.append(client.inventory("POST", "/primary-storage/local-storage", body)["uuid"])
    disk = {"params": {"name": "disk", "diskSize": 1 << 20, "primaryStorageUuid": uuids[0]}}
    client.inventory("POST", "/volumes/data", disk)
    job = {"params": {"jobName": "APISimulateJobMsg", "jobData": "{\"durationMs\":0}"}}
    client.inventory("POST", "/longjobs", job)


def judge_run(holds, run, status, operations):
    """What schemathesis reports of each operation, and what the run as a whole must have."""
    for name, wrong in run.verdicts().items():
        holds(name, not wrong, "see above")
    holds("schemathesis ended as its report says", (status == 0) == (holds.failed == 0), f"with status {status}")
    counts = run.counts()
    print(sum(n for answers in counts.values() for kind, n in answers.items() if kind.isdigit()), "answers")
    never = demands.never_successful(operations, counts)
    with open(ALLOWED, encoding="utf-8") as file:
        allowed = demands.allowed(file.read())
    told = {name: counts.get(name) for name in sorted(never - allowed)}
    holds("each operation succeeded at least once", not told, f"but for {told}; see given.py")
    holds(f"{ALLOWED} names operations that are there", allowed <= operations, str(sorted(allowed - operations)))


def main(binary, profile, out):
    receiver = Receiver()
    server = Server(binary, profile, out, receiver.port)
    holds = Tally(profile)
    try:
        client = Client(server.base)
        furnish(client, server.scratch)
        document = server.base.removesuffix("/zstack/v1") + "/openapi.json"
        content = client.http.get(document, timeout=60).json()
        operations = demands.operations_of(content)
        run = Run(server, client, receiver.url, os.path.join(out, "run"))
        started = time.monotonic()
        status = run.ask(document, operations, "--phases", "coverage,fuzzing", "--max-examples",
                         os.environ.get("LONGHAUL_SCHEMATHESIS_EXAMPLES", "4"))
        print(f"{profile}: {time.monotonic() - started:.0f} s")
        judge_run(holds, run, status, operations)
        controls.made_up(holds)
        controls.wrong_document(server, client, receiver.url, os.path.join(out, "control"), content, holds)
        valid = client.call("GET", f"/accounts/sessions/{client.session}/valid")
        holds("the session lived to the end", valid.json().get("valid") is True, valid.text)
    finally:
        status = server.stop()
    holds("the server ended in order", status == 0, f"with status {status}")
    holds("nothing panicked", not demands.panicked(server.log()), f"see {server.log_path}")
    wrong = [told for _, told in receiver.told if demands.internal(profile, "", told)]
    holds("web hooks were told of no internal error", receiver.told and not wrong, f"{wrong[:3]}")
    print(f"{holds.passed} passed, {holds.failed} failed")
    return holds.failed == 0


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:4]) else 1)
