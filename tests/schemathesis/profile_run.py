"""One reply profile: python profile_run.py SERVER_BINARY PROFILE OUT_DIR

Starts a server, makes a few of everything, lets schemathesis ask each operation of the server's own document, and
looks at the whole run afterwards. The last line is `N passed, M failed`.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree

from server import Client, Server

CHECKS = ["status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "failures_are_those_of_the_contract",
          "what_is_accepted_is_answered_at_the_poll"]
# Longer lines of schemathesis's output are cut.
LINE_MAX = 1000


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


def ask(base, client, profile, out, scratch):
    """Runs schemathesis; answers its status."""
    environment = dict(
        os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=os.getcwd(), LONGHAUL_SCHEMATHESIS_PROFILE=profile,
        LONGHAUL_SCHEMATHESIS_BASE=base, LONGHAUL_SCHEMATHESIS_SESSION=client.session,
        LONGHAUL_SCHEMATHESIS_SCRATCH=scratch, LONGHAUL_SCHEMATHESIS_COUNTS=os.path.join(out, "counts.json"))
    document = base.removesuffix("/zstack/v1") + "/openapi.json"
    # In `out`, where it leaves what it remembers of a run.
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", document, "--url", base,
         "--phases", "examples,coverage,fuzzing", "--mode", "all", "--workers", "1",
         "--seed", os.environ.get("LONGHAUL_SCHEMATHESIS_SEED", "1"),
         "--max-examples", os.environ.get("LONGHAUL_SCHEMATHESIS_EXAMPLES", "6"),
         "--checks", ",".join(CHECKS), "--header", f"Authorization: OAuth {client.session}",
         "--suppress-health-check", "all", "--generation-database", "none", "--no-shrink", "--continue-on-failure",
         "--warnings", "off", "--request-timeout", "60", "--report", "junit",
         "--report-junit-path", os.path.join(out, "report.xml"), "--no-color"],
        env=environment, cwd=out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    # A request of 64 KiB is told by its beginning.
    for line in process.stdout:
        print(line.rstrip("\n")[:LINE_MAX], flush=True)
    return process.wait()


def count_operations(report):
    """Passed and failed operations of schemathesis's report."""
    cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return len(cases) - len(bad), len(bad)


def never_successful(counts):
    """Operations of which no call succeeded: of them, only the refusals were looked at."""
    fine = lambda answers: any(key in answers for key in ("200", "polled 200"))
    return sorted(name for name, answers in counts.items() if not fine(answers))


def main(binary, profile, out):
    scratch = os.path.join(out, "scratch")
    os.makedirs(scratch)
    server = Server(binary, profile, out)
    passed = failed = 0

    def holds(what, yes, otherwise=""):
        nonlocal passed, failed
        passed, failed = (passed + 1, failed) if yes else (passed, failed + 1)
        print("ok     " if yes else "FAILED ", f"{profile}: {what}", "" if yes else otherwise, flush=True)

    try:
        client = Client(server.base)
        furnish(client, scratch)
        status = ask(server.base, client, profile, out, scratch)
        passed, failed = count_operations(os.path.join(out, "report.xml"))
        holds("schemathesis ended as its report says", (status == 0) == (failed == 0), f"with status {status}")
        valid = client.call("GET", f"/accounts/sessions/{client.session}/valid")
        holds("the session lived to the end", valid.json().get("valid") is True, valid.text)
        with open(os.path.join(out, "counts.json"), encoding="utf-8") as file:
            counts = json.load(file)
        print(f"{sum(sum(answers.values()) for answers in counts.values())} answers of {len(counts)} calls")
        print("never successful:", ", ".join(never_successful(counts)) or "none")
    finally:
        status = server.stop()
    holds("the server ended in order", status == 0, f"with status {status}")
    holds("nothing panicked", "panicked" not in server.log(), f"see {server.log_path}")
    print(f"{passed} passed, {failed} failed")
    return failed == 0


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:4]) else 1)
