#!/usr/bin/env bash
# Runs uploads against a server, by tuspy, unmodified, and by slices that curl sends: run.sh SERVER_BINARY OUT_DIR
# OUT_DIR keeps the Python environment between runs, and the logs. The last line counts what was checked.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# == 2 ]] || { echo "usage: $0 SERVER_BINARY OUT_DIR" >&2; exit 2; }
server=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
[[ -x $server ]] || { echo "$server is no program; build it with cargo build -p longhaul-server" >&2; exit 2; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "this needs Python 3.11 or newer" >&2; exit 2; }

python=$out/venv/bin/python
if ! cmp -s "$here/requirements.txt" "$out/installed.txt"; then
    rm -rf "$out/venv" "$out/installed.txt"
    python3 -m venv "$out/venv" || { echo "python3-venv is missing: install it with apt-get" >&2; exit 2; }
    "$python" -m pip --quiet --disable-pip-version-check install -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$out/installed.txt"
fi
exec "$python" "$here/drive.py" "$server" "$out"
