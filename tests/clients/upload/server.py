"""A server as a process that can be killed, and its API for a logged-in admin."""

import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

PASSWORD = "correct horse"
WITHIN_S = 60


class Server:
    """One data directory, one port; started as often as it is killed."""

    def __init__(self, binary, directory, log_level="debug"):
        self.binary, self.directory, self.log_level = binary, directory, log_level
        self.listen, self.process, self.session = "127.0.0.1:0", None, ""
        self.peak_kib = 0
        self.log = open(os.path.join(directory, "server.log"), "ab")
        self.start()
        body = {"logInByAccount": {"accountName": "admin", "password": hashlib.sha512(PASSWORD.encode()).hexdigest()}}
        self.session = self.call("PUT", "/accounts/login", body)["inventory"]["uuid"]

    def start(self):
        environment = {**os.environ, "LONGHAUL_ADMIN_PASSWORD": PASSWORD, "LONGHAUL_LOG": self.log_level}
        command = [self.binary, "serve", "--listen", self.listen, "--data-dir", os.path.join(self.directory, "data")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://"), f"the server did not start: {line!r}"
        self.listen = line.strip().removeprefix("listening on http://")

    def look(self):
        """The most memory that any of the processes had at a time."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        self.peak_kib = max(self.peak_kib, int(line.split()[1]))

    def kill(self):
        self.look()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.look()
        self.process.terminate()
        self.process.wait(timeout=WITHIN_S)

    def call(self, method, path, body=None):
        """The JSON of a success; a refusal is raised with its text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.listen}/zstack/v1{path}", data=data, method=method)
        if self.session:
            request.add_header("Authorization", f"OAuth {self.session}")
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {path}: {refused.code} {refused.read().decode()}") from refused

    def wait(self, method, path, body=None):
        """The same for a call whose answer is fetched: it is over when this returns."""
        told = self.call(method, path, body)
        if "location" in told:
            poll = told["location"].split("/zstack/v1", 1)[-1]
            until(f"{method} {path} is over", lambda: "location" not in self.call("GET", poll))

    def job(self, uuid):
        return self.call("GET", f"/longjobs/{uuid}")["inventories"][0]


def until(what, done):
    """Asks until there is an answer."""
    end = time.monotonic() + WITHIN_S
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < end, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.05)
