"""The real server as a child process on a free port, with throw-away data."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

#: The admin password of every server here.
PASSWORD = "correct horse"
#: What the demo holds: the literals of the public API reference.
DEMO_SESSION = "b86c9016b4f24953a9edefb53ca0678c"
DEMO_VOLUME = "45a53d3d93384433add8ead7616586cf"
DEMO_TARGET = "70a0618804864b3dabe8be9824c8028c"
SIMULATE = "APISimulateJobMsg"


def binary() -> str:
    """The server's binary, which test.sh names."""
    path = os.environ.get("LONGHAUL_BINARY")
    assert path, "set LONGHAUL_BINARY to the server's binary; test.sh does"
    return path


@contextmanager
def serve(*flags: str, listen: str = "127.0.0.1:0", directory: Optional[Path] = None) -> Iterator[str]:
    """A running server; answers its address. Killed with the block, which fails if the server panicked.

    On data of its own, which go with the block; `directory` keeps them for the next start.
    """
    kept = directory is not None
    directory = directory or Path(tempfile.mkdtemp(prefix="longhaul-python-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LONGHAUL_")}
    environment.update(LONGHAUL_ADMIN_PASSWORD=PASSWORD, TZ="UTC")
    command = [binary(), "serve", "--listen", listen, "--data-dir", str(directory / "data"), *flags]
    log = directory / "stderr.log"
    try:
        with log.open("wb") as errors, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=environment, text=True
        ) as child:
            try:
                assert child.stdout is not None
                line = child.stdout.readline().strip()
                assert line.startswith("listening on http://"), f"{line!r} {log.read_text()}"
                yield line[len("listening on ") :]
            finally:
                child.kill()
        assert "panicked" not in log.read_text(), log.read_text()
    finally:
        if not kept:
            shutil.rmtree(directory, ignore_errors=True)
