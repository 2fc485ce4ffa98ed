"""The server under test as a child process, and the few calls that a run makes itself."""

import hashlib
import os
import subprocess

import requests

PASSWORD = "correct horse"


def sha512(clear):
    """A password as it is sent."""
    return hashlib.sha512(clear.encode()).hexdigest()


class Server:
    """`serve --simulator` on a free port, with its data below `out`."""

    def __init__(self, binary, profile, out, hook_port):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LONGHAUL_")}
        environment.update(LONGHAUL_ADMIN_PASSWORD=PASSWORD, TZ="UTC")
        self.profile = profile
        self.scratch = os.path.join(out, "scratch")
        os.makedirs(self.scratch)
        self.log_path = os.path.join(out, "server.log")
        # Logins that fail are not limited here: behind the limit, nothing else of a login would be asked.
        sets = [f"--set={setting}" for setting in (
            "login.failuresPerAccount=0", "login.failuresPerAddress=0", "engine.cancelDeadlineSeconds=5",
            "session.maxPerAccount=100000", "accessKey.maxPerAccount=1000", "engine.maxRunning=100000",
            f"egress.webhooks=127.0.0.1:{hook_port}")]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--simulator", "--listen", "127.0.0.1:0", "--replies", profile,
                 "--data-dir", os.path.join(out, "data"), *sets],
                stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            raise RuntimeError(f"the server did not start: {line!r}; see {self.log_path}")
        self.base = line.split()[2] + "/zstack/v1"

    def log(self):
        """What it has written to stderr."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        """Ends it in order; answers its status."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Client:
    """A session, and calls that wait for their end."""

    def __init__(self, base, session=None):
        self.base = base
        self.http = requests.Session()
        if session is None:
            session = self.log_in()
        self.session = session
        self.http.headers["Authorization"] = f"OAuth {session}"

    def log_in(self):
        """Opens a session of the admin."""
        body = {"logInByAccount": {"accountName": "admin", "password": sha512(PASSWORD)}}
        answer = self.http.put(f"{self.base}/accounts/login", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()["inventory"]["uuid"]

    def call(self, method, path, body=None, headers=None):
        """The last answer of a call; polls what is answered with 202."""
        answer = self.http.request(method, self.base + path, json=body, headers=headers, timeout=60)
        return self.polled(answer)

    def polled(self, answer, tries=1000):
        """The answer at the end of the polling; still a 202 if it does not end within so many tries."""
        location = answer.json().get("location") if answer.status_code == 202 else None
        while location and answer.status_code == 202 and tries > 0:
            answer = self.http.get(location, headers={"Authorization": "OAuth null"}, timeout=60)
            tries -= 1
        return answer

    def inventory(self, method, path, body=None):
        """The inventory of a call that must succeed; of a query the first."""
        answer = self.call(method, path, body)
        if answer.status_code != 200:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        told = answer.json()
        return told["inventories"][0] if "inventories" in told else told.get("inventory")
