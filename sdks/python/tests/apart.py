"""Runs scripts beside `longhaul serve --demo` on port 8080, and prints what each printed as one JSON list.

Started inside a network of its own (`unshare -n`), so that port 8080 is free whatever runs on this machine:

    python -m tests.apart SCRIPT...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import List

from .server import serve

#: Seconds that one script may take.
SCRIPT_TIMEOUT_S = 120


def in_network_of_its_own(*scripts: str) -> List[str]:
    """What each of the scripts prints, one after the other, beside one demo."""
    options = ["-n"] if os.geteuid() == 0 else ["-r", "-n"]
    shell = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    command = ["unshare", *options, *shell, sys.executable, "-m", "tests.apart", *scripts]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    printed = json.loads(done.stdout)
    assert isinstance(printed, list) and len(printed) == len(scripts)
    return printed


def main(scripts: List[str]) -> None:
    """Starts the server, runs the scripts, prints."""
    printed = []
    with serve("--demo", listen="127.0.0.1:8080"):
        for script in scripts:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", script],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SCRIPT_TIMEOUT_S,
            )
            printed.append(done.stdout if done.returncode == 0 else f"status {done.returncode}\n{done.stdout}")
    print(json.dumps(printed))


if __name__ == "__main__":
    main(sys.argv[1:])
