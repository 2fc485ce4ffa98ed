"""Where the blocks of one document run: a scratch directory, a server on port 8080, a shell that remembers.

A document's blocks share the server, and the variables, functions and working directory of its shell. Paths that a
reader would have on a machine of their own (`/srv`, `/var/lib/longhaul`) are below the scratch directory. A reader's
database server, `db.example`, is a PostgreSQL that is started for the document; the password of its superuser is in ~/.pgpass.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

ADDRESS = "127.0.0.1:8080"
#: Seconds that one block may take, and that a server may take to start.
BLOCK_TIMEOUT_S = 180
START_TIMEOUT_S = 60

#: `longhaul` for a document. A reader has a second terminal for `serve` and a keyboard for the password; here
#: `serve` goes to the background once it listens, and `login` reads the password that the server made.
COMMAND = """#!/usr/bin/env bash
set -euo pipefail
case ${1:-} in
    serve)
        "@binary@" "$@" >"@scratch@/serve.out" 2>"@scratch@/serve.err" </dev/null &
        echo $! >>"@scratch@/pids"
        until grep -q '^listening on' "@scratch@/serve.out"; do
            kill -0 $! 2>/dev/null || { cat "@scratch@/serve.err" >&2; exit 1; }
            sleep 0.05
        done
        cat "@scratch@/serve.out"
        ;;
    login)
        file=$(sed -n 's/^the password of the account admin is in //p' "@scratch@/serve.out")
        [[ $* == *--password-file* ]] || set -- "$@" --password-file "${file:-@scratch@/password}"
        exec "@binary@" "$@"
        ;;
    *) exec "@binary@" "$@" ;;
esac
"""

SHELL = """set -euo pipefail
trap 'status=$?; set +x; { export -p; declare -f; printf "cd %q\\n" "$PWD"; } >"@scratch@/state"; exit $status' EXIT
source "@scratch@/state"
set -a
"""


class World:
    """One document's. Leave it by `close`."""

    def __init__(self, repository: Path, binary: Path, scratch: Path) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        for directory in ("bin", "home", "work", "srv", "var/lib"):
            (scratch / directory).mkdir(parents=True)
        self.binary, self.scratch = binary, scratch
        for shared in ("docs", "sdks"):
            (scratch / "work" / shared).symlink_to(repository / shared)
        self._write("bin/longhaul", COMMAND).chmod(0o755)
        # As on a terminal: curl shows no meter there.
        self._write("home/.curlrc", "silent\nshow-error\n")
        self._write("password", "password\n")
        self._write("serve.out", "")
        self._write("state", f"cd {scratch}/work\n")
        self._tool = repository / "tests/tools/postgres-dev.sh"
        self._database: Optional[str] = None
        self._server: Optional[subprocess.Popen] = None
        self._servers_started = 0

    def _write(self, name: str, text: str) -> Path:
        path = self.scratch / name
        path.write_text(text.replace("@binary@", str(self.binary)).replace("@scratch@", str(self.scratch)))
        return path

    def environment(self) -> Dict[str, str]:
        """Nothing of the developer's settings, proxies or sessions."""
        dropped = ("longhaul_", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "xdg_", "bash_env", "curl_")
        kept = {name: value for name, value in os.environ.items() if not name.lower().startswith(dropped)}
        path = f"{self.scratch}/bin:{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "HOME": f"{self.scratch}/home", "TZ": "UTC", "LC_ALL": "C.UTF-8"}

    def serve(self, flags: Optional[str]) -> None:
        """A fresh server with these flags, or none."""
        self.stop()
        if flags is None:
            return
        self._servers_started += 1
        data = self.scratch / f"data-{self._servers_started}"
        command = [str(self.binary), "serve", "--listen", ADDRESS, "--data-dir", str(data), *flags.split()]
        with open(self.scratch / "server.log", "ab") as log:
            self._server = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                env=self.environment(), cwd=self.scratch, text=True,
            )
        line = self._server.stdout.readline()
        if not line.startswith("listening on"):
            raise RuntimeError(f"the server did not start: {(self.scratch / 'server.log').read_text()[-2000:]}")

    def shell(self, text: str) -> Tuple[int, str]:
        """Runs a block of a shell; its status and what a reader would see."""
        if "db.example" in text and self._database is None:
            self._start_database()
        for theirs, ours in self._paths():
            text = text.replace(theirs, ours)
        script = self._write("block.sh", SHELL + "@block@").read_text().replace("@block@", text)
        (self.scratch / "block.sh").write_text(script)
        return self.run(["bash", str(self.scratch / "block.sh")])

    def run(self, command: List[str]) -> Tuple[int, str]:
        """Runs a command in the document's directory; its status and all it printed, with a reader's paths."""
        child = subprocess.Popen(
            command, cwd=self.scratch / "work", env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )
        try:
            printed, _ = child.communicate(timeout=BLOCK_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            printed = child.communicate()[0] + f"\n(ended after {BLOCK_TIMEOUT_S} s)\n"
        for theirs, ours in reversed(self._paths()):
            if ours.startswith("/"):
                printed = printed.replace(ours, theirs)
        return child.returncode, printed

    def _paths(self) -> List[Tuple[str, str]]:
        """What a reader writes and what is there here, longest first."""
        return [
            ("cargo run --release -- ", "longhaul "),
            ("/var/lib/longhaul", f"{self.scratch}/var/lib/longhaul"),
            ("/srv/", f"{self.scratch}/srv/"),
            ("db.example", ADDRESS.split(":")[0]),
        ]

    def _start_database(self) -> None:
        """PostgreSQL on the port that everybody expects, with nothing in it."""
        # Below /tmp: PostgreSQL runs as a user of its own, who must be able to come there.
        self._database = tempfile.mkdtemp(suffix=".longhaul-docs-postgres")
        environment = {**self.environment(), "PG_DEV_PORT": "5432"}
        tool = [str(self._tool)]
        subprocess.run([*tool, "start", self._database], check=True, env=environment, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        url = subprocess.run([*tool, "superurl", self._database], check=True, env=environment, stdout=subprocess.PIPE,
                             text=True).stdout.strip()
        # A reader has not made these yet.
        server, _, _ = url.rpartition("/")
        subprocess.run(["psql", "-q", f"{server}/postgres", "-c", "DROP DATABASE longhaul", "-c", "DROP ROLE longhaul"],
                       check=True, env=environment)
        password = url.split("//postgres:")[1].split("@")[0]
        passwords = self._write("home/.pgpass", f"{ADDRESS.split(':')[0]}:5432:*:postgres:{password}\n")
        passwords.chmod(0o600)

    def stop(self) -> None:
        """Ends the servers: the document's, and those that its blocks started."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server.stdout.close()
            self._server = None
        pids = self.scratch / "pids"
        started = [int(line) for line in pids.read_text().split()] if pids.exists() else []
        pids.unlink(missing_ok=True)
        for pid in started:
            _end(pid)

    def close(self) -> Optional[str]:
        """Ends everything; answers what is wrong with the servers' logs."""
        self.stop()
        if self._database is not None:
            subprocess.run([str(self._tool), "clean", self._database], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(self._database, ignore_errors=True)
        for name in ("server.log", "serve.err"):
            log = self.scratch / name
            if log.exists() and "panicked" in log.read_text(errors="replace"):
                return f"the server panicked: see {log}"
        shutil.rmtree(self.scratch, ignore_errors=True)
        return None


def _end(pid: int) -> None:
    """Kills a process that is not our child, and waits until it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
