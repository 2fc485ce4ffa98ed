"""Drives zstack-mcp-server, as PyPI has it, over MCP's stdio against a real server, in both reply profiles.

Between the two stands a relay that writes down which messages pass and what came of them, so that a login in the
middle is seen and not guessed. Nothing here knows what the server looks like inside; `mcp_stdio.py` speaks to the client,
`relay.py` is the relay. Called by run.sh.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

from mcp_stdio import McpServer
from relay import Relay

PASSWORD = "correct horse"
SESSION_SECONDS = 5
DEADLINE_SECONDS = 60


class Server:
    """The server under test on a free port, with the simulator and short sessions."""

    def __init__(self, binary, profile, log):
        self.directory = tempfile.TemporaryDirectory(prefix="longhaul-mcp-")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LONGHAUL_")}
        environment["LONGHAUL_ADMIN_PASSWORD"] = PASSWORD
        self.process = subprocess.Popen(
            [binary, "serve", "--simulator", "--data-dir", self.directory.name + "/data", "--listen", "127.0.0.1:0",
             "--replies", profile, "--set", f"session.timeoutSeconds={SESSION_SECONDS}"],
            env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        prefix = "listening on http://"
        if not line.startswith(prefix):
            raise RuntimeError(f"the server did not start: {line!r}")
        self.url = line.removeprefix("listening on ").strip()

    def clock_ms(self):
        """The server's clock, which needs no session."""
        body = json.dumps({"getCurrentTime": {}}).encode()
        request = urllib.request.Request(self.url + "/zstack/v1/management-nodes/actions", body, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["currentTime"]["MillionSeconds"]

    def wait_ms(self, duration_ms):
        """Until the server's clock has gone on so far."""
        until_ms = self.clock_ms() + duration_ms
        while self.clock_ms() <= until_ms:
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.directory.cleanup()


class Checks:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, what, held, shown=None):
        self.passed, self.failed = self.passed + bool(held), self.failed + (not held)
        print(f"{'ok  ' if held else 'FAIL'} {what}" + ("" if held else f": {shown!r}"), flush=True)


def execute(client, api, **parameters):
    return client.tool("execute_api", {"api_name": api, "parameters": parameters})


def job(client, uuid):
    """The job as a query finds it; None where there is none."""
    found = execute(client, "QueryLongJob", conditions=[{"name": "uuid", "op": "=", "value": uuid}])
    rows = found.get("result", {}).get("inventories", [])
    return rows[0] if rows else None


def wait_for(client, uuid, state):
    until = time.monotonic() + DEADLINE_SECONDS
    while (found := job(client, uuid)) is None or found["state"] != state:
        if time.monotonic() > until:
            raise RuntimeError(f"{uuid} is not {state}: {found}")
        time.sleep(0.1)
    return found


def submit(client, name, data):
    answer = execute(client, "SubmitLongJob", jobName="APISimulateJobMsg", jobData=json.dumps(data), name=name)
    return answer, answer.get("result", {}).get("inventory", {})


def jobs(check, client, relay):
    """Submit, query, progress, cancel."""
    answer, made = submit(client, "from mcp", {"durationMs": 3_600_000})
    check("a submit is answered with the job", answer.get("success") and len(made.get("uuid", "")) == 32, answer)
    check("the submit was processed and asked for again", ("GET", "Done") in relay.results(), relay.results())
    running = wait_for(client, made["uuid"], "Running")
    check("a query finds the job by its uuid", running["name"] == "from mcp", running)

    progress = execute(client, "GetTaskProgress", apiId=made["apiId"])
    rows = progress.get("result", {}).get("inventories", [])
    check("the progress is one row of the job", len(rows) == 1 and rows[0]["taskUuid"] == made["apiId"], progress)

    canceled = execute(client, "CancelLongJob", uuid=made["uuid"])
    check("a cancel succeeds", canceled.get("success") is True, canceled)
    wait_for(client, made["uuid"], "Canceled")
    again = execute(client, "ResumeLongJob", uuid=made["uuid"])
    check("a refusal keeps its code", (again.get("success"), again.get("code")) == (False, "SYS.1007"), again)

    _, second = submit(client, "another", {"durationMs": 0})
    wait_for(client, second["uuid"], "Succeeded")
    for what, condition, names in [
        ("like", {"name": "name", "op": "like", "value": "from%"}, ["from mcp"]),
        ("in", {"name": "name", "op": "in", "value": ["from mcp", "another"]}, ["another", "from mcp"]),
        ("not in", {"name": "state", "op": "not in", "value": "Canceled"}, ["another"]),
        ("is not null", {"name": "executeTime", "op": "is not null", "value": ""}, ["another", "from mcp"]),
    ]:
        found = execute(client, "QueryLongJob", conditions=[condition], fields="name", sortBy="name")
        got = [row["name"] for row in found.get("result", {}).get("inventories", [])]
        check(f"the operator {what} finds what it says", got == names, found)
    page = execute(client, "QueryLongJob", conditions=[], limit=1, start=1, replyWithCount=True, sortBy="name",
                   sortDirection="desc", fields=["name"])
    got = (page.get("result", {}).get("inventories"), page.get("totalCount"))
    check("a page has its row and the total", got == ([{"name": "another"}], 2), page)
    unknown = execute(client, "QueryLongJob", conditions=[{"name": "name", "op": "?=", "value": "x"}])
    check("an operator that this form has not is refused", unknown.get("code") == "SYS.1007", unknown)
    zql = execute(client, "ZQLQuery", zql="count longjob where state = 'Canceled' or name = 'another' named as 'n'")
    check("ZQL counts", zql.get("result", {}).get("results") == [{"total": 2, "name": "n"}], zql)


def elsewhere(check, client):
    """APIs that the client knows and the server has not."""
    for api, parameters in [("QueryVmInstance", {"conditions": []}), ("StartVmInstance", {"uuid": "0" * 32})]:
        answer = execute(client, api, **parameters)
        got = (answer.get("success"), answer.get("code"))
        check(f"{api} is told to be not offered", got == (False, "SYS.1014"), answer)


def expiry(check, client, server, relay):
    """The session ends; the client logs in again and repeats its call."""
    execute(client, "QueryLongJob", conditions=[])
    server.wait_ms(SESSION_SECONDS * 1000 + 500)
    seen = len(relay.passed)
    answer = execute(client, "QueryLongJob", conditions=[])
    check("a query after the session's end succeeds", answer.get("success") is True, answer)
    wanted = [("APIQueryLongJobMsg", "ID.1001"), ("APILogInByAccountMsg", None), ("APIQueryLongJobMsg", None)]
    check("the client was told ID.1001 and logged in again", relay.messages(seen) == wanted, relay.messages(seen))
    server.wait_ms(SESSION_SECONDS * 1000 + 500)
    seen = len(relay.passed)
    answer, made = submit(client, "after the end", {"durationMs": 0})
    check("a submit after the session's end succeeds", len(made.get("uuid", "")) == 32, answer)
    wanted = [("APISubmitLongJobMsg", "ID.1001"), ("APILogInByAccountMsg", None), ("APISubmitLongJobMsg", None)]
    check("the same for an asynchronous call", relay.messages(seen) == wanted, relay.messages(seen))


def profile(check, binary, name, out):
    def checked(what, held, shown=None):
        check(f"{name}: {what}", held, shown)

    with open(out / f"server-{name}.log", "w", encoding="utf-8") as log:
        server = Server(binary, name, log)
        relay = Relay(server.url)
        try:
            command = [str(pathlib.Path(sys.executable).with_name("zstack-mcp-server"))]
            settings = {"ZSTACK_API_URL": relay.url, "ZSTACK_ACCOUNT": "admin", "ZSTACK_PASSWORD": PASSWORD}
            with McpServer(command, settings | {"ZSTACK_ALLOW_ALL_API": "true"}, out / f"mcp-{name}.log") as client:
                checked("the client offers its tools", "execute_api" in client.tools(), client.tools())
                first = execute(client, "QueryLongJob", conditions=[])
                checked("the first query logs in and finds nothing", first.get("resultCount") == 0, first)
                checked("it sent a login, then the query", relay.messages(0) == [
                    ("APILogInByAccountMsg", None), ("APIQueryLongJobMsg", None)], relay.messages(0))
                jobs(checked, client, relay)
                elsewhere(checked, client)
                expiry(checked, client, server, relay)
            with McpServer(command, settings | {"ZSTACK_PASSWORD": "wrong"}, out / f"mcp-{name}.log") as client:
                answer = execute(client, "QueryLongJob", conditions=[])
                checked("a wrong password is told", answer.get("code") == "ID.1000", answer)
                # Without ZSTACK_ALLOW_ALL_API the client itself sends nothing that changes something.
                seen = len(relay.passed)
                answer, _ = submit(client, "never", {})
                held = answer.get("success") is False and len(relay.passed) == seen
                checked("a submit that was not allowed is never sent", held, answer)
            odd = sorted({status for _, _, status, _ in relay.passed})
            checked("every answer of the server had status 200", odd == [200], odd)
        finally:
            relay.stop()
            server.stop()


def main():
    binary, out = sys.argv[1], pathlib.Path(sys.argv[2])
    checks = Checks()
    for name in ("fast", "zstack"):
        profile(checks.that, binary, name, out)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed or not checks.passed else 0


if __name__ == "__main__":
    sys.exit(main())
